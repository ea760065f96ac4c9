/** The place of this process among those that prepare a folder together. */
import { AthanorError } from '../base/errors.ts';
import type { Ranks } from '../comm/communicator.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * RANK and WORLD_SIZE, which launchers set; the only rank without them. Throws ERR_OPTION for
 * values that are no rank and size.
 */
export function dataRanks({ RANK, WORLD_SIZE }: Environment): Ranks {
  if (RANK === undefined && WORLD_SIZE === undefined) return { rank: 0, size: 1 };
  const [rank, size] = [Number(RANK || Number.NaN), Number(WORLD_SIZE || Number.NaN)];
  if (Number.isSafeInteger(rank) && Number.isSafeInteger(size) && rank >= 0 && rank < size) {
    return { rank, size };
  }
  throw new AthanorError(
    'ERR_OPTION',
    `RANK is ${RANK ?? 'not set'} and WORLD_SIZE is ${WORLD_SIZE ?? 'not set'}`,
    'set WORLD_SIZE to the number of processes and RANK to a number from 0 below it, or unset both',
  );
}
