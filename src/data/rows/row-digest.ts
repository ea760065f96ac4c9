/** A digest of encoded rows, so that a run is not continued with others. */
import { createHash } from 'node:crypto';

/** SHA-256 in hexadecimal of lists of numbers, in their order. */
export function rowDigest(rows: Iterable<ArrayLike<number>>): string {
  const hash = createHash('sha256');
  for (const row of rows) hash.update(Int32Array.of(row.length)).update(Int32Array.from(row));
  return hash.digest('hex');
}
