/** Measures how often a reward model orders answers as people did, or a rule. */
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import { preferenceData } from '../scoring/encoded-comparisons.ts';
import { readingWarning } from '../scoring/score-reading.ts';
import { pairMetrics, scorePairs } from '../scoring/scored-pairs.ts';
import { ChatTemplate } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { EvaluationOptions, Metrics } from './options.ts';

/**
 * The metrics of pairMetrics, and the number of `comparisons`. Throws as readComparisons.
 *
 * @param folder reward model
 * @param comparisons file or folder of rows
 */
export async function preferenceAccuracy(
  folder: string,
  comparisons: string,
  { dtype, onBadLine, console }: EvaluationOptions,
): Promise<Metrics> {
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const model = loadScoringModel(folder, { dtype });
  try {
    const settings = { data: comparisons, seed: 0, validationSplit: 0, onBadLine };
    const { contextLength } = model.config;
    const { train: all, notes } = await preferenceData(settings, template, contextLength, model.reading);
    for (const note of notes) console.note(note);
    const warning = readingWarning(folder, model.reading, template);
    if (warning !== undefined) console.warn(warning);
    return { ...pairMetrics(scorePairs(model, all), all.length), comparisons: all.length };
  } finally {
    model.dispose();
  }
}
