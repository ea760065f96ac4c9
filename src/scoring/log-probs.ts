/** What the policy being trained, or the frozen reference that it is held to, says of responses. */

import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { linearLogProb } from '../tensor/ops/loss.ts';
import { gatherRows } from '../tensor/ops/rows.ts';
import { scope, type Tensor } from '../tensor/tensor.ts';
import { byTokens, type Episode, type EpisodeInput, episodeInput, responseLength } from './episode.ts';
import { SCORING_TOKENS } from './reward-source.ts';

export interface PolicyOutput {
  /** f32 `[m]`: log-probability of each response token at the sampling temperature. */
  logProbs: Tensor;
  /** f32 `[m]`: entropy of the distribution it was drawn from, in nats. */
  entropies: Tensor;
  /** `[m, d]`: the hidden states that predict the response tokens. */
  hidden: Tensor;
}

/** What the model says of the response tokens; prompt rows never reach the vocabulary. */
export function policyOutput(model: Gpt, batch: EpisodeInput, temperature: number): PolicyOutput {
  const hidden = policyHidden(model, batch);
  return { ...linearLogProb(hidden, model.headWeight, batch.targets, temperature), hidden };
}

/** `[m, d]`: the hidden states that predict the response tokens. */
export function policyHidden(model: Gpt, { input, rows }: EpisodeInput): Tensor {
  return gatherRows(model.forward(input), rows);
}

/** Log-probabilities of all response tokens, end to end, without gradients. */
export function responseLogProbs(
  model: Gpt,
  episodes: readonly Episode[],
  temperature: number,
): Float32Array<ArrayBuffer> {
  return overEpisodes(episodes, (batch) => policyOutput(model, batch, temperature).logProbs);
}

/** Runs a frozen model over episodes in bounded batches; `read` gives one f32 a response token. */
export function overEpisodes(
  episodes: readonly Episode[],
  read: (batch: EpisodeInput) => Tensor,
): Float32Array<ArrayBuffer> {
  const total = episodes.reduce((sum, episode) => sum + responseLength(episode), 0);
  const out = new Float32Array(total);
  let at = 0;
  for (const group of byTokens(episodes, ({ tokens }) => tokens.length, SCORING_TOKENS)) {
    const values = noGrad(() => scope(() => read(episodeInput(group)).toFloats()));
    out.set(values, at);
    at += values.length;
  }
  return out;
}
