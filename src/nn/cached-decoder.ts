/** The trunk of a model over tokens that continue cached sequences, as one native operation. */
import { native } from '../native/addon.ts';
import type { DecoderLayerAdapters, DecoderModel, NativeDecoder } from '../native/binding/decoder.ts';
import type { DType, NativeTensor } from '../native/binding.ts';
import type { SequenceIndex } from '../tensor/ops/attention.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Block } from './blocks.ts';
import { embeddingScale, type ModelConfig } from './config.ts';
import type { Embedding, Norm, Projection } from './layers.ts';
import type { QuantizedWeights } from './quantized-weights.ts';

/** Tokens of one or more sequences, end to end. */
export interface TokenRows extends SequenceIndex {
  /** i32 `[n]` */
  tokens: Tensor;
}

/** The place of the sequences of one call in the KV cache. */
export interface DecoderCache {
  /** The keys and then the values of each layer in turn. */
  tensors: readonly Tensor[];
  /** i32 `[sequences]`: the cache slot of each sequence of this call. */
  slots: Tensor;
  /** i32 `[sequences]`: tokens already in the slot. */
  pastLengths: Tensor;
  /** Tokens for which a slot has room. */
  maxTokens: number;
}

/**
 * The parts of a trunk. Its parameters stay the same tensors for its life. After a change of the
 * quantized weights the decoder has to be disposed of.
 */
export interface TrunkParts {
  readonly config: ModelConfig;
  /** Dtype of activations. */
  readonly dtype: DType;
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Embedding | undefined;
  readonly blocks: readonly Block[];
  readonly finalNorm: Norm;
  /** int8 weights to decode with, if any. */
  readonly quantized: QuantizedWeights | undefined;
}

/** The cached forward pass of one model. Adapters may come and go between calls. */
export class CachedDecoder {
  readonly #parts: TrunkParts;
  /** Made at the first call, because most models of a training run never decode. */
  #decoder: NativeDecoder | undefined;

  constructor(parts: TrunkParts) {
    this.#parts = parts;
  }

  /**
   * The final hidden states `[n, d]`. They have the same bits as the full forward pass, unless
   * weights are quantized, and carry no gradient.
   */
  forward({ tokens, positions, cuSeqlens }: TokenRows, cache: DecoderCache): Tensor {
    const { blocks, tokenEmbedding } = this.#parts;
    this.#decoder ??= new native.NativeDecoder(decoderModel(this.#parts));
    const isAdapted = blocks.some(({ projections }) => projections.some(({ adapter }) => adapter));
    const hidden = this.#decoder.forward({
      tokens: tokens.handle,
      positions: positions.handle,
      cuSeqlens: cuSeqlens.handle,
      slots: cache.slots.handle,
      pastLengths: cache.pastLengths.handle,
      caches: cache.tensors.map(({ handle }) => handle),
      maxTokens: cache.maxTokens,
      adapters: isAdapted ? blocks.map(layerAdapters) : [],
    });
    // Weights that move have other memory the next time, and nothing may keep that of now.
    if (tokenEmbedding.weight.isMoved) this.dispose();
    return new Tensor(hidden);
  }

  /** Gives up the share of the model's weights. The next call takes it again. */
  dispose(): void {
    this.#decoder?.dispose();
    this.#decoder = undefined;
  }
}

function decoderModel(parts: TrunkParts): DecoderModel {
  const { config, dtype, tokenEmbedding, positionEmbedding, blocks, finalNorm, quantized } = parts;
  const weights = ({ weight, bias }: Projection) => ({
    ...(weight instanceof Tensor ? { weight: weight.handle } : { frozen: weight.matrix }),
    bias: bias?.handle,
    quantized: quantized?.of(weight)?.handle,
  });
  return {
    tokenTable: tokenEmbedding.weight.handle,
    positionTable: positionEmbedding?.weight.handle,
    layers: blocks.map((block) => {
      const { attention } = block;
      const [qkv, output, up, down] = block.projections;
      return {
        attentionNorm: block.attentionNorm && normWeights(block.attentionNorm),
        qkv: weights(qkv),
        queryKeyNorm: attention.queryNorm &&
          attention.keyNorm && {
            queryGain: attention.queryNorm.weight.handle,
            keyGain: attention.keyNorm.weight.handle,
          },
        ropeTable: attention.ropeTable?.handle,
        window: block.spec.window,
        output: weights(output),
        attentionOutputNorm: block.attentionOutputNorm && normWeights(block.attentionOutputNorm),
        mlpNorm: block.mlpNorm && normWeights(block.mlpNorm),
        activation: block.spec.activation,
        up: weights(up),
        down: weights(down),
        mlpOutputNorm: block.mlpOutputNorm && normWeights(block.mlpOutputNorm),
        parallel: block.spec.parallel,
      };
    }),
    finalNorm: normWeights(finalNorm),
    norm: config.norm,
    eps: config.normEps,
    normOffset: config.normOffset,
    heads: config.heads,
    kvHeads: config.kvHeads,
    embeddingScale: embeddingScale(config, dtype),
    attentionScale: config.attentionScale,
    attentionSoftcap: config.attentionSoftcap,
    dtype,
  };
}

function normWeights({ weight, bias }: Norm): { gain: NativeTensor; bias: NativeTensor | undefined } {
  return { gain: weight.handle, bias: bias?.handle };
}

function layerAdapters({ projections }: Block): DecoderLayerAdapters {
  const [qkv, output, up, down] = projections.map(
    ({ adapter }) => adapter && { a: adapter.a.handle, b: adapter.b.handle, scale: adapter.scale },
  );
  return { qkv, output, up, down };
}
