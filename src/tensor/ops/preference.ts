/**
 * Losses over pairs: the ranking loss of a reward model, and the losses of DPO over
 * log-probabilities. KTO has a loss over single answers.
 */
import { native } from '../../native/addon.ts';
import type { DpoKind } from '../../native/binding/preference.ts';
import { needsGrad } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

/** Margins, weights and coefficients of the ranking loss. */
export interface RankingLossOptions {
  /** f32 `[m]`: the lead that the better score should have. Default: 0 for all. */
  margins?: Tensor;
  /** f32 `[m]`: weight of each pair. Default: 1 for all. */
  weights?: Tensor;
  /**
   * Weight of `(better + worse)^2`, which keeps scores around zero (Eisenstein et al., 2023,
   * equation 2). Default 0.
   */
  centering?: number;
  /** Factor on the sum. Default 1. */
  scale?: number;
}

/**
 * The ranking loss of a reward model (Bradley and Terry, 1952; Ouyang et al., 2022, equation 1):
 * scale times the sum over pairs of
 * `weight * (-log sigmoid(better - worse - margin) + centering * (better + worse)^2)`.
 * Differentiable in scores.
 * @param scores f32 `[n]`
 * @param pairs i32 `[2 m]`: index of the better, index of the worse, and so on
 * @returns loss f32 `[1]`, and in `correct` the number of pairs in the right order
 */
export function rankingLoss(
  scores: Tensor,
  pairs: Tensor,
  { margins, weights, centering = 0, scale = 1 }: RankingLossOptions = {},
): { loss: Tensor; correct: number } {
  const [value, dscores, correct] = native.rankingLoss({
    scores: scores.handle,
    pairs: pairs.handle,
    margins: margins?.handle,
    weights: weights?.handle,
    centering,
    scale,
    needGradient: needsGrad(scores),
  });
  return { loss: scalarLoss('rankingLoss', value, [scores], [dscores]), correct };
}

/** The loss of a pair; see dpoLoss. */
export type { DpoKind };

/** Kind and coefficients of the DPO loss. */
export interface DpoLossOptions {
  /** Strength of the tie to the reference. */
  beta: number;
  /** Default sigmoid. */
  kind?: DpoKind;
  /**
   * For `sigmoid`: the assumed share of labels that are flipped, below a half (Mitchell, "A note on
   * DPO with noisy preferences", 2023). Default 0.
   */
  labelSmoothing?: number;
  /** Factor on the sum. Default 1. */
  scale?: number;
}

/**
 * Direct preference optimisation: `sigmoid` (Rafailov et al., 2023, equation 7), `ipo` (Azar et
 * al., 2023, equation 17) or `hinge` (Zhao et al., 2023). Differentiable in sums.
 * @param sums f32 `[2 m]`: log-probabilities of m chosen responses, then of the m rejected ones
 * @param referenceSums f32 `[2 m]`: the same sums under the reference
 * @returns loss f32 `[1]`, rewards f32 `[2 m]`: beta * (sums - referenceSums), and in `correct` the
 * number of pairs in the right order
 */
export function dpoLoss(
  sums: Tensor,
  referenceSums: Tensor,
  { beta, kind = 'sigmoid', labelSmoothing = 0, scale = 1 }: DpoLossOptions,
): { loss: Tensor; rewards: Tensor; correct: number } {
  const [value, rewards, dsums, correct] = native.dpoLoss({
    sums: sums.handle,
    reference: referenceSums.handle,
    beta,
    kind,
    labelSmoothing,
    scale,
    needGradient: needsGrad(sums),
  });
  return { loss: scalarLoss('dpoLoss', value, [sums], [dsums]), rewards: new Tensor(rewards), correct };
}

/** Coefficients of the KTO loss. */
export interface KtoLossOptions {
  /** Strength of the tie to the reference. */
  beta: number;
  /** The divergence of the policy from its reference, in nats, which good answers should exceed. */
  baseline: number;
  /** Factor on the sum. Default 1. */
  scale?: number;
}

/**
 * Kahneman-Tversky optimisation (Ethayarajh et al., 2024, equation 8): scale times the sum over
 * answers of `weight * (1 - sigmoid(beta * (h - baseline)))`, where h is `sums - referenceSums`; of
 * a bad answer the sigmoid's argument has the other sign. Differentiable in sums.
 * @param sums f32 `[m]`: log-probabilities of the answers
 * @param referenceSums f32 `[m]`: the same sums under the reference
 * @param weights f32 `[m]`: above 0 for a good answer, below 0 for a bad one
 * @returns loss f32 `[1]`, rewards f32 `[m]`: beta * h, and in `correct` the number of answers on
 * the right side of the baseline
 */
export function ktoLoss(
  sums: Tensor,
  referenceSums: Tensor,
  weights: Tensor,
  { beta, baseline, scale = 1 }: KtoLossOptions,
): { loss: Tensor; rewards: Tensor; correct: number } {
  const [value, rewards, dsums, correct] = native.ktoLoss({
    sums: sums.handle,
    reference: referenceSums.handle,
    weights: weights.handle,
    beta,
    baseline,
    scale,
    needGradient: needsGrad(sums),
  });
  return { loss: scalarLoss('ktoLoss', value, [sums], [dsums]), rewards: new Tensor(rewards), correct };
}
