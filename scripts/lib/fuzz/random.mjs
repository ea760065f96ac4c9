/** Random numbers that depend on nothing but their seeds. */
import { createHash } from 'node:crypto';

/** A generator for these seeds, e.g. (1, 'rows', 17). */
export function randomOf(...seeds) {
  const digest = createHash('sha256').update(seeds.join('\0')).digest();
  // xoshiro128**
  const s = new Uint32Array(digest.buffer, digest.byteOffset, 4).slice();
  const rotate = (x, k) => (x << k) | (x >>> (32 - k));
  const next = () => {
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result / 2 ** 32;
  };
  return {
    next,
    /** A whole number from 0 to below `end`. */
    below: (end) => Math.floor(next() * end),
    chance: (share) => next() < share,
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}
