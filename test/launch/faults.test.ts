/** Ranks that are slow, that stop, and whose disk is full, as real processes. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CheckpointStore } from '../../src/checkpoint/store.ts';
import { athanor, suiteFolder } from '../helpers/cli.ts';
import { bitsOf, launchedRuns, processOf, ways } from '../helpers/launched-runs.ts';
import { noMpi } from '../helpers/rank-processes.ts';
import { writeRlModels } from '../helpers/rl-models.ts';

const root = suiteFolder();
let command: Awaited<ReturnType<typeof launchedRuns>>;
let whole: ReturnType<typeof bitsOf>;
beforeAll(async () => {
  command = await launchedRuns(root);
  await athanor(...command(join(root, 'whole')));
  whole = bitsOf(join(root, 'whole'));
});

/** Calls body with the process of a rank once the run has a checkpoint. */
async function afterCheckpoint(launcher: number, rank: number, out: string, body: (pid: number) => unknown) {
  while (!existsSync(join(out, 'checkpoints'))) {
    await delay(5);
    if (!existsSync(`/proc/${launcher}`)) return;
  }
  const pid = processOf(launcher, rank);
  if (pid !== undefined) await body(pid);
}

/** Stops a process for a while, again and again. */
async function slowDown(pid: number, times: { count: number }): Promise<void> {
  try {
    while (times.count < 6) {
      process.kill(pid, 'SIGSTOP');
      await delay(150);
      process.kill(pid, 'SIGCONT');
      times.count += 1;
      await delay(50);
    }
  } catch {
    // It has ended.
  }
}

/** A run whose rank 1 stops. On a busy machine a run may end before that: then it begins anew. */
async function stoppedRun(name: keyof typeof ways) {
  for (let attempt = 0; ; ++attempt) {
    const out = join(root, `${name}-stopped-${attempt}`);
    let wasStopped = false;
    const stop = (pid: number) => {
      process.kill(pid, 'SIGSTOP');
      wasStopped = true;
    };
    const { code, output } = await ways[name](3, command(out), {
      env: { ATHANOR_COMM_TIMEOUT: '3' },
      started: (launcher) => void afterCheckpoint(launcher, 1, out, stop),
    });
    if (wasStopped) return { out, code, output };
    expect([code, attempt < 5], output).toEqual([0, true]);
  }
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('over %s', (name) => {
  const isMissing = name === 'mpirun' && noMpi !== undefined;
  const way = ways[name];

  it.skipIf(isMissing)('a slow rank changes no bits', async () => {
    const out = join(root, `${name}-slow`);
    const times = { count: 0 };
    const { code, output } = await way(3, command(out), {
      started: (launcher) => void afterCheckpoint(launcher, 1, out, (pid) => slowDown(pid, times)),
    });
    expect(code, output).toBe(0);
    expect(times.count).toBeGreaterThan(0);
    expect(bitsOf(out)).toEqual(whole);
  });

  it.skipIf(isMissing)('a rank that stops is named, with the operation, and the run goes on', async () => {
    const { out, code, output } = await stoppedRun(name);
    expect(code, output).toBe(1);
    expect(output).toMatch(/error: rank 1 did not arrive at .+ within 3 s; .* \[ERR_COMM_TIMEOUT\]/);
    if (name === 'TCP')
      expect(output).toMatch(/the other ranks were stopped: rank [02] ended with exit code 1/);
    expect(await athanor(...command(out))).toMatchObject({ code: 0 });
    expect(bitsOf(out)).toEqual(whole);
  });
});

/** A disk of so many KiB; undefined where none can be mounted. */
function smallDisk(path: string, kibibytes: number): { grow: () => void } | undefined {
  mkdirSync(path);
  const mount = (...options: string[]) => spawnSync('mount', options, { encoding: 'utf8' });
  if (mount('-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', path).status !== 0) return undefined;
  onTestFinished(() => void spawnSync('umount', [path]));
  return { grow: () => mount('-o', 'remount,size=256m', path) };
}

describe('a full disk', () => {
  it('of the run is one error of rank 0; the last checkpoint is whole, and the run goes on', async ({
    skip,
  }) => {
    const disk = join(root, 'small');
    const small = smallDisk(disk, 6000);
    if (!small) return skip('a small disk cannot be mounted here: that takes root and mount');
    const out = join(disk, 'run');
    const args = () => command(out, '--keep-checkpoints', '100');
    const launch = ['--log-dir', join(root, 'small-logs')];
    const { code, output } = await ways.TCP(3, args(), { launch });
    expect(code).toBe(1);
    expect(output.match(/^error: .*/gm)).toEqual([
      expect.stringMatching(/^error: the disk is full: cannot write .* \[ERR_DISK_FULL\]$/),
      'error: the other ranks were stopped: rank 0 ended with exit code 1 [ERR_STATE]',
    ]);
    expect(readdirSync(join(out, 'checkpoints')).filter((name) => /\D$/.test(name))).toEqual([]);
    const { path } = new CheckpointStore(out, { readOnly: true }).latest()!;
    expect(Number(path.slice(-8)) % 4).toBe(0);
    small.grow();
    const resumed = await ways.TCP(2, args(), { launch });
    expect(resumed.code, resumed.output).toBe(0);
    expect(resumed.output).toMatch(/resumed at step \d+/);
    expect(bitsOf(out)).toEqual(whole);
  });

  it('of the logs of other ranks does not end the run', async ({ skip }) => {
    const disk = join(root, 'log-disk');
    if (!smallDisk(disk, 4)) return skip('a small disk cannot be mounted here: that takes root and mount');
    writeFileSync(join(disk, 'other'), 'x'.repeat(4096));
    expect(statfsSync(disk).bfree).toBe(0);
    const out = join(root, 'full-logs');
    const { code, output } = await ways.TCP(3, command(out), { launch: ['--log-dir', join(disk, 'logs')] });
    expect(code, output).toBe(0);
    expect(bitsOf(out)).toEqual(whole);
  });
});

it('a rank that fails by itself is named, and not those that wait for it', async () => {
  const models = await writeRlModels(join(root, 'rl'));
  const reward = join(root, 'reward.mjs');
  writeFileSync(
    reward,
    `export default () => {
       if (process.env.RANK === '1') throw new Error('out of luck');
       return 1;
     };`,
  );
  const sizes = '--rollout-size 16 --num-generations 4 --max-response-length 4 --max-prompt-length 40';
  const args = ['grpo', '--model', models.model, '--data', models.data, '--reward-fn', reward];
  const more = `${sizes} --batch-size 2 --grad-accum 2 --steps 2 --dtype f32`.split(' ');
  const { code, output } = await ways.TCP(2, [...args, ...more, '--out', join(root, 'unlucky')]);
  expect(code, output).toBe(2);
  expect(output).toMatch(/^error: .*rank 1 failed: .*out of luck.* \[ERR_RANK_FAILED\]$/m);
  expect(output).toContain('the other ranks were stopped: rank 1 ended with exit code 2; its last lines');
});

it('ranks end when their launcher is killed, and the run goes on', async () => {
  const out = join(root, 'orphans');
  const ranks: number[] = [];
  const { code } = await ways.TCP(2, command(out), {
    started: (launcher) =>
      void afterCheckpoint(launcher, 0, out, (pid) => {
        ranks.push(pid, processOf(launcher, 1)!);
        process.kill(launcher, 'SIGKILL');
      }),
  });
  expect(code).toBeNull();
  expect(ranks).toHaveLength(2);
  while (ranks.some((pid) => existsSync(`/proc/${pid}`))) await delay(20);
  expect(await athanor(...command(out))).toMatchObject({ code: 0 });
  expect(bitsOf(out)).toEqual(whole);
});
