/** The settings of making rows from feedback, with their defaults. */
import { AthanorError } from '../../base/errors.ts';

export interface FeedbackRowSettings {
  /** Share of senders and of prompts that are held out. 0: nothing is. */
  heldOut: number;
  /** Share of the votes on a pair or an answer that the winning side needs. Ties count half. */
  agreement: number;
  /** Votes that every sender may have, whatever the others have. */
  floodLeast: number;
  /** A sender's votes count up to this many times those of the median sender. */
  floodFactor: number;
  /** A sender's votes also count up to this share of all votes. */
  floodShare: number;
  /** Clients whose number of votes has no limit, such as paid raters. */
  trust: readonly string[];
  /**
   * Votes that a sender shares with others before it can be found unreliable: most of them
   * are against the majority.
   */
  unreliableLeast: number;
  /** Share of common parts of five characters from which two rows count as the same. 1: equal. */
  nearDuplicate: number;
  /** The answer that safety rows teach for a prompt that broke through. */
  refusal: string;
  /** Seed of the choice of what is held out. */
  seed: number;
}

/** The defaults of FeedbackRowSettings. */
export const feedbackRowDefaults: FeedbackRowSettings = {
  heldOut: 0,
  agreement: 0.6,
  floodLeast: 20,
  floodFactor: 2,
  floodShare: 0.1,
  trust: [],
  unreliableLeast: 10,
  nearDuplicate: 0.95,
  refusal: "I can't help with that.",
  seed: 0,
};

const SHARES: Partial<Record<keyof FeedbackRowSettings, readonly [number, number]>> = {
  heldOut: [0, 0.9],
  agreement: [0.5, 1],
  floodShare: [0, 0.9],
  nearDuplicate: [0.5, 1],
};

/** Throws ERR_ARGUMENT that names a setting out of range. */
export function checkRowSettings(settings: FeedbackRowSettings): void {
  for (const [name, [low, high]] of Object.entries(SHARES) as [
    keyof FeedbackRowSettings,
    [number, number],
  ][]) {
    const value = settings[name] as number;
    if (value >= low && value <= high) continue;
    throw new AthanorError('ERR_ARGUMENT', `\`${name}\` must be from ${low} to ${high}, not ${value}`);
  }
  for (const name of ['floodLeast', 'unreliableLeast', 'floodFactor'] as const) {
    if (settings[name] >= 1) continue;
    throw new AthanorError('ERR_ARGUMENT', `\`${name}\` must be at least 1, not ${settings[name]}`);
  }
  if (!Number.isSafeInteger(settings.seed) || settings.seed < 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`seed\` must be a whole number of at least 0, not ${settings.seed}`,
    );
  }
  if (!/\S/.test(settings.refusal)) throw new AthanorError('ERR_ARGUMENT', '`refusal` is empty');
}
