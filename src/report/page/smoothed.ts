import type { Column } from '../page-data.ts';

/**
 * The course of noisy values. Each point counts `keep` times as much as its neighbor on the side of
 * the point that is smoothed. It looks both ways, so it does not trail behind a falling loss; at
 * the end it only looks back. Null stays null and counts for nothing.
 *
 * @param keep from 0, which changes nothing, to below 1
 */
export function smoothed(values: Column, keep: number): Column {
  const order = [...values.keys()];
  const before = sums(values, keep, order);
  const after = sums(values, keep, order.reverse());
  return values.map((value, i) => {
    if (value === null) return null;
    const [left, right] = [before[i]!, after[i]!];
    // The point itself is in both sums.
    return (left.sum + right.sum - value) / (left.weight + right.weight - 1);
  });
}

interface Weighted {
  sum: number;
  weight: number;
}

/** Of the values up to each one, in this order. */
function sums(values: Column, keep: number, order: readonly number[]): Weighted[] {
  const found = new Array<Weighted>(values.length);
  let sum = 0;
  let weight = 0;
  for (const i of order) {
    const value = values[i] ?? null;
    sum = keep * sum + (value ?? 0);
    weight = keep * weight + (value === null ? 0 : 1);
    found[i] = { sum, weight };
  }
  return found;
}
