/**
 * One iteration of PPO, in the order of its steps: sample, score, penalise, estimate advantages,
 * update. GRPO differs only in its advantage estimator. Steps 1 to 4 run once and make a rollout.
 * Step 5 goes over the rollout in batches, several times: PolicyStage hands out the batches, and
 * the Trainer computes gradients and updates the weights with AdamW.
 */

import type { Communicator } from '../../comm/communicator.ts';
import type { ShuffledCycle } from '../../data/rows/cycle.ts';
import type { Quantization } from '../../nn/quantized-weights.ts';
import { responseOutput } from '../../scoring/response-log-probs.ts';
import { responseInput } from '../../scoring/sequences.ts';
import { add } from '../../tensor/ops/elementwise.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { AdvantageEstimator } from './advantage-estimator.ts';
import type { KlController } from './kl-controller.ts';
import type { RolloutModels } from './models.ts';
import { batchPolicyLoss, type PolicyLossSettings } from './policy-loss.ts';
import type { PretrainingMix } from './pretraining-mix.ts';
import { penaliseUnfinished } from './rewards.ts';
import { Rollout, type RolloutBatch } from './rollout.ts';
import { rolloutMetrics } from './rollout-metrics.ts';
import { SampledResponses } from './sampled-responses.ts';
import type { Sampler } from './sampler.ts';
import type { Scorer } from './scorer.ts';
import { sharedRollout } from './shared-rollout.ts';
import type { StepStatistics } from './step-statistics.ts';

/** The parts of an iteration. */
export interface PpoParts {
  /** The ranks that share the responses of each rollout. */
  communicator: Communicator;
  models: RolloutModels;
  sampler: Sampler;
  scorer: Scorer;
  estimator: AdvantageEstimator;
  kl: KlController;
  /** Pretraining text that is mixed into the updates (PPO-ptx); undefined: none. */
  ptx: PretrainingMix | undefined;
}

/**
 * Steps 1 to 3, which evaluations run too: samples responses to prompts and scores them. Prompts
 * are given by their indices. Only rollouts may be drawn with quantized weights. Ranks share the
 * responses, and each gets all of them.
 * @param group responses that one rank draws together
 */
export async function respond(
  { sampler, scorer, communicator }: Pick<PpoParts, 'sampler' | 'scorer' | 'communicator'>,
  prompts: readonly number[],
  seed: number,
  { quantize, group = 1 }: { quantize?: Quantization | undefined; group?: number } = {},
): Promise<SampledResponses> {
  const size = { count: prompts.length, group };
  const { drawn, scored } = await sharedRollout(communicator, size, async ({ begin, end }) => {
    // 1. Sample: the policy answers every prompt. The log-probability of each token is kept.
    const own = await sampler.draw(prompts.slice(begin, end), seed, quantize, begin);
    // 2. Score: rewards for the responses, and the frozen reference's log-probability of each
    //    token.
    return { drawn: own, scored: await scorer.score(own.sequences) };
  });
  // 3. Penalise: responses without an end token lose score. (The KL penalty is part of step
  //    4 or 5.)
  const scores = penaliseUnfinished(scored.rawScores, drawn.sequences, scorer.options);
  return new SampledResponses(drawn, { ...scored, scores });
}

/**
 * Steps 1 to 4: makes a rollout to learn from.
 * @param check inspects the responses before anything is learned from them
 */
export async function makeRollout(
  parts: PpoParts,
  iteration: number,
  cycle: ShuffledCycle,
  check: (sampled: SampledResponses) => void,
): Promise<Rollout> {
  const { models, sampler, estimator, kl } = parts;
  const seed = sampler.iterationSeed(iteration);
  const { quantize, responsesPerPrompt: group } = sampler.options;
  const sampled = await respond(parts, sampler.nextPrompts(cycle), seed, { quantize, group });
  check(sampled);
  // 4. Estimate advantages: by how much was each token better than expected? PPO subtracts
  //    coef * KL from the rewards and compares with its critic's values; GRPO compares a response
  //    with the others to the same prompt.
  const estimate = estimator.estimate(sampled, models.policy.model, kl.coef);
  const metrics = rolloutMetrics(sampled, estimate, kl.coef);
  kl.update(sampled.meanKl, sampled.count);
  return Rollout.of(iteration, sampled, estimate, metrics);
}

/**
 * Step 5: the loss of one batch, f32 `[1]`.
 * @param scale one divided by the sum of lossShare() over the batches of the update
 */
export function batchLoss(
  { models, sampler, estimator, kl, ptx }: PpoParts,
  batch: RolloutBatch,
  scale: number,
  settings: PolicyLossSettings,
  statistics: StepStatistics,
): Tensor {
  const policy = models.policy.model;
  const input = responseInput(batch.sequences);
  // 5. Update: tokens with a positive advantage become more likely, the others less likely, as far
  //    as the clipped ratio of the current policy to the sampling policy allows. GRPO adds coef *
  //    KL here; PPO's critic learns the returns.
  const now = responseOutput(policy, input, sampler.options.temperature);
  const surrogate = batchPolicyLoss(now, batch, estimator.klWeightInLoss(kl.coef), scale, settings);
  const value = estimator.valueLoss(batch, input, now.hidden, scale);
  const losses = { policy: surrogate, value };
  const text = batch.text && ptx?.loss(policy, batch.text, settings.gradAccum);
  statistics.add(now, losses, text?.perToken);
  return [value, text].reduce((sum, term) => (term ? add(sum, term.loss) : sum), surrogate.loss);
}
