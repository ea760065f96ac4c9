/** `athanor launch` with real processes on this machine, over TCP. */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { CheckpointStore } from '../../src/checkpoint/store.ts';
import { type LaunchOptions, launch } from '../../src/launch/launch.ts';
import { readMetrics } from '../../src/report/metrics-log.ts';
import { athanor, cliPath, runNode } from '../helpers/cli.ts';

let root: string;
let data: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-launch-'));
  const text = Array.from(
    { length: 300 },
    (_, i) => `Line ${i}: cat ${(i * 7) % 13} sat on ${(i * 3) % 17}.`,
  );
  writeFileSync(join(root, 'corpus.txt'), text.join('\n'));
  data = join(root, 'data');
  await athanor('data', 'prepare', join(root, 'corpus.txt'), '--out', data, '--vocab-size', '300');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const distOf = (file: string) => join(packageRoot, 'dist', file);

const command = (out: string, steps: number, ...more: string[]) => [
  ...['pretrain', '--data', data, '--model', 'tiny', '--context', '32', '--batch-size', '2'],
  ...['--grad-accum', '3', '--steps', String(steps), '--save-every', '10', '--dtype', 'f32'],
  ...['--schedule', 'constant', '--out', join(root, out), ...more],
];

const modelOf = (out: string) =>
  createHash('sha256')
    .update(readFileSync(join(root, out, 'model.safetensors')))
    .digest('hex');
const losses = (out: string) =>
  readMetrics(join(root, out)).records.flatMap(({ loss, step, event }) => (event ? [] : [[step, loss]]));

let whole: { model: string; losses: unknown };
const STEPS = 40;
beforeAll(async () => {
  await athanor(...command('whole', STEPS));
  whole = { model: modelOf('whole'), losses: losses('whole') };
});

/** Launches with a listener for the processes. */
function launchHere(out: string, options: Partial<LaunchOptions>, steps = STEPS) {
  const notes: string[] = [];
  const result = launch({
    program: [process.execPath, cliPath],
    command: command(out, steps),
    ranks: 3,
    maxRestarts: 0,
    elastic: false,
    logDir: join(root, out, 'ranks'),
    out: join(root, out),
    onNote: (text) => notes.push(text),
    onSignal: () => {},
    ...options,
  });
  return { result, notes };
}

/** Kills a rank as soon as the run has a checkpoint. Returns when that was. */
function killAfterCheckpoint(out: string, victim: number) {
  const killed: { at?: number } = {};
  const onStart = (rank: number, child: ChildProcess) => {
    if (rank !== victim || killed.at !== undefined) return;
    const watch = setInterval(() => {
      const store =
        existsSync(join(root, out, 'checkpoints')) &&
        new CheckpointStore(join(root, out), { readOnly: true });
      if (!store || store.latest() === undefined) return;
      clearInterval(watch);
      killed.at = performance.now();
      child.kill('SIGKILL');
    }, 5);
    child.on('exit', () => clearInterval(watch));
  };
  return { killed, onStart };
}

describe('a launched run', () => {
  it('has the bits of one process, shows the result once, and logs for the other ranks', async () => {
    const launched = await runNode([cliPath, 'launch', '-n', '2', '--', ...command('two', STEPS)]);
    expect(launched).toMatchObject({ code: 0, signal: null });
    expect(launched.stdout.match(/40 steps/g)).toHaveLength(1);
    expect({ model: modelOf('two'), losses: losses('two') }).toEqual(whole);
    expect(existsSync(join(root, 'two', 'ranks', 'rank-1.log'))).toBe(true);
  });

  it.each([0, 2])(
    'ends within five seconds when rank %i is killed, with which; it is resumable',
    async (victim) => {
      const out = `killed-${victim}`;
      const { killed, onStart } = killAfterCheckpoint(out, victim);
      const { result } = launchHere(out, { onStart }, 4000);
      await expect(result).rejects.toMatchObject({
        code: 'ERR_STATE',
        message: expect.stringContaining(`the other ranks were stopped: rank ${victim} was ended by SIGKILL`),
        remedy: expect.stringContaining('--resume'),
      });
      expect(performance.now() - killed.at!).toBeLessThan(5000);
      // On one rank, and then to the end of the undisturbed run.
      const { path } = new CheckpointStore(join(root, out), { readOnly: true }).latest()!;
      expect(Number(path.slice(-8)) % 10).toBe(0);
    },
  );

  it('goes on by itself, on the ranks that are left, and ends with the same bits', async () => {
    const { onStart } = killAfterCheckpoint('again', 1);
    const { result, notes } = launchHere('again', { onStart, maxRestarts: 2, elastic: true });
    await expect(result).resolves.toMatchObject({ ranks: 2, restarts: 1 });
    expect(notes[0]).toMatch(/rank 1 was ended by SIGKILL/);
    expect(notes[1]).toBe('start 1 of at most 2 again on 2 of 3 ranks');
    expect({ model: modelOf('again'), losses: losses('again') }).toEqual(whole);
  });

  it('shows the last lines of a rank that fails', async () => {
    const program = join(root, 'fails.mjs');
    writeFileSync(
      program,
      `if (process.env.RANK === '1') { console.error('out of luck'); process.exit(7); }
       setInterval(() => {}, 1000);`,
    );
    const { result } = launchHere('fails', { program: [process.execPath, program], ranks: 2 });
    await expect(result).rejects.toMatchObject({
      message: expect.stringMatching(
        /rank 1 ended with exit code 7; its last lines, in .*rank-1\.log:\n {2}out of luck/,
      ),
    });
  });

  it.each([
    [1, 'ERR_FORMAT', /^when that is put right, continue the run with the same command and --resume/],
    [1, 'ERR_COMM_LOST', /^continue the run with the same command and --resume/],
    [2, 'ERR_OPTION', /^the message above says why$/],
  ])('that ends with %i for %s says what can be done', async (exit, code, remedy) => {
    const program = join(root, `${code}.mjs`);
    writeFileSync(
      program,
      `import { reportError } from ${JSON.stringify(distOf('launch/launched.js'))};
       import { AthanorError } from ${JSON.stringify(distOf('base/errors.js'))};
       reportError(new AthanorError('${code}', 'out of luck'));
       process.exit(${exit});`,
    );
    const folder = join(root, code);
    mkdirSync(folder);
    writeFileSync(join(folder, 'run.json'), '{}');
    const { result } = launchHere(code, { program: [process.execPath, program], ranks: 2 });
    await expect(result).rejects.toMatchObject({ remedy: expect.stringMatching(remedy) });
  });

  it.each([0, 1])('names the rank that was killed when rank %i, which lost it, ends first', async (first) => {
    const program = join(root, 'lost.mjs');
    writeFileSync(
      program,
      `import { reportError } from ${JSON.stringify(distOf('launch/launched.js'))};
       import { AthanorError } from ${JSON.stringify(distOf('base/errors.js'))};
       const rank = Number(process.env.RANK);
       const lost = new AthanorError('ERR_COMM_LOST', 'rank 2 was lost during gradients 3');
       if (rank === 2) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);
       else setTimeout(() => {
         console.error(\`error: \${lost.message} [\${lost.code}]\`);
         reportError(lost);
         process.exit(1);
       }, rank === ${first} ? 0 : 600);`,
    );
    const { result } = launchHere(`lost-${first}`, { program: [process.execPath, program] });
    await expect(result).rejects.toThrow('the other ranks were stopped: rank 2 was ended by SIGKILL');
  });

  it('leaves the logs of a launch that runs to it', async () => {
    const log = join(root, 'busy/ranks/rank-1.log');
    const program = join(root, 'busy.mjs');
    writeFileSync(
      program,
      `if (process.env.RANK === '1') console.log('mine');
       process.stdin.once('data', () => process.exit()).once('end', () => process.exit());
       setInterval(() => {}, 1000);`,
    );
    const children: ChildProcess[] = [];
    const first = launchHere('busy', {
      ...{ program: [process.execPath, program], ranks: 2 },
      onStart: (_, child) => children.push(child),
    });
    await expect.poll(() => existsSync(log) && readFileSync(log, 'utf8')).toBe('mine\n');
    const { result } = launchHere('busy', { program: [process.execPath, '-e', ''], ranks: 2 });
    await expect(result).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringMatching(/ranks is in use: process/),
    });
    expect(readFileSync(log, 'utf8')).toBe('mine\n');
    for (const child of children) child.stdin!.end('end');
    await first.result;
  });

  it('of a wrong command line leaves no folder', async () => {
    const out = join(root, 'none/of/them');
    const { code, stderr } = await runNode([
      ...[cliPath, 'launch', '-n', '2', '--', 'pretrain', '--nonsense', '--out', out],
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('unknown option --nonsense');
    expect(existsSync(join(root, 'none'))).toBe(false);
  });

  it('hands its --json to the command', async () => {
    const args = ['launch', '-n', '2', '--json', '--', ...command('json', 2)];
    const { code, stdout } = await runNode([cliPath, ...args]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ step: 2 });
  });

  it('goes on without all ranks that died', async () => {
    const program = join(root, 'two-die.mjs');
    const again = join(root, 'two-died');
    writeFileSync(
      program,
      `import { existsSync } from 'node:fs';
       if (existsSync(${JSON.stringify(again)})) process.exit(0);
       if (process.env.RANK === '0') process.exit(1);
       if (process.env.RANK !== '3') process.kill(process.pid, 'SIGKILL');
       setInterval(() => {}, 1000);`,
    );
    const notes: string[] = [];
    const onNote = (text: string) => {
      notes.push(text);
      writeFileSync(again, '');
    };
    const run = { program: [process.execPath, program], ranks: 4, maxRestarts: 1, elastic: true };
    const { result } = launchHere('two-die', { ...run, onNote });
    await expect(result).resolves.toEqual({ ranks: 2, restarts: 1 });
    expect(notes[1]).toBe('start 1 of at most 1 again on 2 of 4 ranks');
  });

  it('that was interrupted ends with the code of one process, and is not started again', async () => {
    const program = join(root, 'interrupted.mjs');
    const ready = join(root, 'is-ready-');
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs';
       process.on('SIGINT', () => process.exit(130));
       setInterval(() => {}, 1000);
       writeFileSync(${JSON.stringify(ready)} + process.env.RANK, '');`,
    );
    let interrupt: (signal: NodeJS.Signals) => void = () => {};
    const { result } = launchHere('interrupted', {
      program: [process.execPath, program],
      ranks: 2,
      maxRestarts: 3,
      onSignal: (listener) => {
        interrupt = listener;
      },
    });
    const watch = setInterval(() => {
      if (!['0', '1'].every((rank) => existsSync(`${ready}${rank}`))) return;
      clearInterval(watch);
      interrupt('SIGINT');
    }, 10);
    await expect(result).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  });

  it('passes a signal on once: the run finishes its step and saves', async () => {
    const args = [cliPath, 'launch', '-n', '2', '--', ...command('signal', 4000)];
    const launched = await runNode(args, {
      started: (child) => {
        const watch = setInterval(() => {
          if (!existsSync(join(root, 'signal', 'checkpoints'))) return;
          clearInterval(watch);
          child.kill('SIGINT');
        }, 20);
      },
    });
    expect(launched.code).toBe(0);
    expect(launched.stderr).toMatch(/SIGINT: finishing the step, then saving/);
    expect(launched.stderr).toContain('Continue with: npx athanor launch -n 2 -- pretrain --resume --out');
    expect(launched.stderr).toMatch(/stopped after step \d+ of 4,?000; all of it is saved/);
  });
});

describe('refused', () => {
  it('are more ranks than batches, with the remedy', async () => {
    const { code, stderr } = await runNode([cliPath, 'launch', '-n', '4', '--', ...command('many', 5)]);
    expect(code).toBe(2);
    expect(stderr.match(/an update has 3 batches, too few for 4 ranks/g)).toHaveLength(1);
    expect(stderr).toMatch(/the other ranks were stopped: rank 0 ended with exit code 2/);
    expect(stderr).toMatch(/give --grad-accum 4 or more/);
  });

  it('are more ranks than batches before the text is prepared', async () => {
    const out = join(root, 'many-unprepared');
    const args = ['pretrain', '--data', join(root, 'corpus.txt'), '--grad-accum', '1', '--steps', '1'];
    const { code, stderr } = await runNode([cliPath, 'launch', '-n', '2', '--', ...args, '--out', out]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('an update has 1 batch, too few for 2 ranks'),
    ]);
    expect(existsSync(out)).toBe(false);
  });

  it('are commands that do not train', async () => {
    const { code, stderr } = await athanor('launch', '-n', '2', '--', 'chat', 'model');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/"chat" is not a command that ranks share/)]);
  });

  it('is a second launch into one folder', async () => {
    let second: Promise<unknown> | undefined;
    const first = await runNode([cliPath, 'launch', '-n', '2', '--', ...command('twice', 60)], {
      started: (child) => {
        const watch = setInterval(() => {
          if (child.exitCode !== null || existsSync(join(root, 'twice', 'run.json'))) clearInterval(watch);
          else return;
          second = runNode([
            cliPath,
            'launch',
            '-n',
            '2',
            '--log-dir',
            join(root, 'other'),
            '--',
            ...command('twice', 60),
          ]);
        }, 5);
      },
    });
    expect(first.code).toBe(0);
    expect(await second).toMatchObject({
      code: expect.any(Number),
      stderr: expect.stringMatching(/is in use: process|already holds a run/),
    });
  });
});

it.each([['quickstart'], ['improve', '--model', 'model', '--feedback', 'feedback']])(
  '%s, which runs in one process, is refused as a rank',
  async (name, ...more) => {
    const env = { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29400' };
    const { code, stderr } = await runNode([cliPath, name, ...more, '--out', join(root, name)], { env });
    expect(stderr).toContain(`athanor ${name} runs in one process, and this is one of 2`);
    expect(code).toBe(2);
  },
);

it('launch is refused as a rank', async () => {
  const env = { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29400' };
  const words = [cliPath, 'launch', '-n', '2', '--', ...command('nested', 5)];
  const { code, stderr } = await runNode(words, { env });
  expect(stderr).toContain('athanor launch runs in one process, and this is one of 2');
  expect(code).toBe(2);
});
