/** How often a reward model puts answers in the order that people, or a rule, put them in. */
import { loadScoringModel } from '../checkpoint/gpt-folder.ts';
import { preferenceData } from '../scoring/encoded-comparisons.ts';
import { pairMetrics, scorePairs } from '../scoring/scored-pairs.ts';
import { ChatTemplate } from '../text/chat-template.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { EvaluationOptions } from './options.ts';

/** @param folder reward model; @param comparisons file or folder of rows. Throws as readComparisons. */
export async function preferenceAccuracy(
  folder: string,
  comparisons: string,
  { dtype, onBadLine }: EvaluationOptions,
): Promise<{ metrics: Record<string, number>; notes: string[] }> {
  const template = ChatTemplate.of(Tokenizer.load(folder));
  const model = loadScoringModel(folder, { dtype });
  try {
    const settings = { data: comparisons, seed: 0, validationSplit: 0, onBadLine };
    const { train: all, notes } = await preferenceData(settings, template, model.config.contextLength);
    const scored = scorePairs(model, all);
    return { metrics: { ...pairMetrics(scored, all.length), comparisons: all.length }, notes };
  } finally {
    model.dispose();
  }
}
