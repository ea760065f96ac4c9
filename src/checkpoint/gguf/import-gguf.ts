/** A GGUF file as a model: its configuration, its parameters and its tokenizer. */
import { AthanorError } from '../../base/errors.ts';
import { type ModelConfig, parameterShapes } from '../../nn/config.ts';
import { configFromJson, type ModelDescription } from '../../nn/config-json.ts';
import { elementCount, f32FromBf16, type ParameterData, type TensorSource } from '../tensor-data.ts';
import { type GgufFamily, ggufFamilies } from './gguf-families.ts';
import { placeOf, shifted } from './gguf-model.ts';
import type { GgufFile } from './gguf-reader.ts';
import { configOfGguf } from './import-config.ts';
import { ropeTensors } from './import-rope.ts';

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
  const description = configFromJson(configOfGguf(file), file.path);
  const { config } = description;
  const family = ggufFamilies[config.architecture]!;
  const used = new Set<string>(ropeTensors);
  const parameters = [...parameterShapes(config)].map(([name, shape]): [string, TensorSource] => {
    const parts = partsOf(config, family, name, shape);
    for (const { stored, size } of parts) {
      requireTensor(file, stored, size);
      used.add(stored);
    }
    const isBf16 = parts.every(
      ({ stored, change }) => change === undefined && file.tensors.get(stored)!.type === 'bf16',
    );
    const data = () =>
      joined(
        parts.map((part) => readPart(file, part)),
        isBf16,
      );
    return [name, { dtype: isBf16 ? 'bf16' : 'f32', shape, data }];
  });
  const unknown = [...file.tensors.keys()].filter((name) => !used.has(name));
  if (unknown.length > 0) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${file.path}: ${unknown.slice(0, 5).join(', ')} are not part of a model of the family ${config.architecture}`,
      'the file describes another model than its architecture has here',
    );
  }
  return { description, parameters };
}

/** Rows of a parameter, as they are stored. */
interface Part {
  stored: string;
  size: readonly number[];
  /** What becomes of the values, where they are not those of the parameter. */
  change: ((tensor: ParameterData) => ParameterData) | undefined;
}

function partsOf(config: ModelConfig, family: GgufFamily, name: string, shape: readonly number[]): Part[] {
  const { layer, kind, names, rows } = placeOf(config, family, name, shape);
  return names.map((stored, i) => ({
    stored: `${layer === undefined ? stored : `blk.${layer}.${stored}`}.${kind}`,
    size: [rows[i]!, ...shape.slice(1)],
    change: changeOf(config, family, stored),
  }));
}

/** The inverse of what an export does. */
function changeOf(
  { headDim, normOffset = 0 }: ModelConfig,
  family: GgufFamily,
  stored: string,
): Part['change'] {
  if (normOffset !== 0 && stored.endsWith('norm')) return (tensor) => shifted(tensor, -normOffset);
  // Those of every layer, whether it rotates or not.
  const isTurned = family.interleaved && (stored === 'attn_q' || stored === 'attn_k');
  return isTurned ? (tensor) => apart(tensor, headDim) : undefined;
}

function requireTensor({ tensors, path }: GgufFile, name: string, size: readonly number[]): void {
  const found = tensors.get(name)?.shape;
  if (found?.join() === size.join()) return;
  const problem = found ? `is [${found.join(', ')}] and should be [${size.join(', ')}]` : 'is missing';
  throw new AthanorError('ERR_FORMAT', `${path}: ${name} ${problem}`, 'write the file again');
}

function readPart(file: GgufFile, { stored, change }: Part): ParameterData {
  const tensor = file.read(stored);
  return change ? change(tensor) : tensor;
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
