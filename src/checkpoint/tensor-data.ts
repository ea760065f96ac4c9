/** Tensors in JavaScript memory, on their way between files and the engine. */

/** A parameter: f32, or the bits of bf16. */
export type ParameterData =
  | { dtype: 'f32'; shape: readonly number[]; data: Float32Array }
  | { dtype: 'bf16'; shape: readonly number[]; data: Uint16Array };

/** The elements of a tensor in JavaScript, with their dtype. */
export type TensorData =
  | ParameterData
  | { dtype: 'u16'; shape: readonly number[]; data: Uint16Array }
  | { dtype: 'i32'; shape: readonly number[]; data: Int32Array }
  | { dtype: 'i64'; shape: readonly number[]; data: BigInt64Array }
  | { dtype: 'u8'; shape: readonly number[]; data: Uint8Array };

export type DataType = TensorData['dtype'];

/**
 * A tensor to write. If `data` is a function, only one tensor at a time is in memory. The function
 * may return the same buffer each time, because its values are written before the next call.
 */
export interface TensorSource {
  dtype: DataType;
  shape: readonly number[];
  data: TensorData['data'] | (() => TensorData['data']);
}

/** A tensor to write whose data may come later, for example from another rank. */
export interface LateTensorSource extends Omit<TensorSource, 'data'> {
  data: TensorSource['data'] | (() => Promise<TensorData['data']>);
}

export const bytesPerElement: Record<DataType, number> = { f32: 4, bf16: 2, u16: 2, i32: 4, i64: 8, u8: 1 };

/** Number of elements; 1 for a scalar's empty shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The data of a source that may come later. */
export async function lateSourceData({ data }: LateTensorSource): Promise<TensorData['data']> {
  return typeof data === 'function' ? data() : data;
}

export function sourceData(source: TensorSource): TensorData['data'] {
  return typeof source.data === 'function' ? source.data() : source.data;
}

/** f32 rounded to bf16: to nearest, ties to even. NaN stays NaN. */
export function bf16FromF32(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    result[i] =
      (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return result;
}

/** bf16 as f32, exactly. */
export function f32FromBf16(values: Uint16Array): Float32Array {
  const bits = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** IEEE half precision as f32, exactly. */
export function f32FromF16(values: Uint16Array): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const half = values[i]!;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    let magnitude: number;
    if (exponent === 31) magnitude = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) magnitude = fraction * 2 ** -24;
    else magnitude = (1 + fraction / 1024) * 2 ** (exponent - 15);
    result[i] = half & 0x8000 ? -magnitude : magnitude;
  }
  return result;
}

/**
 * Rows stored head by head (query, key and value of each) as all queries, all keys, all values. The
 * rows of a matrix or the elements of a bias.
 */
export function partByPart<T extends Float32Array | Uint16Array>(values: T, heads: number): T {
  return regroup(values, heads, 3);
}

/** The counterpart of partByPart. */
export function headByHead<T extends Float32Array | Uint16Array>(values: T, heads: number): T {
  return regroup(values, 3, heads);
}

/** Pieces in `outer` groups of `inner` become `inner` groups of `outer`. */
function regroup<T extends Float32Array | Uint16Array>(values: T, outer: number, inner: number): T {
  const size = values.length / (outer * inner);
  const result = values.slice() as T;
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      const from = (i * inner + j) * size;
      result.set(values.subarray(from, from + size), (j * outer + i) * size);
    }
  }
  return result;
}

/**
 * Turns [rows, columns], stored row by row, into [columns, rows]. Square tiles keep both sides
 * in the cache.
 */
export function transposed<T extends Float32Array | Uint16Array>(
  values: T,
  rows: number,
  columns: number,
): T {
  const result = (
    values instanceof Float32Array ? new Float32Array(values.length) : new Uint16Array(values.length)
  ) as T;
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(left + tile, columns);
      for (let i = top; i < bottom; i++) {
        for (let j = left; j < right; j++) result[j * rows + i] = values[i * columns + j]!;
      }
    }
  }
  return result;
}
