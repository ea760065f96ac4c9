import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';

const script = join(packageRoot, 'scripts/check-layers.mjs');

/** The violations in a tree that holds just these files. */
async function check(files: Record<string, string>): Promise<{ code: number | null; problems: string[] }> {
  const root = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const { code, stdout, stderr } = await runNode([script, root]);
  expect(stderr).toBe('');
  return { code, problems: stdout.split('\n').filter(Boolean) };
}

describe('the layer checker', () => {
  it('is content with this repository', async () => {
    expect(await runNode([script])).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('is content with a tree that keeps the rules', async () => {
    const files = {
      'native/core/a.h': '#include <vector>\n',
      'native/cpu/b.cpp': '#include "core/a.h"\n#include <algorithm>\n// std::vector in words\n',
      'native/cuda/gpu.h': '#include "emulator/gpu.h"\n',
      'native/emulator/gpu.h': '#include "cuda/memory.h"\n',
      'native/cpu/host/c.cpp': '#include <string>\nstd::vector<int> x;\n',
      'native/binding/d.cpp': '#include <napi.h>\n#include "ops/e.h"\n#include "text/f.h"\n',
      'src/index.ts': "export * from './cli/x.ts';\n",
      'src/tensor/ops/y.ts':
        "import { a } from '../../native/a.ts';\nimport { b } from '../../src/tensor/tensor.ts';\n",
      'src/train/sft/a.ts': "import '../loop/b.ts';\nimport './c.ts';\nimport '../../nn/d.ts';\n",
      'src/serve/a.ts': "import '../train/loop/b.ts';\nimport './b.ts';\n",
      'src/cli/x.ts':
        "import '../serve/a.ts';\n" + "// import '../zoo/x.ts'\nconst m = await import('../train/t.ts');\n",
    };
    expect(await check(files)).toEqual({ code: 0, problems: [] });
  });

  it.each([
    ['native/core/a.h', '\n#include "ops/x.h"\n', 'native/core/a.h:2: native/core may not include ops/x.h'],
    [
      'native/cuda/a.cu',
      '#include "emulator/x.h"\n',
      'native/cuda/a.cu:1: native/cuda may not include emulator/x.h',
    ],
    ['native/cpu/a.cpp', '#include "cuda/x.h"\n', 'native/cpu/a.cpp:1: native/cpu may not include cuda/x.h'],
    [
      'native/text/a.cpp',
      '# include "kernels/x.h"\n',
      'native/text/a.cpp:1: native/text may not include kernels/x.h',
    ],
    [
      'native/ops/a.cpp',
      '#include <napi.h>\n',
      'native/ops/a.cpp:1: only native/binding may know JavaScript: napi.h',
    ],
    ['native/core/a.cpp', '#include "napi.h"\n', 'native/core/a.cpp:1: native/core may not include napi.h'],
    ['native/cpu/a.cpp', '#include <vector>\n', 'native/cpu/a.cpp:1: a kernel file may not include <vector>'],
    [
      'native/cpu/a.cpp',
      '\n\nstd::vector<int> x;\n',
      'native/cpu/a.cpp:3: a kernel file may not use std::vector',
    ],
    [
      'native/cpu/a.h',
      'std::function<void()> f;\n',
      'native/cpu/a.h:1: a kernel file may not use std::function',
    ],
    ['native/zoo/a.cpp', '\n', 'native/zoo/a.cpp:1: native/zoo is no layer'],
    [
      'src/nn/a.ts',
      "\nimport { x } from '../train/x.ts';\n",
      'src/nn/a.ts:2: src/nn may not import train/x.ts',
    ],
    ['src/nn/a.ts', "export * from '../train/x.ts';\n", 'src/nn/a.ts:1: src/nn may not import train/x.ts'],
    [
      'src/nn/a.ts',
      "import type {\n  X\n} from '../optim/x.ts';\n",
      'src/nn/a.ts:3: src/nn may not import optim/x.ts',
    ],
    ['src/nn/a.ts', "await import('../cli/x.ts');\n", 'src/nn/a.ts:1: src/nn may not import cli/x.ts'],
    ['src/nn/a.ts', "import '../../src/index.ts';\n", 'src/nn/a.ts:1: src/nn may not import index.ts'],
    ['src/nn/a.ts', "import '../../test/x.ts';\n", 'src/nn/a.ts:1: src may not import ../../test/x.ts'],
    [
      'src/train/sft/a.ts',
      "import '../rl/x.ts';\n",
      'src/train/sft/a.ts:1: src/train/sft may not import train/rl/x.ts',
    ],
    [
      'src/train/loop/a.ts',
      "import '../sft/x.ts';\n",
      'src/train/loop/a.ts:1: src/train/loop may not import train/sft/x.ts',
    ],
    ['src/train/a.ts', '\n', 'src/train/a.ts:1: src/train has no room for'],
    ['src/train/zoo/a.ts', '\n', 'src/train/zoo/a.ts:1: src/train has no room for'],
    [
      'src/bench/a.ts',
      "import '../serve/x.ts';\n",
      'src/bench/a.ts:1: only cli may import src/serve: serve/x.ts',
    ],
    ['src/zoo/a.ts', '\n', 'src/zoo/a.ts:1: src/zoo is no room'],
  ])('finds in %s %j', async (file, text, problem) => {
    const { code, problems } = await check({ [file]: text });
    expect(code).toBe(1);
    expect(problems[0]).toContain(problem);
    expect(problems).toHaveLength(1);
  });
});
