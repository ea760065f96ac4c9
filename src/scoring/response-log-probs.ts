/**
 * Log-probabilities of the tokens of responses in a language model. The policy that trains and its
 * frozen reference are both read here, so that their log-probabilities can be compared.
 */

import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { linearLogProb } from '../tensor/ops/loss.ts';
import { gatherRows } from '../tensor/ops/rows.ts';
import { scope, type Tensor } from '../tensor/tensor.ts';
import {
  byTokens,
  type ResponseInput,
  type ResponseSequence,
  responseInput,
  responseLength,
  SCORING_TOKENS,
} from './sequences.ts';

/** What a model computes for the `m` response tokens of a batch. */
export interface ResponseOutput {
  /** f32 `[m]`: log-probability of each response token at the sampling temperature. */
  logProbs: Tensor;
  /** f32 `[m]`: entropy of the distribution that the token was drawn from, in nats. */
  entropies: Tensor;
  /** `[m, channels]`: the hidden states that predict the response tokens. */
  hidden: Tensor;
}

/** Only the rows that predict response tokens reach the vocabulary; rows of the prompt do not. */
export function responseOutput(model: Gpt, batch: ResponseInput, temperature: number): ResponseOutput {
  const hidden = responseHidden(model, batch);
  return {
    ...linearLogProb(hidden, model.headWeight, batch.targets, temperature, model.config.logitSoftcap),
    hidden,
  };
}

/** `[m, channels]`: the hidden states that predict the response tokens. */
export function responseHidden(model: Gpt, { input, rows }: ResponseInput): Tensor {
  return gatherRows(model.forward(input), rows);
}

/** Log-probabilities of all response tokens, end to end, without gradients. */
export function responseLogProbs(
  model: Gpt,
  sequences: readonly ResponseSequence[],
  temperature: number,
): Float32Array<ArrayBuffer> {
  return mapResponseTokens(sequences, (batch) => responseOutput(model, batch, temperature).logProbs);
}

/**
 * One number per response token, end to end, without gradients. Reads batches of bounded size.
 * @param read returns f32 `[m]` for a batch of `m` response tokens
 */
export function mapResponseTokens(
  sequences: readonly ResponseSequence[],
  read: (batch: ResponseInput) => Tensor,
): Float32Array<ArrayBuffer> {
  const total = sequences.reduce((sum, sequence) => sum + responseLength(sequence), 0);
  const out = new Float32Array(total);
  let at = 0;
  for (const group of byTokens(sequences, ({ tokens }) => tokens.length, SCORING_TOKENS)) {
    const values = noGrad(() => scope(() => read(responseInput(group)).toFloats()));
    out.set(values, at);
    at += values.length;
  }
  return out;
}
