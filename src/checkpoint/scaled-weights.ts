/**
 * Weights in f8 with a scale for the tensor, for each row or for each block: `weight_scale_inv` of
 * DeepSeek and Qwen3, `weight_scale` of compressed-tensors. Both are factors.
 */
import { AthanorError } from '../base/errors.ts';
import type { StoredQuantization } from '../nn/quantization-config.ts';
import { f32FromBf16, f32FromF16, type ParameterData } from './tensor-data.ts';

/** Names that the scale of a weight may have. */
export function scaleNames(weight: string): string[] {
  return [`${weight}_scale_inv`, `${weight}_scale`];
}

/** Whether a tensor says how the activations of a quantized model were rounded. */
export function isActivationScale(name: string): boolean {
  return /\.(?:input|output|q|k|v)_scale$/.test(name);
}

/** Types of files with eight bits for a float. */
export const f8Types: ReadonlyMap<string, (byte: number) => number> = new Map([
  ['F8_E4M3', f32FromE4M3],
  // The upper half of IEEE's half precision.
  ['F8_E5M2', (byte) => f32FromF16(Uint16Array.of(byte << 8))[0]!],
  ['F8_E8M0', (byte) => (byte === 255 ? Number.NaN : 2 ** (byte - 127))],
]);

/** Four bits of exponent, three of fraction, no infinity: `float8_e4m3fn`. */
function f32FromE4M3(byte: number): number {
  const [exponent, fraction] = [(byte >>> 3) & 15, byte & 7];
  if (exponent === 15 && fraction === 7) return Number.NaN;
  const magnitude = exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7);
  return byte & 0x80 ? -magnitude : magnitude;
}

/** f8 as f32, exactly. */
export function f32FromF8(bytes: Uint8Array, decode: (byte: number) => number): Float32Array {
  const values = Float32Array.from({ length: 256 }, (_, byte) => decode(byte));
  return Float32Array.from(bytes, (byte) => values[byte]!);
}

/**
 * Multiplies a weight, f32 `[rows, columns]` or flat, by its scales in place. Products are rounded
 * to f32 once, as in PyTorch.
 * @param scale of shape [], [1], [rows], [rows, 1], or [blocks of rows, blocks of columns]
 * @param place of the weight, for messages; throws ERR_FORMAT for scales that do not fit
 */
export function scaleWeight(
  { shape, data }: { shape: readonly number[]; data: Float32Array },
  scale: ParameterData,
  { blocks }: StoredQuantization,
  place: string,
): void {
  const scales = scale.dtype === 'f32' ? scale.data : f32FromBf16(scale.data);
  const [rows = 1, columns = 1] = shape;
  const [high, wide] = scales.length === 1 ? [1, 1] : [scale.shape[0] ?? 1, scale.shape[1] ?? 1];
  const height = blockSize(rows, high, blocks?.[0]);
  const width = blockSize(columns, wide, blocks?.[1]);
  if (shape.length > 2 || scale.shape.length > 2 || height === undefined || width === undefined) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${place} is [${shape.join(', ')}], and scales of [${scale.shape.join(', ')}] do not fit it`,
      'the files are of different models; fetch or write the folder again',
    );
  }
  for (let i = 0, at = 0; i < rows; i++) {
    const row = Math.floor(i / height) * wide;
    for (let j = 0; j < columns; j++, at++) data[at] = data[at]! * scales[row + Math.floor(j / width)]!;
  }
}

/** Rows or columns that one of `count` scales is for. */
function blockSize(size: number, count: number, configured: number | undefined): number | undefined {
  if (count === 1) return size;
  if (configured !== undefined && Math.ceil(size / configured) === count) return configured;
  return count > 0 && size % count === 0 ? size / count : undefined;
}
