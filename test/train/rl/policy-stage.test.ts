/** A reinforcement learning stage, one minibatch at a time: its losses, gradients and metrics. */
import { describe, expect, it } from 'vitest';
import { mean } from '../../../src/base/statistics.ts';
import type { DType } from '../../../src/native/binding.ts';
import { responseLogProbs, responseOutput } from '../../../src/scoring/response-log-probs.ts';
import { RewardModelSource } from '../../../src/scoring/reward-model.ts';
import { responseInput } from '../../../src/scoring/sequences.ts';
import { backward } from '../../../src/tensor/autograd.ts';
import { scale, sum } from '../../../src/tensor/ops/elementwise.ts';
import { scope } from '../../../src/tensor/tensor.ts';
import { AdaptedCritic, SeparateCritic, SharedCritic } from '../../../src/train/rl/critic.ts';
import { GroupEstimator } from '../../../src/train/rl/group-estimator.ts';
import { KlController } from '../../../src/train/rl/kl-controller.ts';
import type { LossAggregation } from '../../../src/train/rl/loss-aggregation.ts';
import type { ImportanceSamplingLevel } from '../../../src/train/rl/policy-loss.ts';
import { expectSameBits, maxError } from '../../helpers/reference.ts';
import {
  accumulate,
  constantRate,
  descend,
  isStop,
  makeWorld,
  recordResponses,
  takeGradients,
  tinyPolicy,
  tinyScorer,
  train,
  type WorldOptions,
  weights,
} from './world.ts';

const lora = { rank: 4, alpha: 8, targets: ['all'] as const, seed: 5 };

function expectSameGradients(
  actual: ReadonlyMap<string, Float32Array>,
  wanted: ReadonlyMap<string, Float32Array>,
  relative = 1e-5,
): void {
  expect([...actual.keys()]).toEqual([...wanted.keys()]);
  const largest = Math.max(
    ...[...wanted.values()].map((gradient) => maxError(gradient, new Float32Array(gradient.length))),
  );
  expect(largest).toBeGreaterThan(1e-6);
  for (const [name, gradient] of wanted)
    expect(maxError(actual.get(name)!, gradient), name).toBeLessThan(relative * largest);
}

async function gradientsOf(options: WorldOptions, batches = 1): Promise<Map<string, Float32Array>> {
  const { stage } = await makeWorld(options);
  await accumulate(stage, batches);
  return takeGradients(stage);
}

/** The metrics of an update whose ratios are all 1. */
const unchanged = { approx_kl: 0, clip_fraction: 0, ratio_min: 1, ratio_max: 1, ratio_mean: 1 };

describe.each(['f32', 'bf16'] as DType[])('R14: the fingerprint of the first epoch in %s', (dtype) => {
  it.each([0.7, 1])('at temperature %d: ratio 1, no KL, nothing clipped, no loss', async (temperature) => {
    const { stage } = await makeWorld({ dtype, sampler: { temperature }, stage: { epochs: 2 } });
    const { steps } = await train(stage, { steps: 4 });
    for (const first of [steps[0]!, steps[2]!]) {
      expect(first).toMatchObject(unchanged);
      expect(Math.abs(first.policy_loss!)).toBeLessThan(1e-6);
    }
    expect(steps[1]!.approx_kl).toBeGreaterThan(0);
    expect(steps[1]!.ratio_max).toBeGreaterThan(1);
    // Of the first minibatch of its rollout, on every record.
    expect(steps.map(({ ratio_max_deviation }) => ratio_max_deviation)).toEqual([0, 0, 0, 0]);
  });
});

describe('R14: ids that are never drawn', () => {
  it('leave the ratio at 1: both log-probabilities are of the whole distribution', async () => {
    const suppressTokens = Array.from({ length: 30 }, (_, i) => 2 * i);
    const { stage, sampler } = await makeWorld({ sampler: { suppressTokens }, stage: { epochs: 2 } });
    const { steps } = await train(stage, { steps: 4 });
    for (const first of [steps[0]!, steps[2]!]) {
      expect(first).toMatchObject({ approx_kl: 0, clip_fraction: 0, ratio_min: 1, ratio_max: 1 });
    }
    expect(steps[1]!.approx_kl).toBeGreaterThan(0);
    const { sequences } = await sampler.draw([0, 1, 2, 3], 1);
    const drawn = sequences.flatMap(({ tokens, promptLength }) => [...tokens.subarray(promptLength)]);
    expect(drawn.filter((token) => suppressTokens.includes(token))).toEqual([]);
  });
});

describe('R29: splitting a minibatch into batches', () => {
  it.each([
    ['a head on the policy', () => undefined],
    ['a value model', () => new SeparateCritic(tinyScorer(), 1)],
  ])('changes neither loss nor gradient (%s)', async (_, critic) => {
    const options = (batchSize: number, gradAccum: number): WorldOptions => ({
      stage: { batchSize, gradAccum, entropyCoef: 0.01 },
      ...(critic() && { critic: critic()! }),
    });
    const whole = await gradientsOf(options(16, 1));
    expectSameGradients(await gradientsOf(options(4, 4), 4), whole);
    expectSameGradients(await gradientsOf(options(1, 16), 16), whole);
  });
});

describe('R29: how a minibatch is split', () => {
  const split = (loss: LossAggregation, batchSize: number, level: ImportanceSamplingLevel = 'token') =>
    gradientsOf(
      {
        sampler: { promptsPerRollout: 4, responsesPerPrompt: 4 },
        estimator: new GroupEstimator({ baseline: 'dr-grpo', responsesPerPrompt: 4 }),
        stage: {
          ...{ batchSize, gradAccum: 16 / batchSize, entropyCoef: 0.5 },
          loss,
          importanceSamplingLevel: level,
        },
      },
      16 / batchSize,
    );

  it.each([
    ['dapo', 'token'],
    ['grpo', 'token'],
    ['dr-grpo', 'token'],
    ['grpo', 'sequence'],
  ] as const)('changes no gradient of the loss %s with a ratio per %s', async (loss, level) => {
    const whole = await split(loss, 16, level);
    expectSameGradients(await split(loss, 4, level), whole);
    expectSameGradients(await split(loss, 1, level), whole);
  });

  it('bnpo is dapo for one batch, and grpo for batches of one response', async () => {
    expectSameGradients(await split('bnpo', 16), await split('dapo', 16));
    expectSameGradients(await split('bnpo', 1), await split('grpo', 1));
    await expect(async () =>
      expectSameGradients(await split('bnpo', 4), await split('dapo', 4)),
    ).rejects.toThrow();
  });
});

it('R14: ratios of whole responses are exactly 1 before an update too', async () => {
  const { stage } = await makeWorld({
    stage: { epochs: 2, loss: 'grpo', importanceSamplingLevel: 'sequence' },
    sampler: { temperature: 0.7 },
  });
  const { steps } = await train(stage, { steps: 4 });
  for (const first of [steps[0]!, steps[2]!]) {
    expect(first).toMatchObject(unchanged);
  }
  const tokens = await makeWorld({ stage: { epochs: 2, loss: 'grpo' }, sampler: { temperature: 0.7 } });
  const { steps: plain } = await train(tokens.stage, { steps: 2 });
  // Differences of tokens cancel in a mean.
  expect(steps[1]!.approx_kl).toBeGreaterThan(0);
  expect(steps[1]!.approx_kl).toBeLessThan(plain[1]!.approx_kl!);
});

it('R41: metrics are means over the tokens that were sampled, whatever the batches', async () => {
  const made = await Promise.all(
    [
      { batchSize: 16, gradAccum: 1, decodeBatchSize: 16 },
      { batchSize: 2, gradAccum: 8, decodeBatchSize: 1 },
    ].map(async ({ decodeBatchSize, ...stage }) => {
      const world = await makeWorld({ sampler: { decodeBatchSize }, stage: { ...stage, epochs: 2 } });
      const seen = recordResponses(world);
      const { steps } = await train(world.stage, { steps: 2, gradAccum: stage.gradAccum });
      return { steps, sampled: seen[0]! };
    }),
  );
  const [whole, split] = made as [(typeof made)[0], (typeof made)[0]];
  const timed = /seconds|_per_second/;
  whole.steps.forEach((step, i) => {
    for (const [name, value] of Object.entries(step)) {
      if (!timed.test(name)) expect(split.steps[i]![name], `${name} of step ${i + 1}`).toBeCloseTo(value, 4);
    }
  });
  // Responses differ in length, so a mean that padding or a mean of means had moved
  // would be another.
  const { sequences, logProbs, scores } = whole.sampled;
  const lengths = sequences.map(({ tokens, promptLength }) => tokens.length - promptLength);
  expect(new Set(lengths).size).toBeGreaterThan(3);
  expect(whole.steps[0]).toMatchObject({ response_length: mean(lengths), reward: mean(scores), kl: 0 });
  expect(whole.steps[0]!.eos_rate).toBe(
    mean(sequences.map(({ tokens }) => (isStop(tokens.at(-1)!) ? 1 : 0))),
  );
  // The entropy of the distributions drawn from; minus log-probabilities estimate it.
  expect(Math.abs(whole.steps[0]!.entropy! + mean(logProbs))).toBeLessThan(0.5);
});

describe('the KL penalty', () => {
  it('R22: steers by the mean over responses of sums over tokens, with the coefficient before the change', async () => {
    const kl = new KlController({ coef: 0.2, target: 0.001, horizon: 100 });
    const world = await makeWorld({ kl });
    const seen = recordResponses(world);
    const { steps } = await train(world.stage, {
      steps: 3,
      ...constantRate(3e-3),
    });
    // No KL at first: down by a fifth of 16 / 100; then far above the target: up by as much.
    expect(steps.map((step) => step.kl_coef)).toEqual([
      0.2,
      0.2 * (1 - 0.032),
      0.2 * (1 - 0.032) * (1 + 0.032),
    ]);
    expect(steps[1]!.kl).toBeGreaterThan(0.002);
    const sums = seen.map(({ logProbs, referenceLogProbs, sequences }) => {
      const all = logProbs.reduce((sum, value, i) => sum + value - referenceLogProbs[i]!, 0);
      return all / sequences.length;
    });
    steps.forEach(({ kl: logged }, i) => {
      expect(logged).toBeCloseTo(sums[i]!, 4);
    });
    expect(steps[1]!.rlhf_reward).toBeCloseTo(steps[1]!.reward! - steps[1]!.kl_coef! * steps[1]!.kl!, 10);
  });

  it('R21: below zero by more than chance is warned of, and by chance not', async () => {
    for (const [offset, warned] of [
      [0.5, true],
      [-0.5, false],
    ] as const) {
      const { stage, scorer } = await makeWorld({
        sampler: { promptsPerRollout: 64 },
        stage: { batchSize: 64 },
      });
      const score = scorer.score.bind(scorer);
      scorer.score = async (sequences) => {
        const scored = await score(sequences);
        return {
          ...scored,
          referenceLogProbs: scored.referenceLogProbs.map((value) => value + offset),
        };
      };
      const { events } = await train(stage, { steps: 1 });
      const warnings = events.filter(({ event }) => event === 'warning').map(({ text }) => String(text));
      expect(warnings.some((text) => /no policy has less than 0 .* was sampling truncated/.test(text))).toBe(
        warned,
      );
    }
  });

  it('R42: reference and reward model keep their weights to the bit, policy and value model do not', async () => {
    const scorer = tinyScorer(4);
    const { stage, reference, policy } = await makeWorld({
      source: new RewardModelSource(scorer),
      critic: new SeparateCritic(tinyScorer(4), 1),
      stage: { epochs: 2 },
    });
    const before = weights(reference!.parameters());
    const rewardBefore = weights(scorer.parameters());
    const valueBefore = weights(stage.parameters[1]!.parameters);
    expect(valueBefore).toEqual(rewardBefore);
    await train(stage, { steps: 6 });
    for (const [name, value] of weights(reference!.parameters()))
      expectSameBits(value, before.get(name)!, name);
    for (const [name, value] of weights(scorer.parameters()))
      expectSameBits(value, rewardBefore.get(name)!, name);
    expect(weights(policy.parameters())).not.toEqual(before);
    expect(weights(stage.parameters[1]!.parameters)).not.toEqual(valueBefore);
  });

  it('R42: under adapters the reference is the model below them', async () => {
    const { stage, respond } = await makeWorld({ lora: { loraRank: 4 } });
    const untouched = tinyPolicy();
    await train(stage, {
      steps: 5,
      ...constantRate(1e-2),
    });
    const { sequences, logProbs, referenceLogProbs } = await respond([0, 1, 2], 4);
    expectSameBits(referenceLogProbs, responseLogProbs(untouched, sequences, 1));
    expect(maxError(logProbs, referenceLogProbs)).toBeGreaterThan(1e-3);
  });
});

describe('epochs', () => {
  it('go over each rollout in minibatches before the next is sampled', async () => {
    const { stage, reward } = await makeWorld({ stage: { epochs: 3, batchSize: 4 } });
    const sampledAfter: number[] = [];
    for (let step = 0; step < 24; ++step) {
      await accumulate(stage);
      stage.afterUpdate();
      descend(stage, 0);
      sampledAfter.push(reward.seen.length);
    }
    // 16 responses, 4 minibatches an epoch: 12 updates a rollout.
    expect(sampledAfter).toEqual([...Array(12).fill(16), ...Array(12).fill(32)]);
  });

  it('end early when the policy has moved too far, and the rest of the rollout is dropped', async () => {
    const { stage, reward } = await makeWorld({ stage: { epochs: 5, batchSize: 4, maxApproxKl: 0.01 } });
    await accumulate(stage);
    stage.afterUpdate();
    descend(stage, 0);
    expect(reward.seen).toHaveLength(16);
    // Nothing changed, so the rollout continues. Then the policy jumps, and the next
    // minibatch sees it.
    await accumulate(stage);
    stage.afterUpdate();
    descend(stage, 30);
    await accumulate(stage);
    expect(stage.stepMetrics().approx_kl).toBeGreaterThan(0.01);
    expect(reward.seen).toHaveLength(16);
    const other = await makeWorld({ stage: { epochs: 5, batchSize: 4, maxApproxKl: 0.01 } });
    const { steps } = await train(other.stage, {
      steps: 6,
      maxGradNorm: 0,
      ...constantRate(0.05),
    });
    expect(steps[0]!.approx_kl).toBe(0);
    expect(steps[1]!.approx_kl).toBeGreaterThan(0.01);
    expect(steps[2]!.approx_kl).toBe(0);
    expect(other.reward.seen).toHaveLength(48);
  });

  it('refuse a rollout that does not divide into minibatches', async () => {
    await expect(makeWorld({ stage: { batchSize: 3 } })).rejects.toThrow(
      /16 responses does not divide .* of 3/,
    );
    await expect(makeWorld({ stage: { batchSize: 8, gradAccum: 4 } })).rejects.toThrow(/minibatches of 32/);
  });
});

describe('the losses', () => {
  it('an entropy bonus subtracts the gradient of the entropy, and holds the entropy up', async () => {
    const world = await makeWorld({ stage: { entropyCoef: 2 } });
    const seen = recordResponses(world);
    await accumulate(world.stage);
    const withBonus = takeGradients(world.stage);
    scope(() => {
      const { entropies } = responseOutput(world.policy, responseInput(seen[0]!.sequences), 1);
      backward(scale(sum(entropies), -2 / entropies.size));
    });
    const ofEntropy = takeGradients(world.stage);
    const without = await gradientsOf({ stage: { entropyCoef: 0 } });
    const sums = new Map(
      [...without].map(([name, values]) => {
        const more = ofEntropy.get(name);
        return [name, more ? values.map((value, i) => value + more[i]!) : values];
      }),
    );
    expectSameGradients(withBonus, sums, 1e-4);
    const entropies = await Promise.all(
      [0, 3].map(async (entropyCoef) => {
        const { stage } = await makeWorld({ stage: { entropyCoef } });
        const { steps } = await train(stage, { steps: 15 });
        return steps.at(-1)!.entropy!;
      }),
    );
    expect(entropies[1]).toBeGreaterThan(entropies[0]! + 0.1);
  });

  it('the dual clip bounds what a far-moved token of negative advantage costs', async () => {
    const lossAfterJump = async (dualClip: number | undefined) => {
      const { stage } = await makeWorld({ stage: { epochs: 2, dualClip } });
      await accumulate(stage);
      stage.stepMetrics();
      descend(stage, -200);
      await accumulate(stage);
      return stage.stepMetrics();
    };
    const [free, bound] = [await lossAfterJump(undefined), await lossAfterJump(3)];
    expect(free.ratio_max).toBeGreaterThan(3);
    expect(bound.ratio_max).toBe(free.ratio_max);
    expect(bound.policy_loss).toBeLessThan(free.policy_loss! - 1e-3);
    expect((await lossAfterJump(1e30)).policy_loss).toBe(free.policy_loss);
  });

  it('the value loss weighs in by its coefficient, in value model and shared trunk', async () => {
    const at = (valueCoef: number) => gradientsOf({ advantages: { valueCoef } });
    const [tenth, two] = [await at(0.1), await at(2)];
    const head = tenth.get('value/score.weight')!;
    expect(
      maxError(
        two.get('value/score.weight')!,
        head.map((value) => 20 * value),
      ),
    ).toBeLessThan(1e-4);
    expect(head.some((value) => value !== 0)).toBe(true);
  });

  it.each([
    ['a head on the policy', () => new SharedCritic(32, 1)],
    ['a value model', () => new SeparateCritic(tinyScorer(), 1)],
    ['adapters on one', () => new AdaptedCritic(tinyScorer(), lora, 1, true)],
  ])('R3: values come to explain the returns (%s)', async (_, critic) => {
    const reward = ({ row }: { row: object }) => (Number((row as { place: number }).place) % 2) * 2;
    const { stage } = await makeWorld({
      reward,
      stage: { epochs: 4 },
      kl: new KlController({ coef: 0, horizon: 1 }),
      critic: critic(),
      advantages: { valueCoef: 1, valueClip: 0 },
    });
    const { steps } = await train(stage, {
      steps: 80,
      ...constantRate(3e-3),
    });
    expect(steps[0]!.value_explained_variance).toBeLessThan(0.5);
    expect(steps.at(-1)!.value_explained_variance).toBeGreaterThan(0.6);
    expect(steps.at(-1)!.value_grad_norm).toBeGreaterThan(0);
  });
});

describe('R40: the moving average', () => {
  it('has its closed form, one term a rollout, and is what is evaluated; training goes on from the live weights', async () => {
    const { stage, policy, sampler } = await makeWorld({
      stage: { emaDecay: 0.75, epochs: 2, batchSize: 8 },
      heldOut: [0, 1],
    });
    const live = [policy.headWeight.toFloats()];
    for (let rollout = 0; rollout < 3; ++rollout) {
      for (let update = 0; update < 4; ++update) {
        await accumulate(stage);
        descend(stage, 0.05);
        stage.afterUpdate();
        stage.stepMetrics();
      }
      live.push(policy.headWeight.toFloats());
    }
    const wanted = live[0]!.map(
      (start, i) =>
        0.75 ** 3 * start + 0.25 * (0.75 ** 2 * live[1]![i]! + 0.75 * live[2]![i]! + live[3]![i]!),
    );
    const saved = new Map([...stage.tensors()].map(([name, { data }]) => [name, data]));
    const average = (saved.get('ema/token_embedding.weight') as () => Float32Array)();
    expect(maxError(average, wanted)).toBeLessThan(1e-5);
    expect(maxError(average, live[3]!)).toBeGreaterThan(1e-3);
    let during: Float32Array | undefined;
    const draw = sampler.draw.bind(sampler);
    sampler.draw = (...given) => {
      during = policy.headWeight.toFloats();
      return draw(...given);
    };
    await stage.evaluate!();
    expectSameBits(during!, average);
    expectSameBits(policy.headWeight.toFloats(), live[3]!);
  });
});

it('evaluations ask the held-out prompts the same way each time, and report reward and KL', async () => {
  const { stage, reward } = await makeWorld({ heldOut: [3, 5] });
  const first = await stage.evaluate!();
  const second = await stage.evaluate!();
  expect(second).toEqual(first);
  expect(first.score).toBe(-first.metrics.val_reward!);
  expect(first.metrics.val_kl).toBe(0);
  expect(reward.seen.map(({ row }) => row.place)).toEqual([3, 5, 3, 5]);
  expect((await makeWorld()).stage.evaluate).toBeUndefined();
});

it('samples show different prompts and what was answered', async () => {
  const { stage } = await makeWorld({ sampler: { promptsPerRollout: 4, responsesPerPrompt: 4 } });
  expect(await stage.sample()).toEqual([]);
  await stage.nextBatch();
  const samples = await stage.sample();
  expect(samples).toHaveLength(4);
  expect(samples[0]!.prompt).toMatch(/^prompt \d+$/);
  expect(new Set(samples.map(({ prompt }) => prompt)).size).toBe(4);
});

describe('rollouts with int8 weights', () => {
  const options = { dtype: 'bf16', sampler: { quantize: 'int8' }, stage: { epochs: 2 } } as const;

  it('start at ratios of 1, log their distance from the policy, and take its new weights', async () => {
    const { stage } = await makeWorld(options);
    const { steps } = await train(stage, { steps: 4 });
    for (const first of [steps[0]!, steps[2]!]) expect(first).toMatchObject({ ratio_min: 1, ratio_max: 1 });
    expect(steps.map(({ ratio_max_deviation }) => ratio_max_deviation)).toEqual([0, 0, 0, 0]);
    expect(steps.every(({ quantization_kl: kl }) => Math.abs(kl!) < 0.05 && kl !== 0)).toBe(true);
    const { stage: own } = await makeWorld({ ...options, sampler: {} });
    expect((await train(own, { steps: 1 })).steps[0]).not.toHaveProperty('quantization_kl');
  });

  it('do not reach evaluations', async () => {
    const [int8, own] = await Promise.all([makeWorld(options), makeWorld({ ...options, sampler: {} })]);
    expect(await int8.stage.evaluate?.()).toEqual(await own.stage.evaluate?.());
  });
});
