/** Randomness as a pure function: there is no state to seed or to store. */

/**
 * A 32-bit hash of two whole numbers of up to 53 bits: the finaliser of MurmurHash3, applied once
 * per 32-bit word.
 */
export function mix(a: number, b: number): number {
  let h = 0x9e3779b9;
  for (const word of [a, a / 2 ** 32, b, b / 2 ** 32]) {
    h = Math.imul(h ^ word, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 16), 0xc2b2ae35);
    h ^= h >>> 13;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 15)) >>> 0;
}
