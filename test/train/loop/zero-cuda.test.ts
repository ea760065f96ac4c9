/**
 * ZeRO on ranks with GPUs: emulated ones, whose collectives go through NCCL's calls over the
 * stand-in of native/test/fake/fake_nccl.cpp. Sums are in rank order, so the bits are those of one
 * rank.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEmulatedAddon, buildEmulator, testBuild } from '../../helpers/emulator.ts';
import { leftIn } from '../../helpers/left-in.ts';
import { type RankJob, type RanksFound, runJobsOnRanks } from '../../helpers/rank-jobs.ts';
import { writeRlModels } from '../../helpers/rl-models.ts';
import { type StageName, stageJobs } from '../../helpers/stage-jobs.ts';

const env: Record<string, string> = {
  ATHANOR_NCCL: join(testBuild, 'libfake_nccl.so'),
  TEST_DEVICE: 'cuda',
};
/** All weights are trained, or an adapter beside frozen ones. */
const runs: [stage: StageName, zero: number][] = [
  ['pretrain', 2],
  ['pretrain', 3],
  ['dpo', 3],
];
const fault = 'a gather that is skipped';

let root: string;
let found: RanksFound;
const outOf = (name: string) => join(root, name);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-zero-cuda-'));
  await buildEmulator('fake_nccl');
  env.ATHANOR_NATIVE = await buildEmulatedAddon();
  const jobs = stageJobs(root, await writeRlModels(root, { layers: 2, heads: 2, hiddenSize: 64 }));
  const jobOf = (stage: StageName, zero: number, name: string): RankJob => {
    const { command, settings } = jobs[stage];
    return { name, command, settings: { ...settings, dtype: 'bf16', steps: 2, zero, out: outOf(name) } };
  };
  const alone = (['pretrain', 'dpo'] as const).map((stage) => jobOf(stage, 1, stage));
  await runJobsOnRanks(1, alone, env);
  const shared = runs.map(([stage, zero]) => jobOf(stage, zero, `${stage} ${zero}`));
  found = await runJobsOnRanks(2, [...shared, { ...jobOf('pretrain', 3, fault), fault }], env);
}, 1_200_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('two ranks with --device cuda', () => {
  it.each(runs)('%s with `zero` %i leaves the files of one rank', (stage, zero) => {
    const name = `${stage} ${zero}`;
    expect(found[0]![name]).toMatchObject({
      held: expect.stringMatching(`^2 ranks, ZeRO-${zero}; each holds`),
    });
    expect(leftIn(outOf(name))).toEqual(leftIn(outOf(stage)));
  });

  it('show a gather of weights that is skipped', () => {
    for (const rank of found) expect(rank[fault]).toMatchObject({ loss: expect.anything() });
    expect(leftIn(outOf(fault))).not.toEqual(leftIn(outOf('pretrain')));
  });
});
