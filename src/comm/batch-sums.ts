/**
 * The order in which the gradients of an update's batches are summed: a tree over the batch number.
 * A node is the sum of its two halves, so batches 0 to 6 sum to ((0+1)+(2+3))+((4+5)+6). A rank
 * that has a run of batches in a row sums the subtrees inside it. Whoever adds the rest gets the
 * same bits for any number of ranks.
 */
import { AthanorError } from '../base/errors.ts';

/** The sum of the batches `first` to `first + count - 1`, where `count` is a power of two. */
export interface BatchSum<Value> {
  first: number;
  count: number;
  value: Value;
}

/** Numbers from `begin` up to and without `end`. */
export interface Run {
  begin: number;
  end: number;
}

/** Throws ERR_OPTION unless each rank gets a batch. */
export function checkBatches(batches: number, ranks: number): void {
  if (batches >= ranks) return;
  throw new AthanorError(
    'ERR_OPTION',
    `an update has ${batches} ${batches === 1 ? 'batch' : 'batches'}, too few for ${ranks} ranks`,
    `give \`gradAccum\` ${ranks} or more, or start fewer ranks`,
  );
}

/** The batches of an update that a rank takes, where each takes a run of them. */
export function batchesOfRank(batches: number, rank: number, ranks: number): Run {
  const bound = (place: number) => Math.floor((place * batches) / ranks);
  return { begin: bound(rank), end: bound(rank + 1) };
}

/**
 * The batches of an update that a rank takes, where the ranks take turns. The batches of one round
 * follow each other, so their sums need little memory before those of the next round come.
 */
export function batchesInTurn(batches: number, rank: number, ranks: number): number[] {
  return Array.from({ length: Math.ceil((batches - rank) / ranks) }, (_, round) => round * ranks + rank);
}

/** Returns the sum of two values, which it may reuse or free. */
export type Add<Value> = (left: Value, right: Value) => Value;

/** Appends the next batch of a rank, and adds up subtrees as they become complete. */
export function appendBatch<Value>(
  sums: BatchSum<Value>[],
  batch: number,
  value: Value,
  add: Add<Value>,
): void {
  sums.push({ first: batch, count: 1, value });
  for (;;) {
    const [left, right] = [sums.at(-2), sums.at(-1)!];
    const isPair = left?.count === right.count && left.first % (2 * left.count) === 0;
    if (!left || !isPair) return;
    left.value = add(left.value, right.value);
    left.count *= 2;
    sums.pop();
  }
}

/** The subtrees that a rank is left with after its run of batches. */
export function subtreesOf({ begin, end }: Run): BatchSum<undefined>[] {
  const sums: BatchSum<undefined>[] = [];
  for (let batch = begin; batch < end; ++batch) appendBatch(sums, batch, undefined, () => undefined);
  return sums;
}

/** The sum of all batches, from the subtrees of all ranks. */
export function totalOf<Value>(sums: readonly BatchSum<Value>[], add: Add<Value>): Value | undefined {
  const visit = (first: number, count: number): { value: Value } | undefined => {
    const whole = sums.find((sum) => sum.first === first && sum.count === count);
    if (whole || count === 1) return whole;
    const [left, right] = [visit(first, count / 2), visit(first + count / 2, count / 2)];
    return left && right ? { value: add(left.value, right.value) } : (left ?? right);
  };
  const end = Math.max(...sums.map(({ first, count }) => first + count));
  return visit(0, 2 ** Math.ceil(Math.log2(end)))?.value;
}
