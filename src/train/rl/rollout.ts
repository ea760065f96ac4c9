/**
 * The responses of one iteration, the numbers that updates need, and how far the updates have come.
 * A checkpoint holds all of it, so a run that is killed between two updates continues with the same
 * responses in the same order.
 */

import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import { Permutation } from '../../data/permutation.ts';
import type { PackedTokens } from '../../data/token-batch.ts';
import { type ResponseSequence, responseLength, responseStarts } from '../../scoring/sequences.ts';
import { type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Estimate } from './advantage-estimator.ts';
import type { SampledResponses } from './sampled-responses.ts';

/** Each is f32 `[m]`: one number per response token of the rollout, response after response. */
export interface TokenValues {
  /** Log-probabilities of the sampling policy at the sampling temperature. */
  logProbs: Float32Array;
  /** Log-probabilities of the reference at the same temperature. */
  referenceLogProbs: Float32Array;
  advantages: Float32Array;
  /** The critic's values before any update; empty without a critic. */
  values: Float32Array;
  /** Targets of the values; empty without a critic. */
  returns: Float32Array;
}

const fields = ['logProbs', 'referenceLogProbs', 'advantages', 'values', 'returns'] as const;

export class Rollout {
  /** Responses that updates have taken so far, in all epochs. */
  #taken = 0;

  /**
   * @param metrics metrics of the rollout, logged with every step on it
   * @param starts i32 `[responses + 1]`: where each response begins in the numbers per token
   */
  constructor(
    readonly iteration: number,
    readonly sequences: readonly ResponseSequence[],
    readonly perToken: TokenValues,
    readonly metrics: Record<string, number>,
    readonly starts: Int32Array = responseStarts(sequences),
  ) {}

  static of(
    iteration: number,
    { sequences, logProbs, referenceLogProbs, starts }: SampledResponses,
    { advantages, values, returns }: Estimate,
    metrics: Record<string, number>,
  ): Rollout {
    const perToken = { logProbs, referenceLogProbs, advantages, values, returns };
    return new Rollout(iteration, sequences, perToken, metrics, starts);
  }

  /**
   * The next responses to learn from. Each epoch goes through all of them in a new order, which is
   * the same on every rank.
   * @param text pretraining text that is learned with them
   */
  take(count: number, seed: number, text?: PackedTokens): RolloutBatch {
    const size = this.sequences.length;
    const indices = Array.from({ length: count }, () => {
      const epoch = Math.floor(this.#taken / size);
      const order = new Permutation(size, seed + this.iteration, epoch);
      const index = order.at(this.#taken % size);
      this.#taken += 1;
      return index;
    });
    return new RolloutBatch(this, indices, text);
  }

  /** Passes over the next responses, from which another rank learns. */
  skip(count: number): void {
    this.#taken += count;
  }

  /** Whether updates have gone through all responses `epochs` times, or finish() was called. */
  isUsedUp(epochs: number): boolean {
    return this.#taken >= this.sequences.length * epochs;
  }

  /** Share of the `epochs` epochs that is done; 1 after finish(). */
  shareDone(epochs: number): number {
    return Math.min(1, this.#taken / (this.sequences.length * epochs));
  }

  /** Ends the updates on this rollout, because the policy has moved too far from it. */
  finish(): void {
    this.#taken = Number.MAX_SAFE_INTEGER;
  }

  /** The numbers of the tokens of some responses, end to end. @param responses their indices */
  gather(field: keyof TokenValues, responses: readonly number[]): Float32Array {
    const all = this.perToken[field];
    const parts = responses.map((i) => all.subarray(this.starts[i], this.starts[i + 1]));
    const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  /** The state that restore() reads, in addition to tensors(). */
  state(): JsonObject {
    return {
      iteration: this.iteration,
      taken: this.#taken,
      metrics: this.metrics,
      episodes: this.sequences.map(({ prompt, tokens, promptLength, finished }) => ({
        prompt,
        length: tokens.length,
        prompt_length: promptLength,
        finished,
      })),
    };
  }

  tensors(): [string, TensorSource][] {
    const tokens = Int32Array.from(this.sequences.flatMap((sequence) => [...sequence.tokens]));
    const named: [string, TensorSource][] = [
      ['rollout/tokens', { dtype: 'i32', shape: [tokens.length], data: tokens }],
    ];
    for (const field of fields) {
      const data = this.perToken[field];
      named.push([`rollout/${field}`, { dtype: 'f32', shape: [data.length], data }]);
    }
    return named;
  }

  /** Throws ERR_FILE_DAMAGED if state and tensors do not belong together. */
  static restore(state: JsonObject, tensors: (name: string) => TensorData): Rollout {
    const saved = state as SavedRollout;
    const tokens = tensors('rollout/tokens').data as Int32Array;
    let at = 0;
    const sequences = saved.episodes.map(({ prompt, length, prompt_length, finished }) => {
      at += length;
      return { prompt, tokens: tokens.slice(at - length, at), promptLength: prompt_length, finished };
    });
    if (at !== tokens.length) {
      throw new AthanorError(
        'ERR_FILE_DAMAGED',
        'the saved rollout does not match its tokens',
        'start a new run',
      );
    }
    const floats = (field: keyof TokenValues) => tensors(`rollout/${field}`).data as Float32Array;
    const perToken: TokenValues = {
      logProbs: floats('logProbs'),
      referenceLogProbs: floats('referenceLogProbs'),
      advantages: floats('advantages'),
      values: floats('values'),
      returns: floats('returns'),
    };
    const rollout = new Rollout(saved.iteration, sequences, perToken, saved.metrics);
    rollout.#taken = saved.taken;
    return rollout;
  }
}

/** Some responses of a rollout: the input of one forward and backward pass. */
export class RolloutBatch {
  /** @param indices of the responses in the rollout */
  constructor(
    readonly rollout: Rollout,
    readonly indices: readonly number[],
    /** Pretraining text that is learned with them. */
    readonly text?: PackedTokens,
  ) {}

  get sequences(): ResponseSequence[] {
    return this.indices.map((i) => this.rollout.sequences[i]!);
  }

  /** Number of tokens that the model reads: all but the last of each sequence. */
  get inputTokens(): number {
    return this.sequences.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
  }

  /** Number of tokens in the loss: those of the responses. */
  get responseTokens(): number {
    return this.sequences.reduce((sum, sequence) => sum + responseLength(sequence), 0);
  }

  /** f32 `[responseTokens]` */
  tensor(field: keyof TokenValues): Tensor {
    return tensor(this.rollout.gather(field, this.indices));
  }
}

interface SavedRollout extends JsonObject {
  iteration: number;
  taken: number;
  metrics: Record<string, number>;
  /** One entry per sequence, in order; the key is part of the format of checkpoints. */
  episodes: { prompt: number; length: number; prompt_length: number; finished: boolean }[];
}
