/**
 * Every stage as a user runs it, on several ranks: the model, the checkpoint and the metrics are
 * those of one rank. Ranks in one process cannot wait for each other in the middle of a pass, so
 * ZeRO-3 runs in processes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Communicator } from '../../../src/comm/communicator.ts';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { leftIn, timed } from '../../helpers/left-in.ts';
import { type RanksFound, runJobsOnRanks } from '../../helpers/rank-jobs.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';
import { writeRlModels } from '../../helpers/rl-models.ts';
import { type StageJob, type StageName, stageJobs, stageNames } from '../../helpers/stage-jobs.ts';

let root: string;
let jobs: Record<StageName, StageJob>;
let processes: RanksFound;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-ranks-stages-'));
  jobs = stageJobs(root, await writeRlModels(root, { contextLength: 128 }));
  const list = stageNames.map((name) => {
    const { command, settings } = jobs[name];
    return { name, command, settings: { ...settings, zero: 3, out: outOf(name) } };
  });
  processes = await runJobsOnRanks(2, list);
}, 600_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const outOf = (name: StageName) => join(root, `zero-3-${stageNames.indexOf(name)}`);

let folders = 0;
async function run(name: StageName, communicators: readonly Communicator[], zero: number) {
  const out = join(root, `run-${folders++}`);
  const events: RunEvent[][] = communicators.map(() => []);
  const results = await Promise.all(
    communicators.map((communicator, rank) =>
      jobs[name].run(out, { communicator, onEvent: (event) => events[rank]!.push(event) }, { zero }),
    ),
  );
  return { out, results, events };
}

describe.each(stageNames)('%s', (name) => {
  it('leaves the same files on 1, 2 and 3 ranks', async () => {
    const alone = await run(name, [selfCommunicator], 1);
    for (const [size, zero] of [
      [2, 1],
      [3, 2],
    ] as const) {
      const shared = await run(name, ranksInProcess(size), zero);
      expect(leftIn(shared.out), `${size} ranks`).toEqual(leftIn(alone.out));
      for (const { loss, metrics, evaluation } of shared.results) {
        expect(loss).toBe(alone.results[0]!.loss);
        expect(evaluation).toEqual(alone.results[0]!.evaluation);
        for (const [key, value] of Object.entries(metrics)) {
          if (!timed.test(key)) expect(value, key).toBe(alone.results[0]!.metrics[key]);
        }
      }
      expect(shared.events.slice(1).flat()).toEqual([]);
    }
    const held = expect.stringMatching(
      /^2 ranks, ZeRO-3; each holds, in GiB: weights [\d.]+ of [\d.]+, gradi/,
    );
    const { loss } = alone.results[0]!;
    expect(processes.map((rank) => rank[name])).toEqual([
      { loss, held },
      { loss, held: '' },
    ]);
    expect(leftIn(outOf(name)), '`zero` 3').toEqual(leftIn(alone.out));
  });
});
