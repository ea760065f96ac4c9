/** A matrix product written out, and the sizes that tests of products share. */
import type { Round } from './reference.ts';

/** C[i][j] = sum over k of a(i, k) b(k, j), on top of what `start` says. */
export function product(
  [m, n, k]: readonly [number, number, number],
  a: (i: number, k: number) => number,
  b: (k: number, j: number) => number,
  op: Round,
  start: (index: number) => number = () => 0,
): Float64Array {
  return new Float64Array(m * n).map((_, index) => {
    const i = Math.floor(index / n);
    const j = index % n;
    let sum = start(index);
    for (let step = 0; step < k; step++) sum = op(sum + op(a(i, step) * b(step, j)));
    return sum;
  });
}

// m, n, k: around tiles of 14, 6 and 4 rows and 32, 16 and 8 columns; k odd, and long enough
// to be cut.
export const shapes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 70, 33],
  [3, 17, 5],
  [13, 65, 31],
  [15, 31, 2],
  [29, 100, 67],
  [130, 35, 40],
];
export const longShapes: readonly (readonly [number, number, number])[] = [
  [3, 5, 4101],
  [17, 2, 2049],
];
