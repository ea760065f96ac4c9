/**
 * The tensor types of GGUF that Athanor writes. Quantized types divide a row into blocks of 32
 * weights with a scale in f16. The formulas are those of ggml's reference quantizers.
 */
import { bf16FromF32, f32FromBf16, type ParameterData } from '../tensor-data.ts';
import { f16FromF32 } from './f16.ts';

export const ggufTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0'] as const;
export type GgufType = (typeof ggufTypes)[number];

interface TensorType {
  /** Its number among the types of tensors. */
  readonly number: number;
  /** Its number as the type of most weights of a file. */
  readonly fileType: number;
  /** Weights of one block, and its bytes. */
  readonly block: readonly [weights: number, bytes: number];
  readonly encode: (values: Float32Array) => Uint8Array;
}

const QUANTIZED_BLOCK = 32;

export const tensorTypes: Readonly<Record<GgufType, TensorType>> = {
  f32: { number: 0, fileType: 0, block: [1, 4], encode: bytesOf },
  f16: { number: 1, fileType: 1, block: [1, 2], encode: (values) => bytesOf(f16FromF32(values)) },
  bf16: { number: 30, fileType: 32, block: [1, 2], encode: (values) => bytesOf(bf16FromF32(values)) },
  q8_0: { number: 8, fileType: 7, block: [QUANTIZED_BLOCK, 34], encode: encodeQ8 },
  q4_0: { number: 2, fileType: 2, block: [QUANTIZED_BLOCK, 18], encode: encodeQ4 },
};

/** Whether rows of this length can have the type. */
export function fitsRows(type: GgufType, columns: number): boolean {
  return columns % tensorTypes[type].block[0] === 0;
}

export function byteLength(type: GgufType, elements: number): number {
  const [weights, bytes] = tensorTypes[type].block;
  return (elements / weights) * bytes;
}

/** The bytes of a parameter in a type. bf16 weights stay as they are in bf16. */
export function encodeTensor(type: GgufType, tensor: ParameterData): Uint8Array {
  if (tensor.dtype === 'bf16' && type === 'bf16') return bytesOf(tensor.data);
  return tensorTypes[type].encode(tensor.dtype === 'f32' ? tensor.data : f32FromBf16(tensor.data));
}

function bytesOf({ buffer, byteOffset, byteLength: length }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** A block: the scale in f16, then 32 signed bytes. The largest weight becomes 127 or -127. */
function encodeQ8(values: Float32Array): Uint8Array {
  return inBlocks('q8_0', values, (out, at, begin) => {
    const scale = Math.fround(Math.abs(values[largestAt(values, begin)]!) / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    for (let i = 0; i < QUANTIZED_BLOCK; i++) {
      out[at + i] = roundAway(Math.fround(values[begin + i]! * inverse));
    }
    return scale;
  });
}

/**
 * A block: the scale in f16, then 16 bytes with the weights i and i + 16. The weight of the largest
 * magnitude becomes -8 times the scale.
 */
function encodeQ4(values: Float32Array): Uint8Array {
  const half = QUANTIZED_BLOCK / 2;
  return inBlocks('q4_0', values, (out, at, begin) => {
    const scale = Math.fround(values[largestAt(values, begin)]! / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    const level = (i: number) => Math.min(15, Math.trunc(Math.fround(values[begin + i]! * inverse + 8.5)));
    for (let i = 0; i < half; i++) out[at + i] = level(i) | (level(i + half) << 4);
    return scale;
  });
}

/** @param encode writes the weights of the block that begins at `begin`, and returns their scale */
function inBlocks(
  type: GgufType,
  values: Float32Array,
  encode: (out: Uint8Array, at: number, begin: number) => number,
): Uint8Array {
  const [, size] = tensorTypes[type].block;
  const blocks = values.length / QUANTIZED_BLOCK;
  const out = new Uint8Array(blocks * size);
  const scales = new Float32Array(blocks);
  for (let i = 0; i < blocks; i++) scales[i] = encode(out, i * size + 2, i * QUANTIZED_BLOCK);
  const view = new DataView(out.buffer);
  f16FromF32(scales).forEach((scale, i) => {
    view.setUint16(i * size, scale, true);
  });
  return out;
}

/** Where the weight of the largest magnitude of a block is; the first of several. */
function largestAt(values: Float32Array, begin: number): number {
  let at = begin;
  for (let i = begin + 1; i < begin + QUANTIZED_BLOCK; i++) {
    if (Math.abs(values[i]!) > Math.abs(values[at]!)) at = i;
  }
  return at;
}

/** Halves are rounded away from zero, as by C's roundf. */
function roundAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}
