/**
 * The model's own log-probabilities at places of a text, for whoever asks for them beside the
 * drawn tokens. They have the bits of the losses, so that a text has one value in training, in
 * evaluation and here.
 */
import { native } from '../native/addon.ts';
import type { Gpt } from '../nn/gpt.ts';
import { scope, Tensor, tensor } from '../tensor/tensor.ts';

/**
 * One place of a text: the token there, and the likeliest tokens, in the distribution of the model
 * at temperature 1 without filters and penalties. In nats.
 */
export interface TokenReport {
  token: number;
  logProb: number;
  /** `[count]`: the likeliest tokens, the likeliest first. */
  topTokens: Int32Array;
  /** f32 `[count]` */
  topLogProbs: Float32Array;
}

/** A place to report on: its token, and how many of the likeliest tokens. */
export interface ReportedPlace {
  token: number;
  count: number;
}

/** Logits of this size are computed at once: more would not be faster. */
const CHUNK_BYTES = 64 * 2 ** 20;

/** @param logits f32 `[places, vocab]` */
export function reportsOfLogits(logits: Tensor, places: readonly ReportedPlace[]): TokenReport[] {
  const most = places.reduce((largest, { count }) => Math.max(largest, count), 0);
  return scope(() => {
    const top = most === 0 ? new Int32Array(0) : new Tensor(native.topTokens(logits.handle, most)).toInts();
    const width = most + 1;
    const asked = new Int32Array(places.length * width);
    places.forEach(({ token }, row) => {
      asked[row * width] = token;
      asked.set(top.subarray(row * most, (row + 1) * most), row * width + 1);
    });
    const tokens = tensor(asked, [places.length, width]);
    const logProbs = new Tensor(native.tokenLogProbs(logits.handle, tokens.handle, 1)).toFloats();
    return places.map(({ token, count }, row) => ({
      token,
      logProb: logProbs[row * width]!,
      topTokens: asked.slice(row * width + 1, row * width + 1 + count),
      topLogProbs: logProbs.slice(row * width + 1, row * width + 1 + count),
    }));
  });
}

/**
 * Reports on rows of hidden states. The logits of a few rows exist at a time, so that a long prompt
 * needs no memory of its length times the vocabulary.
 * @param hidden `[n, d]` from forward()
 * @param rows the hidden row that predicts each place
 */
export function reportsOfHidden(
  model: Gpt,
  hidden: Tensor,
  rows: readonly number[],
  places: readonly ReportedPlace[],
): TokenReport[] {
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / 4 / model.config.vocabSize));
  const reports: TokenReport[] = [];
  for (let begin = 0; begin < rows.length; begin += chunk) {
    const end = Math.min(rows.length, begin + chunk);
    scope(() => {
      const logits = model.logits(hidden, tensor(Int32Array.from(rows.slice(begin, end))));
      reports.push(...reportsOfLogits(logits, places.slice(begin, end)));
    });
  }
  return reports;
}
