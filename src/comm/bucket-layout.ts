/**
 * Where the gradients of parameters lie in flat buckets, and which elements each rank owns. A
 * bucket has one part of equal size per rank. A rank's run of a parameter begins at a multiple of
 * CHUNK elements of that parameter: AdamW rounds and sums squares chunk by chunk, so the bits do
 * not depend on the number of ranks.
 */
import type { DType } from '../native/binding.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Run } from './batch-sums.ts';

/** Elements of a chunk, as in native/kernels/optimizer.h. */
export const CHUNK = 4096;
/** In elements. A gradient begins at a multiple of 256 bytes, like any allocation on a GPU. */
const ALIGNMENT = 64;

/** A parameter in its bucket. */
export interface Placed {
  parameter: Tensor;
  /** The element of the bucket with which it begins. */
  begin: number;
}

/** One bucket: parameters of one dtype. */
export interface BucketLayout {
  placed: Placed[];
  dtype: DType;
  /** What its parameters have in common (kindOf). */
  kind: string;
  /** Elements of each rank's part. */
  partSize: number;
}

/** Buckets of one kind are filled one after another. */
interface OpenBucket {
  dtype: DType;
  kind: string;
  placed: Placed[];
  size: number;
  /** The place of its last parameter among all. */
  last: number;
}

/**
 * Fills one bucket after another, up to the limit. Parameters that train in another dtype have
 * buckets of their own, since updated parameters travel in the same layout. So have those that are
 * smaller than a chunk: matrices alone divide well among ranks. A bucket comes after those whose
 * parameters all come before its last one.
 * @param limit the most elements; a larger parameter has a bucket of its own
 */
export function layoutOf(parameters: readonly Tensor[], limit: number, ranks: number): BucketLayout[] {
  const chunk = ranks === 1 ? ALIGNMENT : CHUNK;
  const buckets: OpenBucket[] = [];
  const open = new Map<string, OpenBucket>();
  parameters.forEach((parameter, last) => {
    const { dtype, size } = parameter;
    const kind = kindOf(parameter, ranks);
    let bucket = open.get(kind);
    let begin = bucket ? placeOf(bucket.size, size, chunk) : 0;
    if (!bucket || begin + roundUp(size, ALIGNMENT) > limit) {
      bucket = { dtype, kind, placed: [], size: 0, last };
      begin = 0;
      open.set(kind, bucket);
      buckets.push(bucket);
    }
    bucket.placed.push({ parameter, begin });
    bucket.size = begin + roundUp(size, ALIGNMENT);
    bucket.last = last;
  });
  return buckets
    .sort((a, b) => a.last - b.last)
    .map(({ dtype, kind, placed, size }) => {
      const partSize = roundUp(Math.ceil(size / ranks), chunk);
      return { dtype, kind, placed, partSize };
    });
}

/** Parameters of one kind share buckets. */
function kindOf({ dtype, size }: Tensor, ranks: number): string {
  return ranks > 1 && size < CHUNK ? `small ${dtype}` : dtype;
}

/** A parameter lies within one chunk of the bucket, or begins with one. */
function placeOf(at: number, size: number, chunk: number): number {
  const left = roundUp(at, chunk) - at;
  return size <= left ? at : at + left;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The elements of a parameter that a rank owns; begin equals end where there are none. */
export function ownedRun({ partSize }: BucketLayout, { parameter, begin }: Placed, rank: number): Run {
  const clamp = (place: number) => Math.min(Math.max(place - begin, 0), parameter.size);
  return { begin: clamp(rank * partSize), end: clamp((rank + 1) * partSize) };
}
