/**
 * How the losses of tokens become the loss of an update: their weighted sum over all batches of the
 * update, divided by the sum of what each batch counts. Both are the same however ranks share the
 * batches.
 */
import { responseLength } from '../../scoring/sequences.ts';
import { type Tensor, tensor } from '../../tensor/tensor.ts';
import type { RolloutBatch } from './rollout.ts';

/**
 * - `dapo`: mean over the tokens of the update (Yu et al., 2025)
 * - `grpo`: mean over responses of the mean over their tokens (Shao et al., 2024)
 * - `dr-grpo`: sum over tokens / (responses * largest length) (Liu et al., 2025)
 * - `bnpo`: mean over batches of the mean over their tokens
 */
export type LossAggregation = 'dapo' | 'grpo' | 'dr-grpo' | 'bnpo';

/**
 * What a batch adds to the divisor of the update.
 * @param maxResponseLength largest number of tokens that a response may have
 */
export function lossShare(kind: LossAggregation, batch: RolloutBatch, maxResponseLength: number): number {
  if (kind === 'dapo') return batch.responseTokens;
  if (kind === 'bnpo') return 1;
  const responses = batch.indices.length;
  return kind === 'grpo' ? responses : responses * maxResponseLength;
}

/** f32 `[tokens]`: the weight of each token in the sum; undefined: all 1. */
export function tokenWeights(kind: LossAggregation, batch: RolloutBatch): Tensor | undefined {
  if (kind === 'dapo' || kind === 'dr-grpo') return undefined;
  const weights = new Float32Array(batch.responseTokens);
  if (kind === 'bnpo') return tensor(weights.fill(1 / weights.length));
  let at = 0;
  for (const sequence of batch.sequences) {
    const length = responseLength(sequence);
    weights.fill(1 / length, at, at + length);
    at += length;
  }
  return tensor(weights);
}
