/**
 * The GPU kit without a GPU: its script with steps that fail, hang and crash; the kit unpacked in a
 * folder that is the whole system, up to the missing driver; the tables of its report.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { suiteFolder } from '../helpers/cli.ts';

const own = join(packageRoot, 'scripts/lib/gpu-kit');
const folder = suiteFolder();

interface Step {
  step: string;
  status: string;
  code: number;
  seconds: number;
  last: string;
}

/** Runs the script with steps given as text by name, and without a kit. */
function check(steps: Record<string, string>, ...args: string[]) {
  const place = join(folder, `run-${readdirSync(folder).length}`);
  const out = join(place, 'out');
  mkdirSync(join(place, 'steps'), { recursive: true });
  copyFileSync(join(own, 'gpu-check.sh'), join(place, 'gpu-check.sh'));
  Object.entries(steps).forEach(([name, text], i) => {
    writeFileSync(join(place, 'steps', `${10 + i}-${name}.sh`), `# title: ${name}\n# limit: 2\n${text}\n`);
  });
  const { status, stdout, stderr } = spawnSync('bash', [join(place, 'gpu-check.sh'), '--out', out, ...args], {
    encoding: 'utf8',
  });
  const path = join(out, 'results.json');
  const results = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { steps: Step[] })
    : undefined;
  return { status, stdout, stderr, out, steps: results?.steps ?? [] };
}

const outcome = ({ step, status }: Step) => `${step} ${status}`;

describe('gpu-check.sh', () => {
  it('goes on after a step that fails, hangs, crashes or cannot be run', () => {
    const { status, steps, out } = check({
      good: 'echo fine; echo "{}" > "$STEP_OUT/figures.json"',
      bad: 'echo "a \\"quoted\\" reason\\\\"; exit 3',
      hang: 'echo waiting; sleep 60',
      stubborn: "trap '' TERM; while true; do sleep 1; done",
      crash: 'kill -SEGV $$',
      missing: 'echo no tool; exit 77',
      last: 'echo done',
    });
    expect(steps.map(outcome)).toEqual([
      'good passed',
      'bad failed',
      'hang timed out',
      'stubborn timed out',
      'crash crashed',
      'missing skipped',
      'last passed',
    ]);
    expect(status).toBe(1);
    expect(steps[1]).toMatchObject({ code: 3, last: 'a "quoted" reason\\' });
    expect(steps[2]!.seconds).toBeLessThan(6);
    expect(readFileSync(join(out, 'hang/log.txt'), 'utf8')).toBe('waiting\n');
    expect(existsSync(join(out, 'good/figures.json'))).toBe(true);
  }, 60_000);

  it('runs the steps that were asked for, as often as was asked for', () => {
    const steps = { a: 'echo a', b: 'echo b', c: 'echo c' };
    expect(check(steps, '--only', 'a,c').steps.map(outcome)).toEqual(['a passed', 'c passed']);
    expect(check(steps, '--skip', 'b').steps.map(outcome)).toEqual(['a passed', 'c passed']);
    const twice = check(steps, '--only', 'b', '--repeat', '2');
    expect(twice.steps.map(outcome)).toEqual(['b passed', 'b passed']);
    expect(readdirSync(twice.out).sort()).toEqual(['b-1', 'b-2', 'results.json']);
    expect(check(steps, '--list').stdout).toMatch(/^a +2 s +a\nb +2 s +b\nc/);
  });

  it.each([
    [['--only', 'z'], 'there is no step z; the steps are a'],
    [['--repeat', 'x'], '--repeat expects a whole number'],
    [['--what'], 'unknown option --what'],
    [['--skip'], '--skip needs a value'],
  ])('refuses %j', (args, message) => {
    const { status, stderr } = check({ a: 'echo a' }, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it('every step has a title and a limit, and is valid', () => {
    let seconds = 0;
    for (const name of readdirSync(join(own, 'steps'))) {
      const path = join(own, 'steps', name);
      const text = readFileSync(path, 'utf8');
      expect(text, name).toMatch(/^# title: \S.*\n# limit: \d+\n/);
      seconds += Number(/^# limit: (\d+)$/m.exec(text)![1]);
      expect(spawnSync('bash', ['-n', path]).status, name).toBe(0);
    }
    // All steps together fit into the time for which a machine is there.
    expect(seconds).toBeLessThanOrEqual(600);
  });
});

/** Copies programs with the libraries that they load into a folder that becomes the root. */
function makeRoot(root: string, programs: readonly string[]): void {
  mkdirSync(join(root, 'tmp'), { recursive: true });
  const put = (path: string, as = path) => {
    const to = join(root, as);
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(realpathSync(path), to);
    chmodSync(to, 0o755);
  };
  for (const name of programs) {
    const path = execFileSync('which', [name], { encoding: 'utf8' }).trim();
    put(path, `bin/${name}`);
    const libraries = spawnSync('ldd', [path], { encoding: 'utf8' }).stdout;
    for (const [, library] of libraries.matchAll(/(\/\S+\.so\S*)/g)) put(library!);
  }
}

/** Of the C library, what Node needs beside what the shell needs. */
const SYSTEM_LIBRARIES = /^\s*(lib(?:dl|m|pthread|c|rt)\.so\S*) => (\/\S+)/gm;

const isRoot = process.getuid?.() === 0 && existsSync('/usr/sbin/chroot');

describe('the kit', () => {
  const kit = join(folder, 'kit');
  let bytes = 0;
  beforeAll(async () => {
    const { makeKit } = (await import(join(own, 'make.mjs'))) as {
      makeKit: (out: string, options: object) => Promise<number>;
    };
    const addon = join(packageRoot, 'build/cmake/Release/athanor.node');
    bytes = await makeKit(kit, { addon, program: false, dist: join(packageRoot, 'dist'), level: 1 });
  }, 300_000);

  it('is small enough to be sent in one piece', () => {
    expect(bytes).toBeLessThan(60 * 2 ** 20);
    expect(statSync(join(kit, 'gpu-check.sh')).mode & 0o111).not.toBe(0);
  });

  it.skipIf(!isRoot)('runs where nothing else is, up to the missing driver', () => {
    const root = join(folder, 'root');
    const tools = ['bash', 'sh', 'sed', 'head', 'tail', 'cut', 'tr', 'basename', 'dirname', 'date', 'seq'];
    makeRoot(root, [...tools, 'mkdir', 'mv', 'touch', 'uname', 'tar', 'gzip', 'timeout', 'env']);
    const node = spawnSync('ldd', [process.execPath], { encoding: 'utf8' }).stdout;
    for (const [, , path] of node.matchAll(SYSTEM_LIBRARIES)) {
      mkdirSync(dirname(join(root, path!)), { recursive: true });
      copyFileSync(realpathSync(path!), join(root, path!));
    }
    cpSync(kit, join(root, 'kit'), { recursive: true });
    const { status, stderr } = spawnSync(
      '/usr/sbin/chroot',
      [root, '/bin/bash', '/kit/gpu-check.sh', '--out', '/tmp/results'],
      { encoding: 'utf8', env: { PATH: '/bin' } },
    );
    expect(stderr).toMatch(/no GPU to check: (there is no NVIDIA driver|this build has no CUDA kernels)/);
    expect(status).toBe(3);
    const results = readFileSync(join(root, 'tmp/results/results.json'), 'utf8');
    expect(JSON.parse(results)).toMatchObject({ version: 1, steps: [] });
  });
});

describe('the report', () => {
  it('has a table per step that left figures', async () => {
    const place = join(folder, 'figures');
    const put = (name: string, value: object) => {
      mkdirSync(dirname(join(place, name)), { recursive: true });
      writeFileSync(join(place, name), `a line before\n${JSON.stringify(value)}\n`);
    };
    const steps = ['instructions', 'bench-kernels', 'train', 'decode', 'nccl'].map((step) => {
      return {
        step,
        title: step,
        status: 'passed',
        code: 0,
        seconds: 1.25,
        limit: 9,
        folder: step,
        last: 'a|b',
      };
    });
    mkdirSync(place);
    writeFileSync(join(place, 'results.json'), JSON.stringify({ device: 'H200', date: 'today', steps }));
    const peaks = { bf16_flops_per_second: 7e14, f32_flops_per_second: 5e13, copy_bytes_per_second: 4e12 };
    put('instructions/figures.json', peaks);
    const kernel = { name: 'gemm', dtype: 'bf16', shape: '1x2', rate: 5e14, unit: 'flop', share: 0.714 };
    put('bench-kernels/figures.json', { kernels: [kernel] });
    const trained = { model: 'gpt2', parameters: 124e6, tokens_per_second: 4e5, share_of_peak: 0.4 };
    put('train/figures.json', { ...trained, torch_tokens_per_second: 2e5, ratio_to_torch: 2 });
    put('decode/batch-64.json', { batch_size: 64, tokens_per_second: 1e5 });
    const { reportOf } = (await import(join(own, 'report.mjs'))) as { reportOf: (folder: string) => string };
    const report = reportOf(place);
    expect(report).toContain('Device: H200, today.');
    expect(report).toContain('| nccl | passed | 1.3 | a\\|b |');
    expect(report).toContain('| bf16 products | 700 TFLOP/s |');
    expect(report).toContain('| gemm | bf16 | 1x2 | 500 TFLOP/s | 71 % |');
    expect(report).toContain('| gpt2 | 124,000,000 | 400,000 | 40 % | 200,000 | 2 |');
    expect(report).toContain('| 64 | 100,000 |');
    expect(() => reportOf(join(folder, 'none'))).toThrow('results.json does not exist');
  });
});
