/** Joins arrays of numbers, in order, into one typed array. */

export function concatInts(parts: readonly ArrayLike<number>[]): Int32Array {
  return fill(new Int32Array(totalLength(parts)), parts);
}

export function concatFloats(parts: readonly ArrayLike<number>[]): Float32Array {
  return fill(new Float32Array(totalLength(parts)), parts);
}

function totalLength(parts: readonly ArrayLike<number>[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function fill<T extends Int32Array | Float32Array>(out: T, parts: readonly ArrayLike<number>[]): T {
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
