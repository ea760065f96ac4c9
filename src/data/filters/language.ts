/** The language of a text, by the counts of letter groups of the package eld. */
import { AthanorError } from '../../base/errors.ts';
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';
import { eldScores, knownLanguages } from './language-scores.ts';

export const LANGUAGE_VERSION = 'eld-2.1.0/medium';

/** Characters of a text that are looked at: eld reads no more than its first 350 to 380 bytes. */
const MOST = 340;
/** Places of pieces of a longer text. In scripts of several bytes the last ones are not read. */
const PIECES = [1 / 3, 2 / 3, 0, 1];
const PIECE = MOST / PIECES.length;

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
  return {
    name: 'language',
    version: LANGUAGE_VERSION,
    rules,
    apply({ text }, note) {
      const scores = languageScores(text);
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

/** The score, 0 to 1, of each language that is possible. */
export function languageScores(text: string): Record<string, number> {
  return eldScores(text.length <= MOST ? text : sample(text));
}

/** Pieces from all over a text: its beginning alone may be a menu. */
function sample(text: string): string {
  const last = text.length - PIECE;
  return PIECES.map((place) => piece(text, Math.floor(place * last))).join(' ');
}

function piece(text: string, start: number): string {
  return text.slice(start, start + PIECE);
}
