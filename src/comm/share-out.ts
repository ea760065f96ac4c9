/** Measurements that ranks share, such as an evaluation. */
import type { Communicator } from './communicator.ts';

/**
 * Calls `measure` for each item on one of the ranks. Every rank gets the numbers of all items, in
 * their order, so sums over them have the same bits on any number of ranks.
 * @param items the same on every rank
 */
export async function shareOut<Item>(
  communicator: Communicator,
  items: Iterable<Item>,
  measure: (item: Item) => readonly number[] | Promise<readonly number[]>,
): Promise<number[][]> {
  const { rank, size } = communicator;
  const own: number[][] = [];
  let count = 0;
  for (const item of items) {
    if (count % size === rank) own.push([...(await measure(item))]);
    count += 1;
  }
  if (size === 1) return own;
  const packed = own.flatMap((row) => [row.length, ...row]);
  const rows = (await communicator.gather(packed, 'measurements')).map(unpacked);
  return Array.from({ length: count }, (_, i) => rows[i % size]![Math.floor(i / size)]!);
}

function unpacked(numbers: readonly number[]): number[][] {
  const rows: number[][] = [];
  for (let at = 0; at < numbers.length; at += 1 + numbers[at]!) {
    rows.push(numbers.slice(at + 1, at + 1 + numbers[at]!));
  }
  return rows;
}
