/**
 * One batch of responses with everything that the updates on it need, and how far those have come. A checkpoint holds
 * it whole, so a run killed between two updates goes on with the same responses in the same order.
 */

import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { Permutation } from '../../data/permutation.ts';
import { type Episode, responseStarts } from '../../scoring/episode.ts';

/** Flat f32 numbers, one a response token of the rollout, in the order of its episodes. */
export interface TokenValues {
  /** Of the policy that sampled, at the sampling temperature. */
  logProbs: Float32Array;
  /** Of the reference, at the same temperature. */
  referenceLogProbs: Float32Array;
  advantages: Float32Array;
  /** The critic's before the update, and what it should have said; empty without a critic. */
  values: Float32Array;
  returns: Float32Array;
}

const fields = ['logProbs', 'referenceLogProbs', 'advantages', 'values', 'returns'] as const;

export class Rollout {
  readonly starts: Int32Array;
  #taken = 0;

  /** @param metrics what was measured when it was made, logged with every step on it */
  constructor(
    readonly iteration: number,
    readonly episodes: readonly Episode[],
    readonly perToken: TokenValues,
    readonly metrics: Record<string, number>,
  ) {
    this.starts = responseStarts(episodes);
  }

  /** Responses handed out so far, over all epochs. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Indices of the next episodes to learn from; each epoch goes through all of them in a fresh order, the same on every
   * rank.
   */
  take(count: number, seed: number): number[] {
    const size = this.episodes.length;
    return Array.from({ length: count }, () => {
      const epoch = Math.floor(this.#taken / size);
      const order = new Permutation(size, seed + this.iteration, epoch);
      const index = order.at(this.#taken % size);
      this.#taken += 1;
      return index;
    });
  }

  /** Ends the updates on this rollout, as when the policy has moved too far from it. */
  finish(): void {
    this.#taken = Number.MAX_SAFE_INTEGER;
  }

  /** The numbers of some episodes' tokens, end to end. */
  gather(field: keyof TokenValues, episodes: readonly number[]): Float32Array {
    const all = this.perToken[field];
    const parts = episodes.map((i) => all.subarray(this.starts[i], this.starts[i + 1]));
    const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  state(): JsonObject {
    return {
      iteration: this.iteration,
      taken: this.#taken,
      metrics: this.metrics,
      episodes: this.episodes.map(({ prompt, tokens, promptLength, finished }) => ({
        prompt,
        length: tokens.length,
        prompt_length: promptLength,
        finished,
      })),
    };
  }

  tensors(): [string, TensorSource][] {
    const tokens = Int32Array.from(this.episodes.flatMap((episode) => [...episode.tokens]));
    const named: [string, TensorSource][] = [
      ['rollout/tokens', { dtype: 'i32', shape: [tokens.length], data: tokens }],
    ];
    for (const field of fields) {
      const data = this.perToken[field];
      named.push([`rollout/${field}`, { dtype: 'f32', shape: [data.length], data }]);
    }
    return named;
  }

  static restore(state: JsonObject, tensors: (name: string) => TensorData): Rollout {
    const saved = state as unknown as SavedRollout;
    const tokens = tensors('rollout/tokens').data as Int32Array;
    let at = 0;
    const episodes = saved.episodes.map(({ prompt, length, prompt_length, finished }) => {
      at += length;
      return { prompt, tokens: tokens.slice(at - length, at), promptLength: prompt_length, finished };
    });
    if (at !== tokens.length) {
      throw new AthanorError('ERR_FILE_DAMAGED', 'the saved rollout does not match its tokens', 'start anew');
    }
    const perToken = Object.fromEntries(
      fields.map((field) => [field, tensors(`rollout/${field}`).data as Float32Array]),
    ) as unknown as TokenValues;
    const rollout = new Rollout(saved.iteration, episodes, perToken, saved.metrics);
    rollout.#taken = saved.taken;
    return rollout;
  }
}

interface SavedRollout {
  iteration: number;
  taken: number;
  metrics: Record<string, number>;
  episodes: { prompt: number; length: number; prompt_length: number; finished: boolean }[];
}
