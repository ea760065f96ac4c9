/**
 * Comparisons of answers as token sequences, for the reward model and for DPO: reading,
 * encoding and batching.
 */

import { AthanorError } from '../base/errors.ts';
import { type Comparison, type RankedPair, rankedPairs, readComparisons } from '../data/rows/comparisons.ts';
import { encodeRows } from '../data/rows/encoded-rows.ts';
import { splitByPrompt } from '../data/rows/row-split.ts';
import type { RowOptions } from '../data/rows/rows.ts';
import type { ScoreReading } from '../nn/scoring-model.ts';
import type { ChatTemplate } from '../text/chat-template.ts';
import { readDialogue, throughAnswer } from './score-reading.ts';
import type { ResponseSequence } from './sequences.ts';

export interface EncodedComparison {
  /**
   * The prompt with each of its completions, up to the end token; for a reward model up to the
   * token that it scores.
   */
  answers: ResponseSequence[];
  /** Indices into `answers`, the better one first. */
  pairs: readonly RankedPair[];
  /** Lead that the better answer should have; 0 if the data does not say. */
  margin: number;
}

export interface PreferenceSettings extends RowOptions {
  data: string;
  seed: number;
  /** Share of prompts that are held out. */
  validationSplit: number;
  onBadLine: 'skip' | 'fail';
}

export interface PreferenceData {
  train: EncodedComparison[];
  validation: EncodedComparison[];
  /** Reports of rows that were left out, for the user. */
  notes: string[];
}

/**
 * Reads and encodes comparisons. A comparison with an answer longer than the context is left out,
 * because two answers may be equal after the cut. Throws as readComparisons, and ERR_ARGUMENT if no
 * row is left to train on.
 * @param reading of the reward model that scores the answers
 */
export async function preferenceData(
  settings: PreferenceSettings,
  template: ChatTemplate,
  context: number,
  reading?: ScoreReading,
): Promise<PreferenceData> {
  const { rows, counts } = await readComparisons(settings.data, settings);
  const split = splitByPrompt(rows, ({ prompt }) => prompt, settings.validationSplit, settings.seed);
  let [tooLong, same] = [0, 0];
  const options = { onBadLine: settings.onBadLine, counts };
  const encode = (comparisons: readonly Comparison[]) => {
    const one = (comparison: Comparison) => encodeComparison(comparison, template, reading);
    const { encoded, refusal } = encodeRows(comparisons, one, options);
    if (encoded.length === 0 && comparisons === split.train && refusal) throw refusal;
    const fitting = encoded.filter(({ answers }) => answers.every(({ tokens }) => tokens.length <= context));
    tooLong += encoded.length - fitting.length;
    return fitting.flatMap((comparison) => {
      const pairs = comparison.pairs.filter((pair) => isDifferent(comparison.answers, pair));
      same += comparison.pairs.length - pairs.length;
      return pairs.length > 0 ? [{ ...comparison, pairs }] : [];
    });
  };
  const [train, validation] = [encode(split.train), encode(split.validation)];
  if (train.length === 0 && same > 0 && tooLong === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no comparison to train on: the chat template gives both answers of a pair the same tokens`,
      'give answers that still differ once the template has rendered them',
    );
  }
  if (train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no comparison of at most ${context} tokens to train on`,
      'raise `context`, or give more data',
    );
  }
  const notes = [counts.describe()];
  if (tooLong > 0) notes.push(`${tooLong} comparisons with answers beyond ${context} tokens left out`);
  if (same > 0) notes.push(`${same} pairs left out: the chat template gives both answers the same tokens`);
  return { train, validation, notes: notes.filter((note) => note !== '') };
}

function isDifferent(answers: readonly ResponseSequence[], [better, worse]: RankedPair): boolean {
  const [one, other] = [answers[better]!.tokens, answers[worse]!.tokens];
  return one.length !== other.length || one.some((id, i) => id !== other[i]);
}

/**
 * An answer ends with its end token: text of the template behind it is dropped. With `reading` it
 * ends with the token that the reward model scores.
 */
export function encodeComparison(
  comparison: Comparison,
  template: ChatTemplate,
  reading?: ScoreReading,
): EncodedComparison {
  const { id, prompt, inputs } = comparison;
  const answers = comparison.completions.map((content, i): ResponseSequence => {
    const fields = comparison.completionFields?.[i];
    const answer = { role: 'assistant', content, ...(fields && { fields }) };
    const encoded = template.encodeAnswer(prompt, answer, id, inputs);
    const tokens = reading ? readDialogue(encoded, reading) : throughAnswer(encoded);
    return { prompt: i, tokens, promptLength: encoded.promptLength, finished: true };
  });
  return { answers, pairs: rankedPairs(comparison), margin: comparison.margin ?? 0 };
}

/**
 * Several comparisons as one batch: all answers, and for each pair two indices into them (the
 * better one first), a weight and a margin.
 */
export function comparisonBatch(comparisons: readonly EncodedComparison[]) {
  const answers: ResponseSequence[] = [];
  const pairs: number[] = [];
  const weights: number[] = [];
  const margins: number[] = [];
  for (const comparison of comparisons) {
    for (const [better, worse] of comparison.pairs) {
      pairs.push(answers.length + better, answers.length + worse);
      // Each comparison has the same weight, whatever its number of pairs.
      weights.push(1 / comparison.pairs.length);
      margins.push(comparison.margin);
    }
    answers.push(...comparison.answers);
  }
  return { answers, pairs, weights, margins };
}

/** Number of tokens of all answers of a comparison. The prompt counts once per answer. */
export function comparisonTokens({ answers }: EncodedComparison): number {
  return answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
