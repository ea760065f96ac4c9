/**
 * Calls of a user's reward function. They run in the caller's thread for a function, and in a
 * thread of their own for a file (reward-worker.ts).
 */
import { inspect } from 'node:util';
import type { JsonObject } from '../base/json.ts';

/** The function that a file for `rewardFn` exports, as `default` or as `reward`. */
export type RewardFunction = (prompt: string, response: string, row: JsonObject) => number | Promise<number>;

/** What a reward function is asked about. */
export interface Asked {
  prompt: string;
  response: string;
  row: JsonObject;
}

/** What became of one call: a finite number, or why there is none. */
export type Outcome = { reward: number } | { problem: string };

/** Is told of each call when it begins and when it is done. */
export interface CallListener {
  begin(index: number): void;
  end(index: number, outcome: Outcome): void;
}

/** Calls the function about every answer at once. Never throws and never rejects. */
export function callAll(reward: RewardFunction, asked: readonly Asked[], listener: CallListener): void {
  for (const [index, { prompt, response, row }] of asked.entries()) {
    listener.begin(index);
    const end = (outcome: Outcome) => listener.end(index, outcome);
    try {
      const result: unknown = reward(prompt, response, row);
      // A plain number is told at once, so that a later call that hangs is not taken for this one.
      if (isThenable(result)) {
        Promise.resolve(result).then(
          (value) => end(outcomeOf(value)),
          (error) => end(thrown(error)),
        );
      } else end(outcomeOf(result));
    } catch (error) {
      end(thrown(error));
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

function outcomeOf(value: unknown): Outcome {
  // Rewards are f32 numbers, of which the largest is 3.4e38.
  if (typeof value === 'number' && Number.isFinite(Math.fround(value))) return { reward: value };
  if (Number.isFinite(value)) return { problem: `returned ${value}, which 32 bits cannot hold,` };
  return { problem: `returned ${shown(value)}, not a finite number,` };
}

function thrown(error: unknown): Outcome {
  return { problem: `threw "${messageOf(error)}"` };
}

/** The message of an error of the user's code, whatever its type. */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.message);
    return typeof error === 'string' ? error : shown(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

function shown(value: unknown): string {
  return inspect(value, {
    depth: 0,
    maxStringLength: 80,
    breakLength: Number.POSITIVE_INFINITY,
    customInspect: false,
  });
}
