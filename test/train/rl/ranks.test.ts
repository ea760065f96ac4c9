/** Ranks that share rollouts and updates come to the bits of one rank. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import type { Communicator } from '../../../src/comm/communicator.ts';
import { selfCommunicator } from '../../../src/comm/self-communicator.ts';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { SeparateCritic } from '../../../src/train/rl/critic.ts';
import { GroupEstimator } from '../../../src/train/rl/group-estimator.ts';
import { KlController } from '../../../src/train/rl/kl-controller.ts';
import { PretrainingMix } from '../../../src/train/rl/pretraining-mix.ts';
import { writeIds } from '../../data/corpus/corpora.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { ranksInProcess } from '../../helpers/ranks.ts';
import { makeWorld, tinyScorer, train, type WorldOptions } from './world.ts';

const stage = { batchSize: 4, gradAccum: 4, epochs: 2 };

const kinds: Record<string, () => WorldOptions> = {
  'PPO with all parts that have a state': () => ({
    critic: new SeparateCritic(tinyScorer(5), 1),
    kl: new KlController({ coef: 0.05, target: 0.01, horizon: 100 }),
    ptx: new PretrainingMix(
      new TokenLoader(writeIds(temporaryFolder(), { train: [20, 9, 25], validation: [2] }), {
        ...{ batchSize: 2, context: 8, seed: 5 },
      }),
      0.5,
    ),
    stage: { ...stage, emaDecay: 0.9, entropyCoef: 0.01 },
    heldOut: [1, 2, 5],
  }),
  'PPO with several responses to a prompt, whitened': () => ({
    sampler: { promptsPerRollout: 4, responsesPerPrompt: 4 },
    advantages: { responsesPerPrompt: 4, whitenRewards: true },
    stage,
  }),
  GRPO: () => ({
    sampler: { promptsPerRollout: 4, responsesPerPrompt: 4, temperature: 0.8 },
    estimator: new GroupEstimator({ baseline: 'grpo', responsesPerPrompt: 4 }),
    stage: { ...stage, name: 'grpo' },
  }),
  'GRPO, the mean of means of responses': () => grouped({ loss: 'grpo', entropyCoef: 0.01 }),
  'GRPO, the mean of means of batches': () => grouped({ loss: 'bnpo' }),
  'GRPO, responses as long as the longest': () => grouped({ loss: 'dr-grpo' }),
  'GRPO, one ratio per response': () => grouped({ loss: 'grpo', importanceSamplingLevel: 'sequence' }),
  'rollouts of int8 weights': () => ({ dtype: 'bf16', sampler: { quantize: 'int8' }, stage }),
};

/** Responses of unequal length, with the KL penalty in the loss. */
function grouped(options: WorldOptions['stage']): WorldOptions {
  return {
    sampler: { promptsPerRollout: 4, responsesPerPrompt: 4 },
    estimator: new GroupEstimator({ baseline: 'grpo', responsesPerPrompt: 4 }),
    stage: { ...stage, name: 'grpo', ...options },
  };
}

const timed = /seconds|_per_second/;

async function run(communicator: Communicator, kind: string, out: string) {
  const made = await makeWorld({ ...kinds[kind]!(), communicator });
  const options = { steps: 12, gradAccum: 4, communicator, out, evalEvery: 5 };
  const { steps, events } = await train(made.stage, options);
  return { made, steps, events };
}

function leftIn(out: string) {
  const { path } = new CheckpointStore(out).latest()!;
  const tensors = readFileSync(join(path, 'training.safetensors'));
  const plain = (text: string) =>
    JSON.parse(text, (key, value: unknown) => (timed.test(key) ? 0 : value)) as unknown;
  const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').map(plain);
  return {
    tensors: createHash('sha256').update(tensors).digest('hex'),
    state: plain(readFileSync(join(path, 'state.json'), 'utf8')),
    metrics,
  };
}

describe.each(Object.keys(kinds))('%s', (kind) => {
  it('has the same bits on 1, 2, 3 and 4 ranks, and each rank draws its own responses', async () => {
    const alone = temporaryFolder();
    await run(selfCommunicator, kind, alone);
    for (const size of kind.startsWith('GRPO') ? [2, 3, 4] : [3]) {
      const out = temporaryFolder();
      const ranks = await Promise.all(
        ranksInProcess(size).map((communicator) => run(communicator, kind, out)),
      );
      expect(leftIn(out), `${size} ranks`).toEqual(leftIn(alone));
      const answered = ranks.map(({ made }) => made.reward.seen.length);
      for (const count of answered)
        expect(count).toBeLessThan((answered.reduce((a, b) => a + b) * 1.5) / size + 4);
    }
  });
});

it('an error of the reward on one rank is told on all of them', async () => {
  const results = await Promise.allSettled(
    ranksInProcess(2).map(async (communicator) => {
      const reward = () => {
        if (communicator.rank === 1) throw new Error('no such answer');
        return 0;
      };
      const { stage: made } = await makeWorld({ reward, communicator, stage });
      await train(made, { gradAccum: 4, communicator });
    }),
  );
  expect(results.map((result) => String((result as PromiseRejectedResult).reason))).toEqual([
    'AthanorError: the responses: rank 1 failed: no such answer',
    'Error: no such answer',
  ]);
});
