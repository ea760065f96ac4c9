/** R43: tasks whose optimum has a known closed form, and is reached. */
import { describe, expect, it } from 'vitest';
import { mean } from '../../../src/base/statistics.ts';
import type { Gpt } from '../../../src/nn/gpt.ts';
import { responseOutput } from '../../../src/scoring/response-log-probs.ts';
import { responseInput } from '../../../src/scoring/sequences.ts';
import { noGrad } from '../../../src/tensor/autograd.ts';
import { scope } from '../../../src/tensor/tensor.ts';
import { GroupEstimator } from '../../../src/train/rl/group-estimator.ts';
import { KlController } from '../../../src/train/rl/kl-controller.ts';
import { makeWorld, train, unequalPrompts, type WorldOptions } from './world.ts';

const seeds = [1, 2, 3];
/** Down to nothing, so that the last steps do not undo each other. */
const toZero = (lr: number) =>
  ({ lr, schedule: 'linear', warmupSteps: 0, minLrRatio: 0, decayRatio: 0 }) as const;

/** Two tokens, one drawn: the second pays 1, the first nothing. */
const bandit = (seed: number, beta: number): WorldOptions => ({
  vocabulary: 2,
  prompts: 4,
  reward: (_, response) => response[0]!,
  sampler: { promptsPerRollout: 64, maxResponseLength: 1, stopTokens: [], seed, decodeBatchSize: 64 },
  stage: { batchSize: 64 },
  kl: new KlController({ coef: beta, horizon: 1 }),
});

/** Probability of the second arm after each prompt. */
function secondArm(policy: Gpt): number[] {
  return unequalPrompts(4, 2).map(({ tokens }) =>
    noGrad(() =>
      scope(() => {
        const sequence = {
          prompt: 0,
          tokens: Int32Array.from([...tokens, 1]),
          promptLength: tokens.length,
          finished: true,
        };
        return Math.exp(responseOutput(policy, responseInput([sequence]), 1).logProbs.item());
      }),
    ),
  );
}

/** What maximises E[reward] - beta KL: the reference times exp(reward / beta). */
const optimum = (reference: number, beta: number) => {
  const odds = (reference / (1 - reference)) * Math.exp(1 / beta);
  return odds / (1 + odds);
};

describe('a two-armed bandit', () => {
  it.each(seeds)(
    'R43: PPO finds the tilted distribution that its KL weight asks for (seed %i)',
    async (seed) => {
      const beta = 1;
      const { stage, policy, reference } = await makeWorld(bandit(seed, beta));
      const before = secondArm(reference!);
      const { steps } = await train(stage, { steps: 80, ...toZero(2e-4) });
      secondArm(policy).forEach((probability, i) => {
        const wanted = optimum(before[i]!, beta);
        expect(Math.abs(wanted - before[i]!)).toBeGreaterThan(0.01);
        expect(
          Math.abs(probability - wanted),
          `prompt ${i}: ${before[i]} -> ${probability}, not ${wanted}`,
        ).toBeLessThan(0.025);
      });
      expect(steps.every(({ kl, loss }) => Number.isFinite(kl) && Number.isFinite(loss))).toBe(true);
    },
  );

  it.each(seeds)(
    'R43: with next to no KL weight, PPO takes the better arm always (seed %i)',
    async (seed) => {
      const { stage, policy } = await makeWorld(bandit(seed, 0));
      await train(stage, { steps: 40, ...toZero(2e-3) });
      expect(Math.min(...secondArm(policy))).toBeGreaterThan(0.95);
    },
  );

  it.each(seeds)('R43: with a huge KL weight, it stays where it was (seed %i)', async (seed) => {
    const { stage, policy, reference } = await makeWorld(bandit(seed, 100));
    const before = secondArm(reference!);
    const { steps } = await train(stage, { steps: 40, ...toZero(2e-4) });
    secondArm(policy).forEach((probability, i) => {
      expect(Math.abs(probability - before[i]!)).toBeLessThan(0.01);
    });
    expect(Math.abs(mean(steps.slice(-20).map(({ kl }) => kl!)))).toBeLessThan(0.01);
  });

  it.each(['grpo', 'dr-grpo', 'rloo'] as const)(
    'R43: so does group-relative learning (%s)',
    async (baseline) => {
      const group = (beta: number): WorldOptions => {
        const options = bandit(1, beta);
        return {
          ...options,
          sampler: { ...options.sampler, promptsPerRollout: 4, responsesPerPrompt: 16 },
          stage: { ...options.stage, name: 'grpo' },
          estimator: new GroupEstimator({ baseline, responsesPerPrompt: 16 }),
        };
      };
      const free = await makeWorld(group(0));
      const { steps } = await train(free.stage, { steps: 40, ...toZero(2e-3) });
      expect(Math.min(...secondArm(free.policy))).toBeGreaterThan(0.95);
      expect(steps[0]).not.toHaveProperty('value_explained_variance');
      expect(steps[0]!.ratio_max_deviation).toBe(0);
      const held = await makeWorld(group(100));
      const before = secondArm(held.reference!);
      await train(held.stage, { steps: 40, ...toZero(2e-4) });
      secondArm(held.policy).forEach((probability, i) => {
        expect(Math.abs(probability - before[i]!)).toBeLessThan(0.02);
      });
    },
  );
});

describe('the share of one token in a response', () => {
  const share = (_: unknown, response: Int32Array) =>
    response.filter((token) => token === 7).length / response.length;
  const options = (seed: number, beta: number): WorldOptions => ({
    vocabulary: 16,
    reward: share,
    sampler: { promptsPerRollout: 32, maxResponseLength: 6, stopTokens: [15], decodeBatchSize: 32, seed },
    stage: { batchSize: 32, epochs: 2, seed },
    kl: new KlController({ coef: beta, horizon: 1 }),
  });

  it.each(seeds)('R43: rises within 100 updates with the KL finite (seed %i)', async (seed) => {
    const { stage } = await makeWorld(options(seed, 0.01));
    const { steps } = await train(stage, { steps: 100, ...toZero(2e-3) });
    expect(steps[0]!.reward).toBeLessThan(0.15);
    expect(mean(steps.slice(-10).map(({ reward }) => reward!))).toBeGreaterThan(0.8);
    expect(steps.every(({ kl }) => Number.isFinite(kl))).toBe(true);
    expect(steps.at(-1)!.kl).toBeGreaterThan(1);
  });

  it('R43: stays with a huge KL weight', async () => {
    const { stage } = await makeWorld(options(1, 30));
    const { steps } = await train(stage, { steps: 40, ...toZero(2e-4) });
    expect(Math.abs(mean(steps.slice(-10).map(({ kl }) => kl!)))).toBeLessThan(0.05);
  });
});
