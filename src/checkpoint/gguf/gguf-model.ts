/** A model as GGUF describes it: its tensors, and the metadata of each family. */
import { AthanorError } from '../../base/errors.ts';
import { type ModelConfig, stackedRows } from '../../nn/config.ts';
import type { ModelFolder } from '../load-model.ts';
import { elementCount, f32FromBf16, type ParameterData } from '../tensor-data.ts';
import { effectiveWindow, familyOf, type GgufFamily, ggufTrunk } from './gguf-families.ts';
import type { GgufTensor, GgufValue } from './gguf-file.ts';
import { longestContext, ropeDivisors, ropeMetadata } from './gguf-rope.ts';
import {
  byteLength,
  encodeTensor,
  fileTypes,
  type GgufType,
  tensorTypeOf,
  tensorTypes,
} from './gguf-types.ts';

type Entry = [string, GgufValue];

/** The metadata of the model. Throws as familyOf. */
export function modelMetadata(config: ModelConfig, name: string, type: GgufType): Entry[] {
  const family = familyOf(config);
  const { heads, kvHeads, headDim } = config;
  const own = (key: string, value: GgufValue): Entry => [`${family.architecture}.${key}`, value];
  return [
    ['general.architecture', { string: family.architecture }],
    ['general.type', { string: 'model' }],
    ['general.name', { string: name }],
    ['general.file_type', { u32: fileTypes[type] }],
    ['general.quantization_version', { u32: 2 }],
    own('vocab_size', { u32: config.vocabSize }),
    own('context_length', { u32: longestContext(config) }),
    own('embedding_length', { u32: config.hiddenSize }),
    own('block_count', { u32: config.layers }),
    own('feed_forward_length', { u32: config.intermediateSize }),
    own('attention.head_count', { u32: heads }),
    own('attention.head_count_kv', { u32: kvHeads }),
    own('attention.key_length', { u32: headDim }),
    own('attention.value_length', { u32: headDim }),
    own(family.epsilon, { f32: config.normEps }),
    ...ropeMetadata(config, own),
    ...optionMetadata(config, family, own),
  ];
}

function optionMetadata(
  config: ModelConfig,
  { fullEvery }: GgufFamily,
  own: (key: string, value: GgufValue) => Entry,
): Entry[] {
  const { attentionSoftcap, logitSoftcap, blocks, architecture } = config;
  const window = fullEvery === undefined ? effectiveWindow(config) : blocks.find((b) => b.window)?.window;
  return [
    ...(window === undefined ? [] : [own('attention.sliding_window', { u32: window })]),
    ...(attentionSoftcap === undefined ? [] : [own('attn_logit_softcapping', { f32: attentionSoftcap })]),
    ...(logitSoftcap === undefined ? [] : [own('final_logit_softcapping', { f32: logitSoftcap })]),
    ...(architecture === 'gpt_neox'
      ? [own('use_parallel_residual', { bool: blocks[0]!.parallel ?? false })]
      : []),
  ];
}

/** The tensors of a model folder, each read when it is written. Throws as familyOf. */
export function modelTensors(folder: ModelFolder, config: ModelConfig, type: GgufType): GgufTensor[] {
  const family = familyOf(config);
  const shapes = [...folder.shapes];
  const embedding = shapes.find(([name]) => name === 'token_embedding.weight');
  // A copy of the embedding, where llama.cpp wants a head.
  const copies = family.ownHead && config.tiedHead && embedding ? [['head.weight', embedding] as const] : [];
  const parameters = [...shapes.map((entry) => [entry[0], entry] as const), ...copies];
  return [
    ...ropeDivisors(config),
    ...parameters.flatMap(([name, [source, shape]]) => {
      const read = () => folder.read(source);
      return tensorsOf({ name, shape, read }, config, family, type);
    }),
  ];
}

interface Parameter {
  name: string;
  shape: readonly number[];
  read: () => ParameterData;
}

function tensorsOf(
  { name, shape, read }: Parameter,
  config: ModelConfig,
  family: GgufFamily,
  type: GgufType,
): GgufTensor[] {
  const { layer, kind, names, rows } = placeOf(config, family, name, shape);
  let begin = 0;
  return names.map((stored, i) => {
    const from = begin;
    begin += rows[i]!;
    const size = [rows[i]!, ...shape.slice(1)];
    const own = tensorTypeOf(type, {
      ...{ part: stored, shape: size, layers: config.layers },
      layer: layer === undefined ? undefined : Number(layer),
      isTied: config.tiedHead && !family.ownHead,
    });
    return {
      name: `${layer === undefined ? stored : `blk.${layer}.${stored}`}.${kind}`,
      shape: size,
      type: tensorTypes[own].number,
      bytes: byteLength(own, elementCount(size)),
      read: () => encodeTensor(own, inFile(config, family, stored, rowsOf(read(), from, size))),
    };
  });
}

/** Where the rows of a parameter are in a file. */
export function placeOf(config: ModelConfig, family: GgufFamily, name: string, shape: readonly number[]) {
  const [, layer, part = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  const names = [(layer === undefined ? ggufTrunk : family.block)[part] ?? []].flat();
  if (names.length === 0) throw new AthanorError('ERR_INTERNAL', `GGUF has no name for ${name}`);
  // A shorter context leaves rows of the position table out.
  const whole = part === 'position_embedding' ? config.contextLength : shape[0]!;
  const rows = names.length === 1 ? [whole] : stackedRows(config, part)!;
  return { layer, kind, names, rows };
}

function rowsOf(tensor: ParameterData, begin: number, shape: readonly number[]): ParameterData {
  const width = elementCount(shape.slice(1));
  const [from, to] = [begin * width, (begin + shape[0]!) * width];
  return tensor.dtype === 'f32'
    ? { dtype: 'f32', shape, data: tensor.data.subarray(from, to) }
    : { dtype: 'bf16', shape, data: tensor.data.subarray(from, to) };
}

/** Values as a file has them: gains whole, and rows in llama.cpp's order of the rotation. */
function inFile(
  { headDim, normOffset = 0 }: ModelConfig,
  { interleaved: isInterleaved }: GgufFamily,
  stored: string,
  tensor: ParameterData,
): ParameterData {
  if (normOffset !== 0 && stored.endsWith('norm')) return shifted(tensor, normOffset);
  return isInterleaved && (stored === 'attn_q' || stored === 'attn_k')
    ? interleaved(tensor, headDim)
    : tensor;
}

/** Every value plus an offset, in f32. */
export function shifted({ dtype, shape, data }: ParameterData, offset: number): ParameterData {
  const values = dtype === 'f32' ? data : f32FromBf16(data);
  return { dtype: 'f32', shape, data: values.map((value) => value + offset) };
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
