/**
 * The types of weights in GGUF: those of tensors, and those of files, which say what type each
 * tensor has. Quantized types divide a row into blocks (native/gguf/blocks.h).
 */
import { native } from '../../native/addon.ts';
import type { GgufBlockType } from '../../native/binding/gguf.ts';
import { bf16FromF32, f32FromBf16, f32FromF16, type ParameterData } from '../tensor-data.ts';
import { f16FromF32 } from './f16.ts';

/** The types of files that Athanor writes. */
export const ggufTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const;
export type GgufType = (typeof ggufTypes)[number];

export type TensorType = 'f32' | 'f16' | 'bf16' | GgufBlockType;

/** The numbers of the types of files in the format. */
export const fileTypes: Readonly<Record<GgufType, number>> = {
  f32: 0,
  f16: 1,
  bf16: 32,
  q8_0: 7,
  q4_0: 2,
  q4_k_m: 15,
};

interface TensorTypeFacts {
  /** Its number in the format. */
  readonly number: number;
  /** Weights of one block, and its bytes. */
  readonly block: readonly [weights: number, bytes: number];
}

/** All that can be read; q4_1, q5_1 and q5_k are not written. */
export const tensorTypes: Readonly<Record<TensorType, TensorTypeFacts>> = {
  f32: { number: 0, block: [1, 4] },
  f16: { number: 1, block: [1, 2] },
  bf16: { number: 30, block: [1, 2] },
  q4_0: { number: 2, block: [32, 18] },
  q4_1: { number: 3, block: [32, 20] },
  q5_0: { number: 6, block: [32, 22] },
  q5_1: { number: 7, block: [32, 24] },
  q8_0: { number: 8, block: [32, 34] },
  q4_k: { number: 12, block: [256, 144] },
  q5_k: { number: 13, block: [256, 176] },
  q6_k: { number: 14, block: [256, 210] },
};

/** Whether rows of this length can have the type. */
export function fitsRows(type: TensorType, columns: number): boolean {
  return columns % tensorTypes[type].block[0] === 0;
}

export function byteLength(type: TensorType, elements: number): number {
  const [weights, bytes] = tensorTypes[type].block;
  return (elements / weights) * bytes;
}

/** A tensor of a file. */
export interface TypedTensor {
  /** Its name in GGUF, without the layer and the kind: `attn_v`. */
  part: string;
  shape: readonly number[];
  layer: number | undefined;
  /** Of the model. */
  layers: number;
  /** Whether the embedding is the head too. */
  isTied: boolean;
}

/**
 * The type of a tensor in a file, as llama.cpp's converter and quantizer choose it. Vectors and
 * positions are f32. Rows that have no blocks of a type get one with smaller blocks, or f16.
 */
export function tensorTypeOf(type: GgufType, tensor: TypedTensor): TensorType {
  const { shape, part } = tensor;
  if (shape.length === 1 || part === 'position_embd') return 'f32';
  const wanted = type === 'q4_k_m' ? mixedType(tensor) : type;
  const smaller: Partial<Record<TensorType, TensorType>> = { q4_k: 'q5_0', q6_k: 'q8_0' };
  const found = [wanted, smaller[wanted] ?? 'f16'].find((candidate) => fitsRows(candidate, shape[1]!));
  return found ?? 'f16';
}

/** q6_k for the head, and in some layers for what matters most; q4_k for the rest. */
function mixedType({ part, layer = 0, layers, isTied }: TypedTensor): TensorType {
  if (part === 'output' || (part === 'token_embd' && isTied)) return 'q6_k';
  const eighth = Math.floor(layers / 8);
  const isChosen = layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
  return isChosen && ['attn_v', 'attn_qkv', 'ffn_down'].includes(part) ? 'q6_k' : 'q4_k';
}

/** The bytes of a parameter in a type. bf16 weights stay as they are in bf16. */
export function encodeTensor(type: TensorType, tensor: ParameterData): Uint8Array {
  if (tensor.dtype === 'bf16' && type === 'bf16') return bytesOf(tensor.data);
  const values = tensor.dtype === 'f32' ? tensor.data : f32FromBf16(tensor.data);
  switch (type) {
    case 'f32':
      return bytesOf(values);
    case 'f16':
      return bytesOf(f16FromF32(values));
    case 'bf16':
      return bytesOf(bf16FromF32(values));
    default: {
      const blocks = new Uint8Array(byteLength(type, values.length));
      native.quantizeBlocks(type, values, blocks);
      return blocks;
    }
  }
}

/** The weights of bytes that begin a buffer. */
export function decodeTensor(type: TensorType, bytes: Uint8Array, shape: readonly number[]): ParameterData {
  switch (type) {
    case 'f32':
      return { dtype: 'f32', shape, data: new Float32Array(bytes.buffer) };
    case 'f16':
      return { dtype: 'f32', shape, data: f32FromF16(new Uint16Array(bytes.buffer)) };
    case 'bf16':
      return { dtype: 'bf16', shape, data: new Uint16Array(bytes.buffer) };
    default: {
      const [weights, size] = tensorTypes[type].block;
      const data = new Float32Array((bytes.length / size) * weights);
      native.dequantizeBlocks(type, bytes, data);
      return { dtype: 'f32', shape, data };
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength: length }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
