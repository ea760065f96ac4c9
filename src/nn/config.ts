/**
 * The description of a model as data. Parameters, modules, the cached decoder, floating-point
 * operations, files and config.json all follow from a ModelConfig alone.
 */
import type { DType } from '../native/binding.ts';
import type { RopeSpec } from './rope.ts';

/** The head on the final norm: logits over the vocabulary, or `labels` scores per token. */
export type HeadKind = 'language-model' | 'score';

/**
 * Layer norm has a gain and a bias (Ba et al., 2016), RMS norm a gain (Zhang and Sennrich, 2019).
 */
export type NormKind = 'layer' | 'rms';
export const normKinds: readonly NormKind[] = ['layer', 'rms'];

/**
 * GELU in its tanh form or with the error function, and two with a gate, whose gate and up
 * projections are stacked in one matrix: SwiGLU, and GeGLU with GELU in its tanh form.
 */
export type Activation = 'gelu' | 'gelu-erf' | 'swiglu' | 'geglu';
export const activations: readonly Activation[] = ['gelu', 'gelu-erf', 'swiglu', 'geglu'];

/** Whether an activation multiplies a gate with the up projection. */
export function isGated(activation: Activation): activation is 'swiglu' | 'geglu' {
  return activation === 'swiglu' || activation === 'geglu';
}

/**
 * RMS norm of queries and keys before the rotation. `per-head`: of each head, with one gain for
 * all. `full`: of all query heads at once, and of all key heads, with a gain as wide.
 */
export type QueryKeyNorm = 'none' | 'per-head' | 'full';
export const queryKeyNorms: readonly QueryKeyNorm[] = ['none', 'per-head', 'full'];

/**
 * Where the norms of a block stand: before each branch, x + f(norm(x)), after it, x + norm(f(x)),
 * or both.
 */
export type NormPlacement = 'before' | 'after' | 'both';
export const normPlacements: readonly NormPlacement[] = ['before', 'after', 'both'];

/** One block: attention is added to the residual stream, then the feed-forward network is. */
export interface BlockSpec {
  /** Undefined: the block does not rotate queries and keys. */
  rope?: RopeSpec;
  /** Tokens that a token sees: itself and those just before. Default: all before it. */
  window?: number;
  /** Default: before. */
  normPlacement?: NormPlacement;
  /** Whether both branches read the stream as it was before the block. Default false. */
  parallel?: boolean;
  /** Whether the projection to queries, keys and values has a bias. */
  qkvBias: boolean;
  queryKeyNorm: QueryKeyNorm;
  /** Whether the projection after attention has a bias. */
  outputBias: boolean;
  activation: Activation;
  /** Whether the projections of the feed-forward network have biases. */
  mlpBias: boolean;
}

/** The description of a model. validateConfig checks it. */
export interface ModelConfig {
  /**
   * The name of its family in nn/families, which decides the spelling in config.json and in files.
   */
  architecture: string;
  /** Number of tokens, and of rows of the token embedding. */
  vocabSize: number;
  /** The longest sequence, and the rows of the position table where there is one. */
  contextLength: number;
  /** Channels of the residual stream. */
  hiddenSize: number;
  /** Number of blocks. */
  layers: number;
  /** Query heads. */
  heads: number;
  /** Key and value heads. Fewer than `heads` is grouped-query attention. */
  kvHeads: number;
  /** Channels per head; heads times headDim need not be hiddenSize. */
  headDim: number;
  /** Channels inside the feed-forward network. */
  intermediateSize: number;
  /** The kind of every norm, except those of queries and keys. */
  norm: NormKind;
  /** Added to the variance or mean square in each norm. */
  normEps: number;
  /** What the gains of all RMS norms are more than their weights. Default 0. */
  normOffset?: number;
  /** Factor on the embeddings of tokens. Default 1. */
  embeddingScale?: number;
  /** Factor on the scores of attention. Default 1 / sqrt(headDim). */
  attentionScale?: number;
  /** A score s of attention counts as attentionSoftcap tanh(s / attentionSoftcap). */
  attentionSoftcap?: number;
  /** The same of logits, in losses and when sampling. */
  logitSoftcap?: number;
  /** Whether a learned vector per position is added to the token's. */
  positionTable: boolean;
  /** The blocks in turn: layer i is blocks[i % blocks.length]. */
  blocks: readonly BlockSpec[];
  /** Whether the output head is the token embedding. */
  tiedHead: boolean;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
  /** The token that begins a text, and the token that ends it, for config.json. */
  bosTokenId?: number;
  eosTokenId?: number;
}

/**
 * validateConfig refuses more layers, because a damaged or hostile config.json must not make the
 * library list billions of parameters.
 */
export const maxLayers = 10_000;

/** The description of the layer with this index, from 0. */
export function blockOf(config: ModelConfig, layer: number): BlockSpec {
  return config.blocks[layer % config.blocks.length]!;
}

/**
 * The factor on embeddings of a dtype. Where they are bf16 it is rounded to bf16, as transformers
 * does, because models of Gemma were trained so.
 */
export function embeddingScale({ embeddingScale: scale }: ModelConfig, dtype: DType): number | undefined {
  if (scale === undefined || dtype !== 'bf16') return scale;
  const bits = new Uint32Array(Float32Array.of(scale).buffer);
  const rounded = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(Uint32Array.of(rounded).buffer)[0];
}

/** A layer or norm that has a weight of this shape and perhaps a bias. */
interface WeightedPart {
  name: string;
  shape: readonly number[];
  /** A bias is as long as the output, which is the first dimension of the weight. */
  bias: boolean;
}

/** The parts of one block in the order of the forward pass. */
function blockParts(config: ModelConfig, block: BlockSpec): WeightedPart[] {
  const { hiddenSize: d, intermediateSize: f, headDim } = config;
  const attention = config.heads * headDim;
  const qkv = attention + 2 * config.kvHeads * headDim;
  const norm = (name: string) => ({ name, shape: [d], bias: config.norm === 'layer' });
  const widths = queryKeyNormWidths(config, block.queryKeyNorm);
  const { before, after } = normsOf(block);
  return [
    ...(before ? [norm('attention_norm')] : []),
    { name: 'attention.qkv', shape: [qkv, d], bias: block.qkvBias },
    ...(widths
      ? [
          { name: 'attention.query_norm', shape: [widths.query], bias: false },
          { name: 'attention.key_norm', shape: [widths.key], bias: false },
        ]
      : []),
    { name: 'attention.output', shape: [d, attention], bias: block.outputBias },
    ...(after ? [norm('attention_output_norm')] : []),
    ...(before ? [norm('mlp_norm')] : []),
    isGated(block.activation)
      ? { name: 'mlp.gate_up', shape: [2 * f, d], bias: block.mlpBias }
      : { name: 'mlp.up', shape: [f, d], bias: block.mlpBias },
    { name: 'mlp.down', shape: [d, f], bias: block.mlpBias },
    ...(after ? [norm('mlp_output_norm')] : []),
  ];
}

/** Whether a block has norms before its branches, and after them. */
export function normsOf({ normPlacement = 'before' }: BlockSpec): { before: boolean; after: boolean } {
  return { before: normPlacement !== 'after', after: normPlacement !== 'before' };
}

/** Channels of the gains of queries and of keys; undefined where they have no norm. */
export function queryKeyNormWidths(
  { heads, kvHeads, headDim }: ModelConfig,
  kind: QueryKeyNorm,
): { query: number; key: number } | undefined {
  if (kind === 'none') return undefined;
  return kind === 'per-head'
    ? { query: headDim, key: headDim }
    : { query: heads * headDim, key: kvHeads * headDim };
}

/** Rows of the matrices that one part is stacked from: queries, keys and values; gate and up. */
export function stackedRows(config: ModelConfig, part: string): number[] | undefined {
  const { heads, kvHeads, headDim, intermediateSize } = config;
  if (part === 'attention.qkv') return [heads, kvHeads, kvHeads].map((count) => count * headDim);
  if (part === 'mlp.gate_up') return [intermediateSize, intermediateSize];
  return undefined;
}

/** Every parameter of the model: its in-memory name and shape, in the order of the forward pass. */
export function parameterShapes(
  config: ModelConfig,
  head: HeadKind = 'language-model',
  labels = 1,
): Map<string, readonly number[]> {
  const { hiddenSize: d, vocabSize } = config;
  const shapes = new Map<string, readonly number[]>();
  const add = ({ name, shape, bias }: WeightedPart) => {
    shapes.set(`${name}.weight`, shape);
    if (bias) shapes.set(`${name}.bias`, shape.slice(0, 1));
  };
  shapes.set('token_embedding.weight', [vocabSize, d]);
  if (config.positionTable) shapes.set('position_embedding.weight', [config.contextLength, d]);
  for (let i = 0; i < config.layers; i++) {
    for (const part of blockParts(config, blockOf(config, i))) {
      add({ ...part, name: `blocks.${i}.${part.name}` });
    }
  }
  add({ name: 'final_norm', shape: [d], bias: config.norm === 'layer' });
  if (head === 'score') add({ name: 'score', shape: [labels, d], bias: true });
  else if (!config.tiedHead) add({ name: 'head', shape: [vocabSize, d], bias: false });
  return shapes;
}

/** Number of parameters. A tied head counts once. */
export function parameterCount(config: ModelConfig, head: HeadKind = 'language-model'): number {
  let count = 0;
  for (const shape of parameterShapes(config, head).values()) count += elements(shape);
  return count;
}

/**
 * Floating-point operations per token, averaged over a sequence of `context` tokens:
 * `6 N + 6 L H D (C + 1)` for a training step, a third of it for a forward pass, and
 * `4 N + 6 L H D (C + 1)` for a step of adapters on frozen weights.
 *
 * N counts the weights that are multiplied: every matrix of the blocks, and the output head whether
 * it is tied or not; no embeddings, norms or biases. A multiply-add is 2 operations, and the
 * backward pass is twice the forward pass. The second term is attention over L layers with H heads
 * of D channels: 4 D for each of the (C + 1) / 2 positions that a token sees on average, or fewer
 * where a layer has a window. The masked part of the square is not counted, and neither is
 * recomputation.
 */
export function flopsPerToken(
  config: ModelConfig,
  context: number,
  pass: 'training' | 'adapters' | 'forward' = 'training',
): number {
  const { hiddenSize, heads, headDim, layers } = config;
  let multiplied = config.vocabSize * hiddenSize;
  // Twice the positions that a token sees on average, over all layers.
  let seen = 0;
  for (let i = 0; i < layers; i++) {
    const block = blockOf(config, i);
    for (const { shape } of blockParts(config, block)) {
      if (shape.length === 2) multiplied += elements(shape);
    }
    // A token beyond the window does not see the ones further back.
    const unseen = Math.max(0, context - (block.window ?? context));
    seen += context + 1 - (unseen * (unseen + 1)) / context;
  }
  const [products, attention] = [2 * multiplied, 2 * heads * headDim * seen];
  // Frozen matrices have no gradient of their own, only one of their input.
  if (pass === 'adapters') return 2 * products + 3 * attention;
  return (pass === 'training' ? 3 : 1) * (products + attention);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
