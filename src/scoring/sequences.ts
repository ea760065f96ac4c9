/**
 * Prompts with responses as token sequences, and the rows and targets for models that read them.
 * Nothing is padded: the numbers of all response tokens of several sequences lie end to end, and
 * `starts` says where each response begins.
 */

import type { GptInput } from '../nn/decoder.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

/** A prompt and one response to it, as the tokens of one sequence. */
export interface ResponseSequence {
  /** Index of the prompt in its list. */
  prompt: number;
  /** The prompt's tokens, then the response's. A stop token is part of the response. */
  tokens: Int32Array;
  promptLength: number;
  /** Whether the response ended with a stop token. If not, it was cut at the limit. */
  finished: boolean;
}

/**
 * Number of tokens that a frozen model reads at once. Products with so many rows keep every core
 * busy; one f32 activation of 768 channels takes 24 MiB.
 */
export const SCORING_TOKENS = 8192;

export function responseLength({ tokens, promptLength }: ResponseSequence): number {
  return tokens.length - promptLength;
}

/**
 * i32 `[sequences + 1]`: where each response begins in a flat array of all response tokens, then
 * the length of that array.
 */
export function responseStarts(sequences: readonly ResponseSequence[]): Int32Array {
  const starts = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    starts[i + 1] = starts[i]! + responseLength(sequence);
  });
  return starts;
}

/** f64 `[responses]`: the sum of the numbers of each response. */
export function sumsByResponse(values: Float32Array, starts: Int32Array): Float64Array {
  const sums = new Float64Array(starts.length - 1);
  for (let i = 0; i < sums.length; ++i) {
    for (let t = starts[i]!; t < starts[i + 1]!; ++t) sums[i]! += values[t]!;
  }
  return sums;
}

/** A batch of sequences as the input of a model; `m` is the number of response tokens. */
export interface ResponseInput {
  input: GptInput;
  /**
   * i32 `[m]`: the row before each response token. Its hidden state predicts the token, and a
   * critic values that state.
   */
  rows: Tensor;
  /** i32 `[m]`: the response tokens. */
  targets: Tensor;
}

/** The last token of a sequence predicts nothing, so the model does not read it. */
export function responseInput(sequences: readonly ResponseSequence[]): ResponseInput {
  const rows: number[] = [];
  const targets: number[] = [];
  let start = 0;
  for (const { tokens, promptLength } of sequences) {
    for (let i = promptLength; i < tokens.length; ++i) {
      rows.push(start + i - 1);
      targets.push(tokens[i]!);
    }
    start += tokens.length - 1;
  }
  return {
    input: packSequences(sequences.map(({ tokens }) => tokens.subarray(0, -1))),
    rows: ints(rows),
    targets: ints(targets),
  };
}

/** Sequences end to end, in the form that every model takes. */
export function packSequences(sequences: readonly Int32Array[]): GptInput {
  const total = sequences.reduce((sum, { length }) => sum + length, 0);
  const tokens = new Int32Array(total);
  const positions = new Int32Array(total);
  const cuSeqlens = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    const start = cuSeqlens[i]!;
    tokens.set(sequence, start);
    for (let j = 0; j < sequence.length; ++j) positions[start + j] = j;
    cuSeqlens[i + 1] = start + sequence.length;
  });
  return { tokens: tensor(tokens), positions: tensor(positions), cuSeqlens: tensor(cuSeqlens) };
}

/** i32 `[sequences]`: the row of each sequence's last token when the sequences lie end to end. */
export function lastRows(sequences: readonly Int32Array[]): Tensor {
  let end = 0;
  return ints(
    sequences.map(({ length }) => {
      end += length;
      return end - 1;
    }),
  );
}

/**
 * Splits a list into groups of at most `most` tokens, in order. A longer item is a group
 * of its own.
 */
export function byTokens<T>(items: readonly T[], lengthOf: (item: T) => number, most: number): T[][] {
  const groups: T[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const length = lengthOf(item);
    if (filled + length > most) {
      groups.push([]);
      filled = 0;
    }
    groups.at(-1)!.push(item);
    filled += length;
  }
  return groups;
}

/** Tokens of the longest of these; 0 of none. */
export function longest(sequences: readonly { tokens: Int32Array }[]): number {
  return sequences.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
}

/** An i32 tensor. */
export function ints(values: readonly number[]): Tensor {
  return tensor(Int32Array.from(values));
}
