/**
 * The description of a model as data. Parameters, modules, the cached decoder, floating-point
 * operations, files and config.json all follow from a ModelConfig alone.
 */

/** The head on the final norm: logits over the vocabulary, or `labels` scores per token. */
export type HeadKind = 'language-model' | 'score';

/**
 * Layer norm has a gain and a bias (Ba et al., 2016), RMS norm a gain (Zhang and Sennrich, 2019).
 */
export const normKinds = ['layer', 'rms'] as const;
export type NormKind = (typeof normKinds)[number];

/** GELU in its tanh form, or SwiGLU, whose gate and up projections are stacked in one matrix. */
export const activations = ['gelu', 'swiglu'] as const;
export type Activation = (typeof activations)[number];

/** `per-head`: RMS norm of each query and key head before the rotation, one gain for all heads. */
export const queryKeyNorms = ['none', 'per-head'] as const;
export type QueryKeyNorm = (typeof queryKeyNorms)[number];

/** Rotary positions (Su et al., 2021) on whole heads, halves paired, with this base. */
export interface RopeSpec {
  theta: number;
}

/** One pre-norm block: x + attention(norm(x)), then x + mlp(norm(x)). */
export interface BlockSpec {
  /** Undefined: the block does not rotate queries and keys. */
  rope?: RopeSpec;
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
  const headNorm = (name: string) => ({ name, shape: [headDim], bias: false });
  const hasHeadNorms = block.queryKeyNorm === 'per-head';
  return [
    norm('attention_norm'),
    { name: 'attention.qkv', shape: [qkv, d], bias: block.qkvBias },
    ...(hasHeadNorms ? [headNorm('attention.query_norm'), headNorm('attention.key_norm')] : []),
    { name: 'attention.output', shape: [d, attention], bias: block.outputBias },
    norm('mlp_norm'),
    block.activation === 'swiglu'
      ? { name: 'mlp.gate_up', shape: [2 * f, d], bias: block.mlpBias }
      : { name: 'mlp.up', shape: [f, d], bias: block.mlpBias },
    { name: 'mlp.down', shape: [d, f], bias: block.mlpBias },
  ];
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
 * `6 N + 6 L H D (C + 1)` for a training step and a third of it for a forward pass.
 *
 * N counts the weights that are multiplied: every matrix of the blocks, and the output head whether
 * it is tied or not; no embeddings, norms or biases. A multiply-add is 2 operations, and the
 * backward pass is twice the forward pass. The second term is attention over L layers with H heads
 * of D channels: 4 D for each of the (C + 1) / 2 positions that a token sees on average. The masked
 * half of the square is not counted, and neither is recomputation.
 */
export function flopsPerToken(
  config: ModelConfig,
  context: number,
  pass: 'training' | 'forward' = 'training',
): number {
  const { hiddenSize, heads, headDim, layers } = config;
  let multiplied = config.vocabSize * hiddenSize;
  for (let i = 0; i < layers; i++) {
    for (const { shape } of blockParts(config, blockOf(config, i))) {
      if (shape.length === 2) multiplied += elements(shape);
    }
  }
  const forward = 2 * multiplied + 2 * layers * heads * headDim * (context + 1);
  return pass === 'training' ? 3 * forward : forward;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
