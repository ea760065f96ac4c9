/** Losses over pairs: the reward model's ranking loss, and DPO's over log-probabilities. */
import { native } from '../../native/addon.ts';
import type { DpoKind } from '../../native/binding/preference.ts';
import { needsGrad } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

export interface RankingLossOptions {
  /** f32 `[m]`: by how much the better should lead at least. */
  margins?: Tensor;
  /** f32 `[m]`; 1 for all when left out. */
  weights?: Tensor;
  /** Weight of (better + worse)^2, which keeps scores around zero (Eisenstein et al., 2023, equation 2). Default 0. */
  centering?: number;
  scale?: number;
}

/**
 * scale * sum over pairs of weight * (-log sigmoid(better - worse - margin) + centering * (better + worse)^2)
 * (Bradley and Terry, 1952; Ouyang et al., 2022, equation 1). Differentiable in scores.
 * @param scores f32 `[n]`; @param pairs i32 `[2 m]`: index of the better, index of the worse, and so on
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

export type { DpoKind };

export interface DpoLossOptions {
  beta: number;
  kind?: DpoKind;
  /** Share of labels taken to be flipped, below a half (Mitchell, "A note on DPO with noisy preferences", 2023); of `sigmoid` only. */
  labelSmoothing?: number;
  scale?: number;
}

/**
 * Direct preference optimisation (Rafailov et al., 2023, equation 7; `ipo`: Azar et al., 2023, equation 17; `hinge`: Zhao
 * et al., 2023). Differentiable in sums.
 * @param sums f32 `[2 m]`: log-probabilities of m chosen responses, then of the m rejected; @param referenceSums the same
 * under the reference
 * @returns rewards f32 `[2 m]`, beta * (sums - referenceSums), and the number of pairs in the right order
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
