/**
 * The report of `athanor info` on libraries that are opened at run time. native/test/core tests how
 * they are searched.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { native } from '../../src/native/addon.ts';

const execute = promisify(execFile);

interface Library {
  name: string;
  version: string | null;
  path: string | null;
  problem: string | null;
}

async function libraries(env: Record<string, string>): Promise<Library[]> {
  const program = join(packageRoot, 'dist/cli/main.js');
  const options = { env: { ...process.env, ...env } };
  const { stdout } = await execute(process.execPath, [program, 'info', '--json'], options);
  return JSON.parse(stdout.trim().split('\n').at(-1)!).libraries;
}

describe('libraries for GPUs', () => {
  it('are there with a version and a place, or missing with the line that installs them', () => {
    const found = native.cudaLibraries();
    expect(found.map(([name]) => name)).toEqual(['cuBLASLt', 'NCCL']);
    for (const [, version, path, problem] of found) {
      if (problem === '') {
        expect(version).toMatch(/^\d+\.\d+\.\d+$/);
        expect(path).toContain('.so');
      } else {
        expect(problem).toMatch(/install it with: pip install nvidia-/);
        expect([version, path]).toEqual(['', '']);
      }
    }
  });

  it('are the ones that variables name, or a problem', async () => {
    const env = { ATHANOR_CUBLASLT: '/nonexistent/libcublasLt.so.13', ATHANOR_NCCL: 'none' };
    const all = Object.fromEntries((await libraries(env)).map((library) => [library.name, library]));
    expect(Object.keys(all)).toEqual(['CUDA driver', 'MPI', 'cuBLASLt', 'NCCL']);
    expect(all.cuBLASLt!.problem).toMatch(/ATHANOR_CUBLASLT names a library that cannot be opened/);
    expect(all.cuBLASLt!.problem).toMatch(
      /\/nonexistent\/libcublasLt\.so\.13: cannot open shared object file/,
    );
    expect(all.NCCL!.problem).toBe('not used: ATHANOR_NCCL=none');
  });
});
