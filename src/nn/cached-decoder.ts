/** Decoding: a decoder's trunk over tokens that continue cached sequences, in one native operation. */
import { native } from '../native/addon.ts';
import type { NativeTensor } from '../native/binding.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Decoder, GptInput } from './decoder.ts';

/** Where the sequences of one call are cached. */
export interface DecoderCache {
  /** Keys and values of each layer in turn; see kvCacheCreate in the architecture page. */
  tensors: readonly Tensor[];
  /** i32 `[sequences]`: the cache slot of each sequence of this call. */
  slots: Tensor;
  /** i32 `[sequences]`: tokens already in the slot. */
  pastLengths: Tensor;
  maxTokens: number;
}

/** Of one model. Its parameters stay the same tensors for its life; adapters come and go. */
export class CachedDecoder {
  readonly #model: Decoder;
  readonly #weights: (NativeTensor | undefined)[];

  constructor(model: Decoder, ropeTable: Tensor | undefined) {
    this.#model = model;
    const { tokenEmbedding, positionEmbedding, finalNorm, blocks } = model;
    this.#weights = [
      tokenEmbedding.weight,
      positionEmbedding?.weight,
      ropeTable,
      ...[finalNorm, ...blocks.flatMap((block) => block.weighted)].flatMap(({ weight, bias }) => [
        weight,
        bias,
      ]),
    ].map((weight) => weight?.handle);
  }

  /** Final hidden states `[n, d]`, without history; the bits are those of the full forward pass. */
  forward({ tokens, positions, cuSeqlens }: GptInput, cache: DecoderCache): Tensor {
    const { architecture, heads, kvHeads, normEps } = this.#model.config;
    const layers = this.#model.blocks.flatMap((block) => block.projections);
    const adapted = layers.some(({ adapter }) => adapter) ? layers.map(({ adapter }) => adapter) : [];
    return new Tensor(
      native.decoderCached(
        this.#weights,
        adapted.flatMap((adapter) => [adapter?.a.handle, adapter?.b.handle]),
        adapted.map((adapter) => adapter?.scale ?? 1),
        cache.tensors.map(({ handle }) => handle),
        tokens.handle,
        positions.handle,
        cuSeqlens.handle,
        cache.slots.handle,
        cache.pastLengths.handle,
        cache.maxTokens,
        heads,
        kvHeads,
        architecture === 'llama',
        normEps,
        this.#model.dtype,
      ),
    );
  }
}
