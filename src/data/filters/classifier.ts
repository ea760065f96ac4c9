/** A filter by a classifier of one's own, as FineWeb-Edu has: a model with one score per text. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';

/** What decides a score. */
const PARTS = /^(classifier|config|tokenizer)\.json$|\.safetensors$/;

/**
 * The filter `classifier`. The score of a text is the probability that it is of the class that the
 * classifier in `folder` was trained on. With `keep` class (the default) a text needs a score of at
 * least `threshold`, by default the folder's own; with `keep` others such texts are rejected.
 * Throws ERR_OPTION for a wrong setting, and the errors of loading the classifier.
 */
export async function classifierFilter(settings: RuleSettings): Promise<TextFilter> {
  const given = withSettings('classifier', { folder: '', threshold: -1, keep: 'class' }, settings);
  const folder = String(given.folder);
  if (folder === '') {
    const remedy = 'write classifier:FOLDER:THRESHOLD';
    throw new AthanorError('ERR_OPTION', 'the filter classifier needs a folder', remedy);
  }
  if (given.keep !== 'class' && given.keep !== 'others') {
    const what = `expected the rule keep of the filter classifier to be class or others but got ${given.keep}`;
    throw new AthanorError('ERR_OPTION', what);
  }
  // The model's code is not loaded where no filter needs it.
  const { Classifier } = await import('../../scoring/classifier.ts');
  const classifier = Classifier.load(folder);
  const threshold = settings.threshold === undefined ? classifier.info.threshold : Number(given.threshold);
  if (!(threshold >= 0 && threshold <= 1)) {
    classifier.dispose();
    const what = `expected the threshold of the filter classifier from 0 to 1 but got ${given.threshold}`;
    throw new AthanorError('ERR_OPTION', what);
  }
  const keepsClass = given.keep === 'class';
  const scoreOf = (text: string) => classifier.probabilities([{ text }])[0]!;
  return {
    name: 'classifier',
    version: await digestOf(folder),
    rules: { folder, threshold, keep: given.keep },
    measure: ({ text }) => ({ threshold: scoreOf(text) }),
    apply({ text }, note) {
      const value = scoreOf(text);
      const isKept = value >= threshold === keepsClass;
      note?.('threshold', threshold, value, isKept);
      return isKept ? text : { rule: 'threshold', value, threshold };
    },
    close: () => classifier.dispose(),
  };
}

/** A classifier has no version of its own: the digest of its files is one. */
async function digestOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    if (!PARTS.test(name)) continue;
    hash.update(name);
    try {
      for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk as Buffer);
    } catch (error) {
      throw fileError(error, join(folder, name));
    }
  }
  return `sha256-${hash.digest('hex').slice(0, 16)}`;
}
