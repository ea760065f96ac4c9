import { AthanorError } from './errors.ts';

/** Throws ERR_ARGUMENT, with the key of each, for counts that are not positive integers. */
export function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(counts)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`${key}\` is ${value}, which is no positive integer`,
      'give a whole number of at least 1',
    );
  }
}
