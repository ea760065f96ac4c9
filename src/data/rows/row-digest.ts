/** A digest of the rows of a run, so that a resumed run notices other rows in the same number. */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';

/** SHA-256 in hexadecimal of token sequences and texts, in their order. */
export function rowDigest(parts: Iterable<Int32Array | string>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(Int32Array.of(part.length)).update(part);
  return hash.digest('hex');
}

/**
 * Throws ERR_MISMATCH when a run had other rows.
 * @param saved of a checkpoint; older ones have none
 */
export function requireSameRows(saved: JsonValue | undefined, now: string | undefined): void {
  if (saved === undefined || saved === now) return;
  throw otherRows('the run had other rows, or settings that read them in another way');
}

/** The error of a run that is resumed with other rows. */
export function otherRows(problem: string): AthanorError {
  return new AthanorError('ERR_MISMATCH', problem, 'resume with the data that it was started with');
}
