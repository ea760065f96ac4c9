/**
 * Keys and values of every layer, for a fixed number of sequences (slots) of up to maxTokens each.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { DecoderCache } from '../nn/cached-decoder.ts';
import type { Decoder } from '../nn/decoder.ts';
import { keep, Tensor } from '../tensor/tensor.ts';

/** The KV cache of one model. */
export class KvCache {
  readonly slots: number;
  /** Largest number of tokens per slot. */
  readonly maxTokens: number;
  /** Number of cached tokens in each slot. */
  readonly lengths: Int32Array;
  /** For each layer in turn: keys, then values. */
  readonly tensors: Tensor[] = [];

  /** Throws ERR_ARGUMENT when maxTokens exceeds the model's context. */
  constructor(model: Decoder, slots: number, maxTokens: number) {
    const { contextLength, layers, kvHeads, headDim } = model.config;
    if (maxTokens > contextLength) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `a cache of ${maxTokens} tokens exceeds the model's context of ${contextLength}`,
        'shorten the prompt, or ask for fewer tokens',
      );
    }
    this.slots = slots;
    this.maxTokens = maxTokens;
    this.lengths = new Int32Array(slots);
    for (let layer = 0; layer < layers; ++layer) {
      const made = native.kvCacheCreate(slots, maxTokens, kvHeads, headDim, model.dtype);
      this.tensors.push(...made.map((handle) => keep(new Tensor(handle))));
    }
  }

  /** The cache of one forward call over the given slots, in the order of its sequences. */
  view(slots: Tensor, pastLengths: Tensor): DecoderCache {
    return { tensors: this.tensors, slots, pastLengths, maxTokens: this.maxTokens };
  }

  /** Gives a slot the cached tokens of another one. Takes as long as a pass over one slot. */
  copySlot(from: number, to: number): void {
    for (const { handle } of this.tensors) {
      const [source, target] = [from, to].map((slot) => native.slice(handle, slot, slot + 1));
      native.copyInto(target!, source!);
      source!.dispose();
      target!.dispose();
    }
    this.lengths[to] = this.lengths[from]!;
  }

  dispose(): void {
    for (const tensor of this.tensors) tensor.dispose();
  }
}
