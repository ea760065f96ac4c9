/**
 * Before any update on a rollout, the importance ratio of every token is 1 if training computes the
 * log-probabilities of sampling. Otherwise (another temperature, another mask, kernels that
 * disagree) PPO corrects for a policy that never existed, and no loss shows it. So each process
 * checks its first rollout.
 */

import { AthanorError } from '../../base/errors.ts';
import type { DType } from '../../native/binding.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { responseLogProbs } from '../../scoring/response-log-probs.ts';
import type { DrawnResponses } from './sampled-responses.ts';

type TokenLogProbs = Pick<DrawnResponses, 'sequences' | 'logProbs'>;

/** Checks the first rollout that it gets. */
export class RatioCheck {
  readonly #tolerance: number;
  #passed = false;

  /** @param tolerance largest deviation of a ratio from 1 (ratioTolerance) */
  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  /**
   * Throws ERR_INTERNAL if sampling and training disagree. Does nothing after it has passed once.
   */
  verify(policy: Gpt, drawn: TokenLogProbs, temperature: number): void {
    if (this.#passed) return;
    checkRatios(ratioDeviation(policy, drawn, temperature), this.#tolerance);
    this.#passed = true;
  }
}

/** The largest |ratio - 1| over the response tokens. */
export function ratioDeviation(
  model: Gpt,
  { sequences, logProbs }: TokenLogProbs,
  temperature: number,
): number {
  let worst = 0;
  responseLogProbs(model, sequences, temperature).forEach((logProb, i) => {
    const deviation = Math.abs(Math.exp(logProb - logProbs[i]!) - 1);
    // The negated form keeps a NaN.
    if (!(deviation <= worst)) worst = deviation;
  });
  return worst;
}

/** Throws ERR_INTERNAL if the deviation exceeds the tolerance, or is NaN. */
export function checkRatios(deviation: number, tolerance: number): void {
  if (deviation <= tolerance) return;
  throw new AthanorError(
    'ERR_INTERNAL',
    `before any update the importance ratio of a token deviates from 1 by ${deviation}; the limit is ${tolerance}: sampling and training disagree`,
    'please report this with the command and the output of athanor info',
  );
}

/**
 * Largest allowed deviation of a ratio from 1. On the CPU it is 0: the kernels of decoding and
 * training give the same bits. On a GPU they need not, but the tolerance is so small that a
 * forgotten temperature or a wrong mask exceeds it by far.
 */
export function ratioTolerance(device: 'cpu' | 'cuda', dtype: DType): number {
  if (device === 'cpu') return 0;
  return dtype === 'bf16' ? 0.5 : 0.01;
}
