/** ZeRO-3 on ranks that are processes: going on elsewhere, planted faults, and measured memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { pretrain } from '../../../src/train/pretrain/run.ts';
import { leftIn } from '../../helpers/left-in.ts';
import { type JobFound, runJobsOnRanks } from '../../helpers/rank-jobs.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';
import { writeRlModels } from '../../helpers/rl-models.ts';
import { type StageJob, stageJobs } from '../../helpers/stage-jobs.ts';

const FAULTS = [
  'a shard that is off by one element',
  'a gather that is skipped',
  'a tied weight that is freed before its last use',
] as const;

let root: string;
let job: StageJob;
let wanted: ReturnType<typeof leftIn>;
let found: Record<string, JobFound>[];
const out = (name: string) => join(root, name);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-zero-3-'));
  job = stageJobs(root, await writeRlModels(root, { contextLength: 128 })).pretrain;
  await job.run(out('alone'), { communicator: selfCommunicator });
  wanted = leftIn(out('alone'));
  const stop = new AbortController();
  await job.run(out('begun alone'), {
    communicator: selfCommunicator,
    signal: stop.signal,
    onEvent: (event) => event.type === 'step' && event.step === 3 && stop.abort(),
  });
  const settings = (name: string) => ({ ...job.settings, zero: 3, out: out(name) });
  found = await runJobsOnRanks(2, [
    { name: 'stop', command: 'pretrain', settings: settings('begun by two'), stopAt: 3 },
    { name: 'stop again', command: 'pretrain', settings: settings('begun by two, too'), stopAt: 3 },
    ...FAULTS.map((fault) => ({ name: fault, command: 'pretrain', settings: settings(fault), fault })),
  ]);
}, 300_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a checkpoint', () => {
  it('of `zero` 3 on two ranks goes on with the same bits alone, and on three with `zero` 2', async () => {
    await pretrain({ out: out('begun by two'), resume: true }, { communicator: selfCommunicator });
    expect(leftIn(out('begun by two'))).toEqual(wanted);
    const again = out('begun by two, too');
    await Promise.all(
      ranksInProcess(3).map((communicator) =>
        pretrain({ out: again, resume: true, zero: 2 }, { communicator }),
      ),
    );
    expect(leftIn(again)).toEqual(wanted);
  });

  it('of one process goes on with the same bits on three ranks with `zero` 3', async () => {
    const settings = { out: out('begun alone'), resume: true, zero: 3 };
    await runJobsOnRanks(3, [{ name: 'go on', command: 'pretrain', settings }]);
    expect(leftIn(out('begun alone'))).toEqual(wanted);
  });
});

describe('a planted fault shows:', () => {
  it.each(FAULTS.slice(0, 2))('%s', (fault) => {
    for (const rank of found) expect(rank[fault]).toMatchObject({ loss: expect.anything() });
    expect(leftIn(out(fault))).not.toEqual(wanted);
  });

  it(FAULTS[2], () => {
    for (const rank of found) expect(rank[FAULTS[2]]).toMatchObject({ code: 'ERR_INTERNAL' });
  });
});

describe('memory, measured on four ranks', () => {
  const config = presetConfig('tiny', {
    vocabSize: 64,
    layers: 24,
    hiddenSize: 256,
    intermediateSize: 1024,
    contextLength: 16,
  });
  const measured = async (count: number, zeros: readonly number[]) => {
    const jobs = zeros.map((zero) => ({
      name: String(zero),
      command: 'measure',
      settings: { config, zero },
    }));
    const ranks = await runJobsOnRanks(count, jobs);
    const most = (zero: number, key: 'most' | 'moments') =>
      Math.max(...ranks.map((rank) => (rank[String(zero)] as { most: number; moments: number })[key]));
    return zeros.map((zero) => ({ most: most(zero, 'most'), moments: most(zero, 'moments') }));
  };

  it('is at most 0.30 of the moments with `zero` 1, and of all state with `zero` 3', async () => {
    const model = new Gpt(config);
    const bytes = 4 * model.parameterCount();
    model.dispose();
    const [one] = await measured(1, [0]);
    const [first, second, third] = await measured(4, [1, 2, 3]);
    // Weights, gradients and two moments.
    expect(one!.most).toBeGreaterThan(4 * bytes);
    expect(first!.moments).toBeLessThan(0.3 * one!.moments);
    // Three quarters of the gradients are elsewhere, but buckets on their way are here.
    expect(second!.most).toBeLessThan(first!.most - 0.5 * bytes);
    // The activations and what is on its way between ranks are counted too.
    expect(third!.most).toBeLessThan(0.3 * 4 * bytes);
  });
});
