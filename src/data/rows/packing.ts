/** Packs sequences of different lengths into bins of one size, so that little room is left. */

/**
 * Best-fit decreasing: the longest sequence comes first, and each goes into the fullest bin that
 * still has room. Returns the indices in each bin. A sequence longer than the capacity gets its own
 * bin. Among equal lengths the first comes first, so the result is a function of the arguments.
 * `O(n log n + n log capacity)`.
 */
export function bestFitPack(lengths: readonly number[], capacity: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const bins: number[][] = [];
  const byRoom = new RoomIndex(capacity);
  for (const index of order) {
    const length = lengths[index]!;
    const room = length <= capacity ? byRoom.leastAtLeast(length) : undefined;
    let bin: number;
    if (room === undefined) {
      bin = bins.length;
      bins.push([]);
      if (length < capacity) byRoom.put(capacity - length, bin);
    } else {
      bin = byRoom.take(room);
      if (room > length) byRoom.put(room - length, bin);
    }
    bins[bin]!.push(index);
  }
  return bins;
}

/**
 * Bins by the room that is left in them. A segment tree over rooms finds the
 * smallest sufficient one.
 */
class RoomIndex {
  readonly #bins: number[][];
  readonly #leaves: number;
  /** Bins below each node of the tree. */
  readonly #counts: Int32Array;

  constructor(capacity: number) {
    this.#bins = Array.from({ length: capacity + 1 }, () => []);
    this.#leaves = 2 ** Math.ceil(Math.log2(capacity + 1));
    this.#counts = new Int32Array(2 * this.#leaves);
  }

  put(room: number, bin: number): void {
    this.#bins[room]!.push(bin);
    this.#count(room, 1);
  }

  take(room: number): number {
    this.#count(room, -1);
    return this.#bins[room]!.pop()!;
  }

  #count(room: number, change: number): void {
    for (let node = room + this.#leaves; node > 0; node >>= 1) this.#counts[node]! += change;
  }

  leastAtLeast(room: number): number | undefined {
    let node = room + this.#leaves;
    if (this.#counts[node]! > 0) return room;
    // Go up until there is a bin to the right, then down to the leftmost one there.
    while (node > 1) {
      if (node % 2 === 0 && this.#counts[node + 1]! > 0) {
        node += 1;
        while (node < this.#leaves) node = this.#counts[2 * node]! > 0 ? 2 * node : 2 * node + 1;
        return node - this.#leaves;
      }
      node >>= 1;
    }
    return undefined;
  }
}
