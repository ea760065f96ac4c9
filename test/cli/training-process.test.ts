/**
 * Training as a process among others: signals, a second process on its folder, status messages that
 * cannot be written. Real processes of the built command line.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { readMetrics } from '../../src/report/metrics-log.ts';
import { athanor, cliPath, type Finished, runNode, suiteFolder, temporaryFolder } from '../helpers/cli.ts';
import { newestStep, signalWhen } from '../helpers/killed-run.ts';

const root = suiteFolder();
const corpus = join(root, 'corpus.txt');
const STEPS = 40;
/** `pretrain` without --out; slow enough to be met at work. */
const command = (steps = STEPS) => [
  ...['pretrain', '--data', corpus, '--model', 'tiny', '--steps', String(steps), '--vocab-size', '300'],
  ...['--context', '32', '--batch-size', '4', '--warmup-steps', '2', '--threads', '1'],
];
const long = () => [...command(100_000), '--save-every', '5', '--eval-every', '0'];
const stepsOf = (out: string) =>
  readMetrics(out)
    .records.filter(({ event }) => event === undefined)
    .map(({ step }) => step);
const upTo = (steps: number) => Array.from({ length: steps }, (_, i) => i + 1);

beforeAll(() => writeFileSync(corpus, 'Name a colour. Blue. Red, then. Be brief. '.repeat(400)));

/** A run in the background that has begun to train. */
async function training(out: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [cliPath, ...long(), '--out', out], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  while (newestStep(out) === undefined) {
    expect(child.exitCode).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child;
}

describe('a second process on the folder of a run', () => {
  it('is refused, and told by whom, until the first was killed', async () => {
    const out = join(temporaryFolder(), 'run');
    const child = await training(out);
    const holder = new RegExp(
      `${out} is in use: process ${child.pid} on .*: main.js pretrain .*\\[ERR_STATE\\]`,
    );
    for (const args of [
      [...command(), '--out', out],
      ['pretrain', '--out', out, '--resume'],
    ]) {
      const { code, stderr } = await athanor(...args);
      expect(stderr).toMatch(holder);
      expect(code).toBe(1);
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    const done = newestStep(out)!;
    const { code } = await athanor('pretrain', '--out', out, '--resume', '--steps', String(done + 5));
    expect(code).toBe(0);
    expect(stepsOf(out)).toEqual(upTo(done + 5));
    expect(readdirSync(out)).not.toContain('.athanor.lock');
  });

  it('started at the same moment: one trains, the other is refused, and no record is lost', async () => {
    const out = join(temporaryFolder(), 'run');
    const both = await Promise.all([1, 2].map(() => athanor(...command(), '--out', out)));
    const [first, second] = both.sort((a, b) => a.code! - b.code!) as [Finished, Finished];
    expect(first.code).toBe(0);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/is in use|already holds a run/);
    expect(stepsOf(out)).toEqual(upTo(STEPS));
  });

  it('is refused for shards and tokenizers too', async () => {
    const out = join(temporaryFolder(), 'shards');
    const prepare = ['data', 'prepare', corpus, '--vocab-size', '300', '--out', out];
    const both = await Promise.all([athanor(...prepare), athanor(...prepare)]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(readdirSync(join(out, '..'))).toEqual(['shards']);
    const run = join(temporaryFolder(), 'run');
    await training(run);
    const train = await athanor('tokenizer', 'train', corpus, '--vocab-size', '300', '--out', run);
    expect(train.stderr).toMatch(/is in use: process/);
  });
});

describe('after a signal', () => {
  it.each(['SIGINT', 'SIGHUP', 'SIGTERM'] as const)(
    '%s saves, says how far it got, and what continues',
    async (signal) => {
      const out = join(temporaryFolder(), "it's a run");
      const { code, stderr } = await signalWhen(long(), out, (records) => records.length > 0, { signal });
      expect(code).toBe(0);
      const step = newestStep(out)!;
      expect(stepsOf(out)).toEqual(upTo(step));
      const line = /stopped after step (\d+) of 100000; .* Continue with: npx athanor (.*)/.exec(stderr)!;
      expect(Number(line[1])).toBe(step);
      // The line works as it stands: a shell reads it.
      const node = `'${process.execPath}' '${cliPath}'`;
      const typed = `${node} ${line[2]} --steps ${step + 2}`;
      expect(spawnSync('/bin/sh', ['-c', typed], { cwd: packageRoot }).status).toBe(0);
      expect(newestStep(out)).toBe(step + 2);
    },
  );

  it('a second SIGHUP, which a closing terminal sends, is no reason to end at once', async () => {
    const out = join(temporaryFolder(), 'run');
    const child = await training(out);
    const exit = once(child, 'exit');
    child.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGHUP');
    expect(await exit).toEqual([0, null]);
    expect(stepsOf(out)).toEqual(upTo(newestStep(out)!));
  });
});

describe('status messages that cannot be written', () => {
  /** Runs a command whose stderr, and stdout if asked for, are on a full disk. */
  async function onFullDisk(args: string[], both = false): Promise<number | null> {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [cliPath, ...args], {
      stdio: ['ignore', both ? full : 'ignore', full],
    });
    closeSync(full);
    return ((await once(child, 'exit')) as [number | null])[0];
  }

  it('do not end a run, on a full disk', async () => {
    const out = join(temporaryFolder(), 'run');
    expect(await onFullDisk([...command(), '--out', out, '--eval-every', '5'])).toBe(0);
    expect(newestStep(out)).toBe(STEPS);
    const shards = join(temporaryFolder(), 'shards');
    expect(await onFullDisk(['data', 'prepare', corpus, '--vocab-size', '300', '--out', shards])).toBe(0);
  });

  it('nor does a result: the run is complete, and the exit code tells', async () => {
    const out = join(temporaryFolder(), 'run');
    expect(await onFullDisk([...command(), '--out', out], true)).toBe(1);
    expect(newestStep(out)).toBe(STEPS);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
  });

  it('do not end a run whose reader left', async () => {
    const out = join(temporaryFolder(), 'run');
    const finished = await runNode([cliPath, ...command(), '--out', out, '--eval-every', '10'], {
      started: (child) => {
        child.stderr!.destroy();
        child.stdout!.destroy();
      },
    });
    expect(finished.code).toBe(0);
    expect(newestStep(out)).toBe(STEPS);
  });

  it('do not end a program that uses the library', async () => {
    const out = join(temporaryFolder(), 'run');
    const library = JSON.stringify(join(packageRoot, 'dist/index.js'));
    const settings = JSON.stringify({
      data: corpus,
      model: 'tiny',
      steps: 8,
      vocabSize: 300,
      context: 32,
      out,
    });
    const program = `
      const { pretrain, terminalProgress } = await import(${library});
      await pretrain({ ...${settings}, evalEvery: 1 }, { onEvent: terminalProgress() });`;
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', full],
    });
    closeSync(full);
    expect((await once(child, 'exit'))[0]).toBe(0);
    expect(newestStep(out)).toBe(8);
  });
});

describe('options beside --resume', () => {
  it('count when they were typed or stand in the config file, and not by their default', async () => {
    const out = join(temporaryFolder(), 'run');
    const own = ['--seed', '5', '--lr', '0.002', '--eval-every', '7', '--no-document-mask'];
    expect((await athanor(...command(4), ...own, '--out', out)).code).toBe(0);
    const again = await athanor('pretrain', '--out', out, '--resume', '--steps', '6');
    expect(again.code).toBe(0);
    expect(again.stderr).toMatch(/resumed with --steps 6 \(before: 4\)\n/);
    const config = join(root, 'resume.yaml');
    writeFileSync(config, 'seed: 5\nsteps: 8\nlr: 0.001\n');
    const resumed = await athanor('pretrain', '--out', out, '--resume', '--config', config);
    expect(resumed.stderr).toMatch(/warning: resumed with --lr 0\.001 \(before: 0\.002\): from here on/);
    expect(stepsOf(out)).toEqual(upTo(8));
    const refused = await athanor('pretrain', '--out', out, '--resume', '--seed', '0');
    expect(refused.stderr).toMatch(/cannot change --seed from 5 to 0 \(.*\[ERR_OPTION\]/);
    expect(refused.code).toBe(2);
    const ended = await athanor('pretrain', '--out', out, '--resume', '--json');
    expect(ended.stderr).toMatch(/the run is at its end, step 8 of 8, .* resume it with more --steps/);
    expect(ended.stdout).not.toMatch(/NaN/);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain('from step 6 on: lr 0.001 (before: 0.002)');
  });
});
