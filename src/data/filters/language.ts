/** The language of a text, by the counts of letter groups of the package eld. */
import { AthanorError } from '../../base/errors.ts';
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';

export const LANGUAGE_VERSION = 'eld-2.1.0/medium';

/** The codes, of ISO 639-1, of the languages that eld knows. */
export const knownLanguages: readonly string[] = (
  'am ar az be bg bn ca cs da de el en es et eu fa fi fr gu he hi hr hu hy is it ja ka kn ko ku lo ' +
  'lt lv ml mr ms nl no or pa pl pt ro ru sk sl sq sr sv ta te th tl tr uk ur vi yo zh'
).split(' ');

/**
 * The filter `language`. `languages` are codes of ISO 639-1, joined by + (`en+de`). A text needs a
 * score of at least `min-score` in one of them; with `best` no other language may have a higher
 * one. Throws ERR_OPTION for a language that is not known.
 */
export function languageFilter(settings: RuleSettings): TextFilter {
  const rules = withSettings('language', { languages: 'en', best: true, 'min-score': 0.5 }, settings);
  const wanted = String(rules.languages).split('+');
  const unknown = wanted.find((language) => !knownLanguages.includes(language));
  if (unknown !== undefined) {
    const what = `the filter language does not know the language ${unknown}`;
    throw new AthanorError('ERR_OPTION', what, `name some of ${knownLanguages.join(', ')}`);
  }
  // Its tables are megabytes, so they are loaded only when they are used.
  let scoresOf: (text: string) => Record<string, number>;
  return {
    name: 'language',
    version: LANGUAGE_VERSION,
    rules,
    async load() {
      scoresOf = (await import('./language-scores.ts')).languageScores;
    },
    apply({ text }, note) {
      const scores = scoresOf(text);
      const ranking = Object.entries(scores).sort(([, a], [, b]) => b - a);
      const own = Math.max(0, ...wanted.map((language) => scores[language] ?? 0));
      const [best, score] = ranking[0] ?? ['none', 0];
      const found = ranking.length === 0 ? {} : { found: best };
      if (rules.best !== false && !wanted.includes(best)) {
        return { rule: 'best', value: own, threshold: score, ...found };
      }
      const least = rules['min-score'];
      if (typeof least !== 'number') return text;
      note?.('min-score', least, own, own >= least);
      return own < least ? { rule: 'min-score', value: own, threshold: least, ...found } : text;
    },
  };
}
