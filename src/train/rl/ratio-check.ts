/**
 * Before any update on a rollout the importance ratio of every token is 1, if training computes the log-probabilities that were
 * sampled with. Where it does not (another temperature, another mask, kernels that disagree), PPO corrects for a policy
 * that never was, and no loss shows it: so a run looks first.
 */

import { AthanorError } from '../../base/errors.ts';
import type { DType } from '../../native/binding.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { Episode } from '../../scoring/episode.ts';
import { responseLogProbs } from '../../scoring/log-probs.ts';

/** The largest |ratio - 1| over the response tokens. @param logProbs f32, flat, as sampled */
export function ratioDeviation(
  model: Gpt,
  episodes: readonly Episode[],
  logProbs: Float32Array,
  temperature: number,
): number {
  let worst = 0;
  responseLogProbs(model, episodes, temperature).forEach((logProb, i) => {
    const deviation = Math.abs(Math.exp(logProb - logProbs[i]!) - 1);
    // Math.max would pass over what is no number.
    if (!(deviation <= worst)) worst = deviation;
  });
  return worst;
}

/** Throws ERR_INTERNAL beyond what is right. */
export function checkRatios(deviation: number, tolerance: number): void {
  if (deviation <= tolerance) return;
  throw new AthanorError(
    'ERR_INTERNAL',
    `before any update the importance ratio of a token is off by ${deviation}, and ${tolerance} is the most that is right: sampling and training disagree`,
    'please report this with the command and the output of athanor info',
  );
}

/**
 * What a ratio may deviate: nothing on the CPU, where the kernels of decoding and training give the same bits; on a GPU,
 * where they need not, little enough that a forgotten temperature or a wrong mask is still far beyond.
 */
export function ratioTolerance(device: 'cpu' | 'cuda', dtype: DType): number {
  if (device === 'cpu') return 0;
  return dtype === 'bf16' ? 0.5 : 0.01;
}
