/** Comparisons as token sequences, for the reward model and for DPO. */

import { AthanorError } from '../base/errors.ts';
import { type Comparison, type RankedPair, rankedPairs, readComparisons } from '../data/rows/comparisons.ts';
import { splitByPrompt } from '../data/rows/row-split.ts';
import type { ChatTemplate } from '../text/chat-template.ts';
import type { Episode } from './episode.ts';

export interface EncodedComparison {
  /** Prompt and completion each, the completion up to and with the token that ends it. */
  answers: Episode[];
  pairs: readonly RankedPair[];
  /** By how much the better should lead, of comparisons that say so. */
  margin: number;
}

export interface PreferenceSettings {
  data: string;
  seed: number;
  /** Share of prompts that validate. */
  validationSplit: number;
  onBadLine: 'skip' | 'fail';
}

export interface PreferenceData {
  train: EncodedComparison[];
  validation: EncodedComparison[];
  /** What was left out, for the user. */
  notes: string[];
}

/** Reads and encodes; a comparison with an answer beyond the context is left out, since two cut answers can be the same. */
export async function preferenceData(
  settings: PreferenceSettings,
  template: ChatTemplate,
  context: number,
): Promise<PreferenceData> {
  const { rows, counts } = await readComparisons(settings.data, settings);
  const split = splitByPrompt(rows, ({ prompt }) => prompt, settings.validationSplit, settings.seed);
  let tooLong = 0;
  const encode = (comparisons: readonly Comparison[]) =>
    comparisons.flatMap((comparison) => {
      const encoded = encodeComparison(comparison, template);
      if (encoded.answers.every(({ tokens }) => tokens.length <= context)) return [encoded];
      tooLong += 1;
      return [];
    });
  const [train, validation] = [encode(split.train), encode(split.validation)];
  if (train.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${settings.data} has no comparison of at most ${context} tokens to train on`,
      'raise `context`, or give more data',
    );
  }
  const notes = [counts.describe()];
  if (tooLong > 0) notes.push(`${tooLong} comparisons with answers beyond ${context} tokens left out`);
  return { train, validation, notes: notes.filter((note) => note !== '') };
}

/** Answers end with their end token and not with whatever a template writes after it: that is where they are scored. */
export function encodeComparison(comparison: Comparison, template: ChatTemplate): EncodedComparison {
  const promptLength = template.encodePrompt(comparison.prompt, comparison.id).length;
  const answers = comparison.completions.map((content, i): Episode => {
    const dialogue = [...comparison.prompt, { role: 'assistant', content }];
    const { tokens, supervised } = template.encodeDialogue(dialogue, comparison.id);
    const end = supervised.lastIndexOf(1) + 1;
    return { prompt: i, tokens: tokens.slice(0, end), promptLength, finished: true };
  });
  return { answers, pairs: rankedPairs(comparison), margin: comparison.margin ?? 0 };
}

/** The answers of some comparisons side by side, with their pairs as indices into them. */
export function batchOf(comparisons: readonly EncodedComparison[]) {
  const answers: Episode[] = [];
  const pairs: number[] = [];
  const weights: number[] = [];
  const margins: number[] = [];
  for (const comparison of comparisons) {
    for (const [better, worse] of comparison.pairs) {
      pairs.push(answers.length + better, answers.length + worse);
      // Each comparison counts once, however many pairs it has.
      weights.push(1 / comparison.pairs.length);
      margins.push(comparison.margin);
    }
    answers.push(...comparison.answers);
  }
  return { answers, pairs, weights, margins };
}

/** Tokens of all answers of a comparison, each with its prompt. */
export function comparisonTokens({ answers }: EncodedComparison): number {
  return answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
