/** The families that llama.cpp has: its names of their tensors, and what it can hold of each. */
import { AthanorError } from '../../base/errors.ts';
import { type BlockSpec, blockOf, type ModelConfig } from '../../nn/config.ts';
import { longestContext, ropeProblem } from './gguf-rope.ts';

export interface GgufFamily {
  /** llama.cpp's name of the architecture. */
  readonly architecture: string;
  /** Parts of a block by in-memory name; a list names what the stacked part is divided into. */
  readonly block: Readonly<Record<string, string | readonly string[]>>;
  /** Whether llama.cpp rotates neighbouring values of a head, and files have the rows so. */
  readonly interleaved: boolean;
  /** The key of the epsilon of norms. */
  readonly epsilon: string;
  /** Whether files have the head also where it is the embedding. */
  readonly ownHead?: boolean;
  /** Layers have windows, except for one in so many. Undefined: no layer has one. */
  readonly fullEvery?: number;
  /** What llama.cpp does not have of a model, beside windows and rotations. */
  readonly problem?: (config: ModelConfig) => string | undefined;
}

const decoderBlock = {
  attention_norm: 'attn_norm',
  'attention.qkv': ['attn_q', 'attn_k', 'attn_v'],
  'attention.output': 'attn_output',
  'attention.query_norm': 'attn_q_norm',
  'attention.key_norm': 'attn_k_norm',
  mlp_norm: 'ffn_norm',
  'mlp.gate_up': ['ffn_gate', 'ffn_up'],
  'mlp.down': 'ffn_down',
} as const;

const fusedBlock = { ...decoderBlock, 'attention.qkv': 'attn_qkv', 'mlp.up': 'ffn_up' };
const postNorms = { attention_output_norm: 'post_attention_norm', mlp_output_norm: 'post_ffw_norm' };

const [rms, layerNorm] = ['attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'];
const llamaLike = { block: decoderBlock, epsilon: rms };

/** SmolLM3 in llama.cpp: every fourth layer does not rotate. */
const UNROTATED_EVERY = 4;

/** The parts of every trunk. */
export const ggufTrunk: Readonly<Record<string, string>> = {
  token_embedding: 'token_embd',
  position_embedding: 'position_embd',
  final_norm: 'output_norm',
  head: 'output',
};

/** By the name of Athanor's family. */
export const ggufFamilies: Readonly<Record<string, GgufFamily>> = {
  gpt2: {
    architecture: 'gpt2',
    block: fusedBlock,
    interleaved: false,
    epsilon: layerNorm,
    problem: (config) => (config.kvHeads === config.heads ? narrowHeads(config) : 'grouped heads'),
  },
  gpt_neox: {
    architecture: 'gptneox',
    block: fusedBlock,
    interleaved: false,
    epsilon: layerNorm,
    ownHead: true,
    problem: (config) =>
      config.blocks.every(({ qkvBias, outputBias }) => qkvBias && outputBias)
        ? undefined
        : 'attention without biases',
  },
  llama: { ...llamaLike, architecture: 'llama', interleaved: true },
  mistral: { ...llamaLike, architecture: 'llama', interleaved: true },
  qwen2: { ...llamaLike, architecture: 'qwen2', interleaved: false },
  qwen3: { ...llamaLike, architecture: 'qwen3', interleaved: false },
  smollm3: { ...llamaLike, architecture: 'smollm3', interleaved: true, problem: smollmProblem },
  olmo2: {
    ...llamaLike,
    architecture: 'olmo2',
    block: { ...decoderBlock, ...postNorms },
    interleaved: false,
    ownHead: true,
    problem: olmoProblem,
  },
  olmo3: {
    ...llamaLike,
    architecture: 'olmo2',
    block: { ...decoderBlock, ...postNorms },
    interleaved: false,
    ownHead: true,
    fullEvery: 4,
    problem: olmoProblem,
  },
  gemma2: {
    ...llamaLike,
    architecture: 'gemma2',
    block: { ...decoderBlock, ...postNorms },
    interleaved: false,
    fullEvery: 2,
    problem: (config) => gemma2Problem(config) ?? gemmaProblem(config, 46),
  },
  gemma3_text: {
    ...llamaLike,
    architecture: 'gemma3',
    block: { ...decoderBlock, ...postNorms },
    interleaved: false,
    fullEvery: 6,
    problem: (config) => (hasCaps(config) ? 'soft-caps' : gemmaProblem(config, 62)),
  },
  phi3: {
    ...llamaLike,
    architecture: 'phi3',
    block: { ...decoderBlock, 'attention.qkv': 'attn_qkv', 'mlp.gate_up': 'ffn_up' },
    interleaved: false,
    problem: narrowHeads,
  },
};

/** llama.cpp divides the hidden size by the heads. */
function narrowHeads({ heads, headDim, hiddenSize }: ModelConfig): string | undefined {
  return heads * headDim === hiddenSize ? undefined : 'heads that are not the hidden size together';
}

function smollmProblem(config: ModelConfig): string | undefined {
  const isPublished = layersOf(config).every(
    ({ rope }, layer) => (rope === undefined) === ((layer + 1) % UNROTATED_EVERY === 0),
  );
  return isPublished ? undefined : 'other layers than every fourth that do not rotate';
}

function olmoProblem(config: ModelConfig): string | undefined {
  return hasBiases(config) ? 'biases' : narrowHeads(config);
}

function gemma2Problem({ attentionSoftcap, logitSoftcap, tiedHead }: ModelConfig): string | undefined {
  if (attentionSoftcap === undefined || logitSoftcap === undefined) return 'no soft-caps';
  return tiedHead ? undefined : 'a head of its own';
}

/** @param wideLayers the model of this many layers divides its scores by another number */
function gemmaProblem(config: ModelConfig, wideLayers: number): string | undefined {
  const { hiddenSize, heads, headDim, layers, attentionScale = headDim ** -0.5, embeddingScale } = config;
  if (hasBiases(config)) return 'biases';
  const channels = layers === wideLayers ? Math.floor(hiddenSize / heads) : headDim;
  if (Math.abs(attentionScale * Math.sqrt(channels) - 1) > 1e-6) {
    return `a query_pre_attn_scalar other than ${channels}`;
  }
  const isScaled = Math.abs((embeddingScale ?? 1) / Math.sqrt(hiddenSize) - 1) < 1e-6;
  return isScaled ? undefined : 'another factor on its embeddings';
}

function hasCaps({ attentionSoftcap, logitSoftcap }: ModelConfig): boolean {
  return attentionSoftcap !== undefined || logitSoftcap !== undefined;
}

function hasBiases({ blocks }: ModelConfig): boolean {
  return blocks.some(({ qkvBias, outputBias, mlpBias }) => qkvBias || outputBias || mlpBias);
}

function layersOf(config: ModelConfig): BlockSpec[] {
  return Array.from({ length: config.layers }, (_, layer) => blockOf(config, layer));
}

/** The width of windows that change something in texts of the model's context. */
export function effectiveWindow(config: ModelConfig): number | undefined {
  const context = longestContext(config);
  return config.blocks.find(({ window = context }) => window < context)?.window;
}

function windowProblem(config: ModelConfig, { fullEvery }: GgufFamily): AthanorError | undefined {
  if (fullEvery !== undefined) {
    const isPublished = layersOf(config).every(
      ({ window }, layer) => (window === undefined) === ((layer + 1) % fullEvery === 0),
    );
    return isPublished
      ? undefined
      : refusal(config, `windows in other layers than all except each ${fullEvery}th`);
  }
  const window = effectiveWindow(config);
  if (window === undefined) return undefined;
  const remedy = `\`context\` ${window} writes a file for texts within the windows`;
  return refusal(config, 'sliding windows', remedy);
}

function refusal({ architecture }: ModelConfig, problem: string, remedy?: string): AthanorError {
  return new AthanorError(
    'ERR_FORMAT',
    `llama.cpp has no model of the family ${architecture} with ${problem}`,
    remedy ?? 'use the model folder with transformers or vLLM',
  );
}

/** Throws ERR_FORMAT for a model that llama.cpp has no architecture for. */
export function familyOf(config: ModelConfig): GgufFamily {
  const family = ggufFamilies[config.architecture];
  if (!family) {
    const known = `those that can be written: ${Object.keys(ggufFamilies).join(', ')}`;
    throw new AthanorError('ERR_FORMAT', `llama.cpp has no family ${config.architecture}`, known);
  }
  const windows = windowProblem(config, family);
  if (windows) throw windows;
  const problem = ropeProblem(config) ?? family.problem?.(config);
  if (problem !== undefined) throw refusal(config, problem);
  return family;
}
