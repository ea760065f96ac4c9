/** Figures of the batches of an update, which ranks share. */
import type { Communicator } from '../../comm/communicator.ts';

/**
 * The figures of all batches of an update, in their order.
 * @param figures those of this rank's batches, each of as many numbers
 * @param batches the numbers of this rank's batches
 * @param count batches of the update
 */
export async function ofAllBatches(
  communicator: Communicator,
  figures: readonly (readonly number[])[],
  batches: readonly number[],
  count: number,
): Promise<number[][]> {
  const width = figures[0]!.length;
  const flat = new Array<number>(count * width).fill(0);
  // Each batch is of one rank, and adding zeros to its figures keeps them.
  figures.forEach((values, i) => {
    flat.splice(batches[i]! * width, width, ...values);
  });
  const all = await communicator.sum(flat, 'figures of batches');
  return Array.from({ length: count }, (_, i) => all.slice(i * width, (i + 1) * width));
}
