/**
 * Prompts with the responses that the policy gave, and the rows and targets that go with them. Nothing is padded: the
 * numbers of all response tokens of a rollout lie end to end, and `starts` says where each response begins.
 */

import type { GptInput } from '../nn/decoder.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

export interface Episode {
  /** Index of the prompt in the data. */
  prompt: number;
  /** Prompt, then response; the stop token is part of the response. */
  tokens: Int32Array;
  promptLength: number;
  /** It ended with a stop token, not at the limit. */
  finished: boolean;
}

export function responseLength({ tokens, promptLength }: Episode): number {
  return tokens.length - promptLength;
}

/** i32 `[episodes + 1]`: where each response's tokens begin in a flat array of all of them, and its length. */
export function responseStarts(episodes: readonly Episode[]): Int32Array {
  const starts = new Int32Array(episodes.length + 1);
  episodes.forEach((episode, i) => {
    starts[i + 1] = starts[i]! + responseLength(episode);
  });
  return starts;
}

/** Sum of each response's numbers. */
export function sumsByResponse(values: Float32Array, starts: Int32Array): Float64Array {
  const sums = new Float64Array(starts.length - 1);
  for (let i = 0; i < sums.length; ++i) {
    for (let t = starts[i]!; t < starts[i + 1]!; ++t) sums[i]! += values[t]!;
  }
  return sums;
}

/** What a model reads of some episodes. */
export interface EpisodeInput {
  input: GptInput;
  /** i32 `[m]`: the row before each response token, whose hidden state predicts it and whose value is its state's. */
  rows: Tensor;
  /** i32 `[m]`: the response tokens. */
  targets: Tensor;
}

/** The last token of a sequence predicts nothing, so it is not fed. */
export function episodeInput(episodes: readonly Episode[]): EpisodeInput {
  const rows: number[] = [];
  const targets: number[] = [];
  let start = 0;
  for (const { tokens, promptLength } of episodes) {
    for (let i = promptLength; i < tokens.length; ++i) {
      rows.push(start + i - 1);
      targets.push(tokens[i]!);
    }
    start += tokens.length - 1;
  }
  return {
    input: packSequences(episodes.map(({ tokens }) => tokens.subarray(0, -1))),
    rows: ints(rows),
    targets: ints(targets),
  };
}

/** Sequences end to end, as every model takes them. */
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

/** Splits a list into runs of at most so many tokens each, in order; a longer item is a run of its own. */
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

export function ints(values: readonly number[]): Tensor {
  return tensor(Int32Array.from(values));
}
