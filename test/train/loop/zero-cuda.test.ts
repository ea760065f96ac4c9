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
import { type RankJob, runJobsOnRanks } from '../../helpers/rank-jobs.ts';
import { writeRlModels } from '../../helpers/rl-models.ts';
import { type StageName, stageJobs } from '../../helpers/stage-jobs.ts';

/** Whole weights on their way through every pass, and frozen ones beside an adapter. */
const stages = ['pretrain', 'dpo'] as const satisfies readonly StageName[];
const zeros = [2, 3] as const;
const env: Record<string, string> = {
  ATHANOR_NCCL: join(testBuild, 'libfake_nccl.so'),
  TEST_DEVICE: 'cuda',
};

let root: string;
const outOf = (stage: string, ranks: string) => join(root, `${stage}, ${ranks}`);
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-zero-cuda-'));
  await buildEmulator('fake_nccl');
  env.ATHANOR_NATIVE = await buildEmulatedAddon();
  const jobs = stageJobs(root, await writeRlModels(root, { layers: 2, heads: 2, hiddenSize: 64 }));
  const listed = (ranks: string, zero: number): RankJob[] =>
    stages.map((stage) => {
      const { command, settings } = jobs[stage];
      const few = { ...settings, dtype: 'bf16', steps: 3, zero, out: outOf(stage, ranks) };
      return { name: `${stage}, ${ranks}`, command, settings: few };
    });
  await runJobsOnRanks(1, listed('alone', 1), env);
  await runJobsOnRanks(
    2,
    zeros.flatMap((zero) => listed(`zero ${zero}`, zero)),
    env,
  );
}, 1_200_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each(stages)('%s with --device cuda', (stage) => {
  it.each(zeros)('leaves the files of one rank on two with `zero` %i', (zero) => {
    const wanted = leftIn(outOf(stage, 'alone'));
    expect(wanted.metrics.length).toBeGreaterThan(3);
    expect(leftIn(outOf(stage, `zero ${zero}`))).toEqual(wanted);
  });
});
