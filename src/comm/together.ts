/** Work that all ranks of a run do, of which they learn together whether it went well. */
import { setTimeout as delay } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import type { Communicator } from './communicator.ts';

/** Said by a rank that is still at work, well before the time limit of an operation. */
const BUSY = 'busy';
const BUSY_MS = 20_000;

type Outcome<T> = { value: T } | { error: unknown };

/**
 * Runs body on every rank, which may take any time. When it throws on a rank, that rank throws its
 * error and the others throw ERR_RANK_FAILED with the rank and its message.
 * @param what for messages, such as 'the responses'
 */
export async function together<T>(
  communicator: Communicator,
  what: string,
  body: () => T | Promise<T>,
): Promise<T> {
  if (communicator.size === 1) return body();
  const work = outcomeOf(body);
  const failures = await failuresOf(communicator, what, work);
  const outcome = await work;
  if ('error' in outcome) throw outcome.error;
  const other = failures.findIndex((text) => text !== '');
  if (other < 0) return outcome.value;
  throw new AthanorError('ERR_RANK_FAILED', `${what}: rank ${other} ${failures[other]}`, 'see its error');
}

/** Runs body on the main rank, then on the others, which may use what it has written. */
export async function mainFirst<T>(
  communicator: Communicator,
  what: string,
  body: () => T | Promise<T>,
): Promise<T> {
  const isMain = communicator.rank === 0;
  const first = await together(communicator, what, () => (isMain ? body() : undefined));
  if (communicator.size === 1) return first as T;
  const second = await together(communicator, what, () => (isMain ? undefined : body()));
  return (isMain ? first : second) as T;
}

async function outcomeOf<T>(body: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await body() };
  } catch (error) {
    return { error };
  }
}

/** What the ranks that failed say of it, by rank; empty for the others. */
async function failuresOf<T>(
  communicator: Communicator,
  what: string,
  work: Promise<Outcome<T>>,
): Promise<string[]> {
  for (;;) {
    const stop = new AbortController();
    const wait = delay(BUSY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    const outcome = await Promise.race([work, wait]);
    stop.abort();
    const own =
      outcome === undefined ? BUSY : 'error' in outcome ? `failed: ${messageOf(outcome.error)}` : '';
    const texts = await communicator.gatherText(own, what);
    if (!texts.includes(BUSY)) return texts;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
