/** A model as GGUF describes it: the names of tensors and the metadata of each family. */
import { AthanorError } from '../../base/errors.ts';
import { blockOf, type ModelConfig, stackedRows } from '../../nn/config.ts';
import { type RopeSpec, ropeFactors } from '../../nn/rope.ts';
import type { ModelFolder } from '../load-model.ts';
import { elementCount, f32FromBf16, type ParameterData } from '../tensor-data.ts';
import type { GgufTensor, GgufValue } from './gguf-file.ts';
import { byteLength, encodeTensor, fitsRows, type GgufType, tensorTypes } from './gguf-types.ts';

export interface GgufFamily {
  /** Parts of a block by in-memory name; a list names what the stacked part is divided into. */
  readonly block: Readonly<Record<string, string | readonly string[]>>;
  /** Whether llama.cpp rotates neighbouring values of a head, and files have the rows so. */
  readonly interleaved: boolean;
  /** The key of the epsilon of norms. */
  readonly epsilon: string;
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

const rms = 'attention.layer_norm_rms_epsilon';

/** By the architecture of llama.cpp, whose names are those of Athanor's families. */
export const ggufFamilies: Readonly<Record<string, GgufFamily>> = {
  gpt2: {
    block: { ...decoderBlock, 'attention.qkv': 'attn_qkv', 'mlp.up': 'ffn_up' },
    interleaved: false,
    epsilon: 'attention.layer_norm_epsilon',
  },
  llama: { block: decoderBlock, interleaved: true, epsilon: rms },
  qwen2: { block: decoderBlock, interleaved: false, epsilon: rms },
  qwen3: { block: decoderBlock, interleaved: false, epsilon: rms },
  smollm3: { block: decoderBlock, interleaved: true, epsilon: rms },
};

export const ggufTrunk: Readonly<Record<string, string>> = {
  token_embedding: 'token_embd',
  position_embedding: 'position_embd',
  final_norm: 'output_norm',
  head: 'output',
};

/** SmolLM3 in llama.cpp: every fourth layer does not rotate. */
const UNROTATED_EVERY = 4;

/** Throws ERR_FORMAT for a model that llama.cpp has no architecture for. */
function familyOf(config: ModelConfig): GgufFamily {
  const { architecture, layers, heads, kvHeads, headDim, hiddenSize } = config;
  const family = ggufFamilies[architecture];
  const fail = (problem: string) =>
    new AthanorError(
      'ERR_FORMAT',
      `GGUF has no architecture for ${problem}`,
      `those that can be written: ${Object.keys(ggufFamilies).join(', ')}`,
    );
  if (!family) throw fail(`the family ${architecture}`);
  if (architecture === 'smollm3') {
    const isPublished = Array.from({ length: layers }, (_, i) => i).every(
      (layer) => (blockOf(config, layer).rope === undefined) === ((layer + 1) % UNROTATED_EVERY === 0),
    );
    if (!isPublished) throw fail('a SmolLM3 in which other layers than every fourth do not rotate');
  }
  const windowed = config.blocks.some(({ window }) => window !== undefined);
  if (windowed) throw fail(`sliding windows in the family ${architecture}`);
  for (const { rope } of config.blocks) {
    if (rope && !isWritable(rope)) {
      throw fail(`rotary positions of type ${rope.scaling?.type ?? 'default'} with these settings`);
    }
  }
  if (architecture === 'gpt2' && (kvHeads !== heads || headDim * heads !== hiddenSize)) {
    throw fail('a GPT-2 with grouped heads');
  }
  return family;
}

/** llama.cpp has one set of YaRN's settings, and LongRoPE for Phi-3 alone. */
function isWritable({ width, scaling }: RopeSpec): boolean {
  if (width !== undefined || scaling?.type === 'longrope') return false;
  if (scaling?.type !== 'yarn') return true;
  const { fast, slow, truncate, magnitude, scales } = scaling;
  return fast === 32 && slow === 1 && truncate && magnitude === undefined && scales === undefined;
}

function ropeMetadata(
  rope: RopeSpec | undefined,
  headDim: number,
  own: (key: string, value: GgufValue) => [string, GgufValue],
): [string, GgufValue][] {
  if (!rope) return [];
  const { theta, scaling } = rope;
  const base = [own('rope.dimension_count', { u32: headDim }), own('rope.freq_base', { f32: theta })];
  if (scaling?.type !== 'linear' && scaling?.type !== 'yarn') return base;
  const original = scaling.type === 'yarn' ? scaling.originalContext : undefined;
  return [
    ...base,
    own('rope.scaling.type', { string: scaling.type }),
    own('rope.scaling.factor', { f32: scaling.factor }),
    ...(original === undefined ? [] : [own('rope.scaling.original_context_length', { u32: original })]),
  ];
}

/** Llama 3.1's divisors of the frequencies are a tensor. */
function ropeDivisors(config: ModelConfig): GgufTensor[] {
  const rope = config.blocks.find((block) => block.rope)?.rope;
  if (rope?.scaling?.type !== 'llama3') return [];
  const { frequencies } = ropeFactors(rope, config.headDim, config.contextLength);
  const data = Float32Array.from(frequencies!, (factor) => 1 / factor);
  const shape = [data.length];
  const read = () => encodeTensor('f32', { dtype: 'f32', shape, data });
  const bytes = byteLength('f32', data.length);
  return [{ name: 'rope_freqs.weight', shape, type: tensorTypes.f32.number, bytes, read }];
}

/** The metadata of the model. Throws as familyOf. */
export function modelMetadata(config: ModelConfig, name: string, type: GgufType): [string, GgufValue][] {
  const family = familyOf(config);
  const { architecture, heads, kvHeads, headDim } = config;
  const own = (key: string, value: GgufValue): [string, GgufValue] => [`${architecture}.${key}`, value];
  const rope = config.blocks.find((block) => block.rope)?.rope;
  return [
    ['general.architecture', { string: architecture }],
    ['general.type', { string: 'model' }],
    ['general.name', { string: name }],
    ['general.file_type', { u32: tensorTypes[type].fileType }],
    ['general.quantization_version', { u32: 2 }],
    own('vocab_size', { u32: config.vocabSize }),
    own('context_length', { u32: config.contextLength }),
    own('embedding_length', { u32: config.hiddenSize }),
    own('block_count', { u32: config.layers }),
    own('feed_forward_length', { u32: config.intermediateSize }),
    own('attention.head_count', { u32: heads }),
    own('attention.head_count_kv', { u32: kvHeads }),
    own('attention.key_length', { u32: headDim }),
    own('attention.value_length', { u32: headDim }),
    own(family.epsilon, { f32: config.normEps }),
    ...ropeMetadata(rope, headDim, own),
  ];
}

/** The tensors of a model folder, each read when it is written. Throws as familyOf. */
export function modelTensors(folder: ModelFolder, type: GgufType): GgufTensor[] {
  const { config } = folder.description;
  const family = familyOf(config);
  const weights = [...folder.shapes].flatMap(([name, shape]) => {
    const [, layer, part = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    const names = [(layer === undefined ? ggufTrunk : family.block)[part] ?? []].flat();
    if (names.length === 0) throw new AthanorError('ERR_INTERNAL', `GGUF has no name for ${name}`);
    const rows = names.length === 1 ? [shape[0]!] : stackedRows(config, part)!;
    let begin = 0;
    return names.map((stored, i) => {
      const from = begin;
      begin += rows[i]!;
      const place = layer === undefined ? stored : `blk.${layer}.${stored}`;
      const isTurned = family.interleaved && (stored === 'attn_q' || stored === 'attn_k');
      const size = [rows[i]!, ...shape.slice(1)];
      const own = typeOf(type, size, part);
      const read = () => {
        const slice = rowsOf(folder.read(name), from, size);
        return encodeTensor(own, isTurned ? interleaved(slice, config.headDim) : slice);
      };
      const bytes = byteLength(own, elementCount(size));
      return { name: `${place}.${kind}`, shape: size, type: tensorTypes[own].number, bytes, read };
    });
  });
  return [...ropeDivisors(config), ...weights];
}

/** As llama.cpp's converter: vectors and positions in f32, and f16 for rows that have no blocks. */
function typeOf(type: GgufType, shape: readonly number[], part: string): GgufType {
  if (shape.length === 1 || part === 'position_embedding') return 'f32';
  return fitsRows(type, shape[1]!) ? type : 'f16';
}

function rowsOf(tensor: ParameterData, begin: number, shape: readonly number[]): ParameterData {
  const width = elementCount(shape.slice(1));
  const [from, to] = [begin * width, (begin + shape[0]!) * width];
  return tensor.dtype === 'f32'
    ? { dtype: 'f32', shape, data: tensor.data.subarray(from, to) }
    : { dtype: 'bf16', shape, data: tensor.data.subarray(from, to) };
}

/** Row i and row i + headDim / 2 of each head become neighbours. */
function interleaved({ dtype, shape, data }: ParameterData, headDim: number): ParameterData {
  const values = dtype === 'f32' ? data : f32FromBf16(data);
  const width = elementCount(shape.slice(1));
  const out = new Float32Array(values.length);
  const half = headDim / 2;
  for (let row = 0; row < shape[0]!; row++) {
    const inHead = row % headDim;
    const to = row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return { dtype: 'f32', shape, data: out };
}
