/** A GGUF file as a model: its configuration, its parameters and its tokenizer. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { type ModelConfig, parameterShapes, stackedRows } from '../../nn/config.ts';
import { configFromJson, type ModelDescription } from '../../nn/config-json.ts';
import { elementCount, f32FromBf16, type ParameterData, type TensorSource } from '../tensor-data.ts';
import { type GgufFamily, ggufFamilies, ggufTrunk } from './gguf-model.ts';
import type { GgufFile } from './gguf-reader.ts';

/** The parameters of the model in a file, and what model it is. */
export interface ImportedModel {
  description: ModelDescription;
  parameters: [string, TensorSource][];
}

/**
 * Reads the model of a file. Throws ERR_FORMAT for an architecture or an option that is not
 * supported, and for tensors that do not fit the description.
 */
export function importedModel(file: GgufFile): ImportedModel {
  const fields = new Fields(file);
  const architecture = fields.text('general.architecture');
  const family = ggufFamilies[architecture];
  if (!family) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${file.path}: the architecture ${architecture} is not supported`,
      `supported: ${Object.keys(ggufFamilies).join(', ')}`,
    );
  }
  const description = configFromJson(configJson(fields, architecture, family), file.path);
  const { config } = description;
  const used = new Set<string>(['rope_freqs.weight']);
  const parameters = [...parameterShapes(config)].map(([name, shape]): [string, TensorSource] => {
    const parts = partsOf(config, family, name, shape);
    for (const { stored, size } of parts) {
      requireTensor(file, stored, size);
      used.add(stored);
    }
    const isBf16 = parts.every(
      ({ stored, isTurned }) => !isTurned && file.tensors.get(stored)!.type === 'bf16',
    );
    const data = () =>
      joined(
        parts.map((part) => readPart(file, part, config.headDim)),
        isBf16,
      );
    return [name, { dtype: isBf16 ? 'bf16' : 'f32', shape, data }];
  });
  const unknown = [...file.tensors.keys()].filter((name) => !used.has(name));
  if (unknown.length > 0) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${file.path}: ${unknown.slice(0, 5).join(', ')} are not part of a model of the family ${architecture}`,
      'the file describes another model than its architecture has here',
    );
  }
  return { description, parameters };
}

/** Reads metadata and names what is wrong. */
class Fields {
  constructor(readonly file: GgufFile) {}

  text(key: string): string {
    const value = this.file.metadata.get(key);
    if (typeof value !== 'string') this.fail(`${key} is ${value === undefined ? 'missing' : 'no text'}`);
    return value;
  }

  number(key: string, otherwise?: number): number {
    const value = this.file.metadata.get(key) ?? otherwise;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number') this.fail(`${key} is ${value === undefined ? 'missing' : 'no number'}`);
    return number;
  }

  has(key: string): boolean {
    return this.file.metadata.has(key);
  }

  fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.file.path}: ${problem}`, 'write the file again');
  }
}

/** A file has f32, where a person wrote 1e-5. */
function asWritten(value: number): number {
  return Number(value.toPrecision(7));
}

/** config.json of the same model in a Hugging Face folder. */
function configJson(fields: Fields, architecture: string, family: GgufFamily): JsonObject {
  const { file } = fields;
  const own = (key: string, otherwise?: number) => fields.number(`${architecture}.${key}`, otherwise);
  const embedding = file.tensors.get('token_embd.weight');
  if (!embedding) fields.fail('token_embd.weight is missing');
  const has = (tensor: string) => file.tensors.has(tensor);
  const heads = own('attention.head_count');
  const shared = {
    model_type: architecture,
    vocab_size: embedding.shape[0]!,
    tie_word_embeddings: !has('output.weight'),
  };
  const epsilon = asWritten(own(family.epsilon));
  if (architecture === 'gpt2') {
    return {
      ...shared,
      architectures: ['GPT2LMHeadModel'],
      n_positions: own('context_length'),
      n_embd: own('embedding_length'),
      n_layer: own('block_count'),
      n_head: heads,
      n_inner: own('feed_forward_length'),
      layer_norm_epsilon: epsilon,
    };
  }
  const theta = asWritten(own('rope.freq_base', 10_000));
  return {
    ...shared,
    max_position_embeddings: own('context_length'),
    hidden_size: own('embedding_length'),
    num_hidden_layers: own('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: own('attention.head_count_kv', heads),
    head_dim: own('attention.key_length', own('embedding_length') / heads),
    intermediate_size: own('feed_forward_length'),
    rms_norm_eps: epsilon,
    hidden_act: 'silu',
    rope_theta: theta,
    ...ropeScaling(fields, architecture),
    ...(architecture === 'smollm3' && { no_rope_layer_interval: 4 }),
    attention_bias: architecture !== 'qwen2' && has('blk.0.attn_q.bias'),
    ...(architecture === 'llama' && { mlp_bias: has('blk.0.ffn_up.bias') }),
  };
}

/** Llama 3 and its successors: the file has the divisors of the frequencies that these give. */
const llama3Factors = [8, 32];

function ropeScaling(fields: Fields, architecture: string): JsonObject {
  const { file } = fields;
  const key = `${architecture}.rope.scaling`;
  const type = fields.has(`${key}.type`) ? fields.text(`${key}.type`) : 'none';
  if (file.tensors.has('rope_freqs.weight')) return { rope_scaling: llama3Scaling(fields, architecture) };
  if (type === 'none') return {};
  const scaling: JsonObject = { rope_type: type, factor: asWritten(fields.number(`${key}.factor`)) };
  if (type === 'linear') return { rope_scaling: scaling };
  if (type !== 'yarn') fields.fail(`${key}.type ${type} is not supported`);
  const original = fields.number(`${key}.original_context_length`);
  return { rope_scaling: { ...scaling, original_max_position_embeddings: original } };
}

function llama3Scaling(fields: Fields, architecture: string): JsonObject {
  const { data } = fields.file.read('rope_freqs.weight') as { data: Float32Array };
  const theta = fields.number(`${architecture}.rope.freq_base`, 10_000);
  const [low, high, original] = [1, 4, 8192];
  const divisor = (i: number, factor: number) => {
    const wavelength = 2 * Math.PI * theta ** (i / data.length);
    const smooth = (original / wavelength - low) / (high - low);
    if (smooth >= 1) return 1;
    return smooth <= 0 ? factor : 1 / ((1 - smooth) / factor + smooth);
  };
  const factor = llama3Factors.find((candidate) =>
    data.every((value, i) => Math.abs(value / divisor(i, candidate) - 1) < 1e-4),
  );
  if (factor === undefined)
    fields.fail('rope_freqs.weight has other divisors than those of Llama 3.1 and 3.2');
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  };
}

/** Rows of a parameter, as they are stored. */
interface Part {
  stored: string;
  size: readonly number[];
  /** Whether the rows of each head are in llama.cpp's order. */
  isTurned: boolean;
}

function partsOf(config: ModelConfig, family: GgufFamily, name: string, shape: readonly number[]): Part[] {
  const [, layer, part = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  const names = [(layer === undefined ? ggufTrunk : family.block)[part] ?? []].flat();
  if (names.length === 0) throw new AthanorError('ERR_INTERNAL', `GGUF has no name for ${name}`);
  const rows = names.length === 1 ? [shape[0]!] : stackedRows(config, part)!;
  return names.map((stored, i) => ({
    stored: `${layer === undefined ? stored : `blk.${layer}.${stored}`}.${kind}`,
    size: [rows[i]!, ...shape.slice(1)],
    // Those of every layer, whether it rotates or not.
    isTurned: family.interleaved && (stored === 'attn_q' || stored === 'attn_k'),
  }));
}

function requireTensor({ tensors, path }: GgufFile, name: string, size: readonly number[]): void {
  const found = tensors.get(name)?.shape;
  if (found?.join() === size.join()) return;
  const problem = found ? `is [${found.join(', ')}] and should be [${size.join(', ')}]` : 'is missing';
  throw new AthanorError('ERR_FORMAT', `${path}: ${name} ${problem}`, 'write the file again');
}

function readPart(file: GgufFile, { stored, isTurned }: Part, headDim: number): ParameterData {
  const tensor = file.read(stored);
  return isTurned ? apart(tensor, headDim) : tensor;
}

/** Neighbours 2 i and 2 i + 1 of each head become rows i and i + headDim / 2. */
function apart({ dtype, shape, data }: ParameterData, headDim: number): ParameterData {
  const values = dtype === 'f32' ? data : f32FromBf16(data);
  const width = elementCount(shape.slice(1));
  const out = new Float32Array(values.length);
  for (let row = 0; row < shape[0]!; row++) {
    const inHead = row % headDim;
    const to = row - inHead + Math.floor(inHead / 2) + (inHead % 2) * (headDim / 2);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return { dtype: 'f32', shape, data: out };
}

function joined(parts: readonly ParameterData[], isBf16: boolean): Float32Array | Uint16Array {
  if (parts.length === 1) return floats(parts[0]!, isBf16);
  const length = parts.reduce((sum, { data }) => sum + data.length, 0);
  const out = isBf16 ? new Uint16Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(floats(part, isBf16), at);
    at += part.data.length;
  }
  return out;
}

function floats(part: ParameterData, isBf16: boolean): Float32Array | Uint16Array {
  return part.dtype === 'bf16' && !isBf16 ? f32FromBf16(part.data) : part.data;
}
