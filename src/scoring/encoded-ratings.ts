/** Rated answers as token sequences, each with its prompt and beside another prompt, for KTO. */
import { AthanorError } from '../base/errors.ts';
import { encodeRows } from '../data/rows/encoded-rows.ts';
import { type Rating, readRatings } from '../data/rows/ratings.ts';
import { splitByPrompt } from '../data/rows/row-split.ts';
import type { ChatTemplate } from '../text/chat-template.ts';
import type { PreferenceSettings } from './encoded-comparisons.ts';
import { throughAnswer } from './score-reading.ts';
import type { ResponseSequence } from './sequences.ts';

export interface EncodedRating {
  /** The prompt with its answer, up to the end token. */
  answer: ResponseSequence;
  /**
   * The same prompt with an answer to another one. Such pairs show how far the policy has moved
   * from its reference.
   */
  mismatched: ResponseSequence;
  isGood: boolean;
}

export interface RatingData {
  train: EncodedRating[];
  validation: EncodedRating[];
  /** Reports of rows that were left out, for the user. */
  notes: string[];
}

/**
 * Reads and encodes ratings. One that is longer than the context, alone or with the answer beside
 * it, is left out. Throws as readRatings, and ERR_ARGUMENT if no row is left to train on or all
 * answers are to one prompt.
 */
export async function ratingData(
  settings: PreferenceSettings,
  template: ChatTemplate,
  context: number,
): Promise<RatingData> {
  const { rows, counts } = await readRatings(settings.data, settings);
  const others = otherAnswers(rows, settings.data);
  const paired = rows.map((rating, i) => ({ id: rating.id, rating, other: others[i]! }));
  const { validationSplit, seed } = settings;
  const split = splitByPrompt(paired, ({ rating }) => rating.prompt, validationSplit, seed);
  const options = { onBadLine: settings.onBadLine, counts };
  let left = 0;
  const encode = (side: readonly Paired[]) => {
    const { encoded, refusal } = encodeRows(side, (one) => encodePaired(one, template), options);
    if (encoded.length === 0 && side === split.train && refusal) throw refusal;
    const fitting = encoded.filter(({ answer, mismatched }) =>
      [answer, mismatched].every(({ tokens }) => tokens.length <= context),
    );
    left += encoded.length - fitting.length;
    return fitting;
  };
  const [train, validation] = [encode(split.train), encode(split.validation)];
  if (train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no rated answer of at most ${context} tokens to train on`,
      'raise `context`, or give more data',
    );
  }
  const notes = [
    counts.describe(),
    ...(left > 0 ? [`${left} ratings beyond ${context} tokens left out`] : []),
  ];
  return { train, validation, notes: notes.filter((note) => note !== '') };
}

interface Paired {
  id: string;
  rating: Rating;
  /** An answer to another prompt. */
  other: Rating;
}

function encodePaired({ rating, other }: Paired, template: ChatTemplate): EncodedRating {
  return {
    answer: encodeAnswer(rating, rating, template),
    mismatched: encodeAnswer(rating, other, template),
    isGood: rating.isGood,
  };
}

/** For each rating the next one, in the order of the rows, that answers another prompt. */
function otherAnswers(ratings: readonly Rating[], data: string): Rating[] {
  const keys = ratings.map(({ prompt }) => JSON.stringify(prompt));
  const different = keys.findIndex((key) => key !== keys[0]);
  if (different < 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `all answers of ${data} are to the same prompt`,
      'give answers to several prompts: those to another one show how far the policy has moved',
    );
  }
  const others: Rating[] = new Array(ratings.length);
  // From the end, so that runs of one prompt are passed over once.
  let next = ratings[different]!;
  for (let i = ratings.length - 1; i >= 0; --i) {
    const after = (i + 1) % ratings.length;
    if (keys[after] !== keys[i]) next = ratings[after]!;
    else if (i === ratings.length - 1) next = ratings[different]!;
    others[i] = next;
  }
  return others;
}

function encodeAnswer(
  { id, prompt, inputs }: Rating,
  { answer }: Pick<Rating, 'answer'>,
  template: ChatTemplate,
): ResponseSequence {
  const encoded = template.encodeAnswer(prompt, answer, id, inputs);
  return { prompt: 0, tokens: throughAnswer(encoded), promptLength: encoded.promptLength, finished: true };
}
