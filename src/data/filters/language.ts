/** The language of a text, by the counts of letter groups of the package eld. */
import { eld } from 'eld/medium';
import { AthanorError } from '../../base/errors.ts';
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';

export const LANGUAGE_VERSION = 'eld-2.1.0/medium';

/** Characters of a text that are looked at. eld itself reads no more than the first 1000. */
const MOST = 500;
/** Pieces of a longer text, which are spread over it: the beginning alone may be a menu. */
const PIECES = 4;
const PIECE = MOST / PIECES;

/**
 * The filter `language`. `languages` are codes of ISO 639-1, joined by + (`en+de`). A text needs a
 * score of at least `min-score` in one of them; with `best` no other language may have a higher
 * one. Throws ERR_OPTION for a language that is not known.
 */
export function languageFilter(settings: RuleSettings): TextFilter {
  const rules = withSettings('language', { languages: 'en', best: true, 'min-score': 0.5 }, settings);
  const wanted = String(rules.languages).split('+');
  const known = Object.values(eld.info().Languages);
  const unknown = wanted.find((language) => !known.includes(language));
  if (unknown !== undefined) {
    const what = `the filter language does not know the language ${unknown}`;
    throw new AthanorError('ERR_OPTION', what, `name some of ${known.join(', ')}`);
  }
  return {
    name: 'language',
    version: LANGUAGE_VERSION,
    rules,
    apply({ text }) {
      const scores = languageScores(text);
      const ranking = Object.entries(scores).sort(([, a], [, b]) => b - a);
      const own = Math.max(0, ...wanted.map((language) => scores[language] ?? 0));
      const [best, score] = ranking[0] ?? ['none', 0];
      const found = ranking.length === 0 ? {} : { found: best };
      if (rules.best !== false && !wanted.includes(best)) {
        return { rule: 'best', value: own, threshold: score, ...found };
      }
      const least = rules['min-score'];
      if (typeof least === 'number' && own < least) {
        return { rule: 'min-score', value: own, threshold: least, ...found };
      }
      return text;
    },
  };
}

/** The score, 0 to 1, of each language that is possible: the mean of up to four pieces. */
export function languageScores(text: string): Record<string, number> {
  const pieces = text.length <= MOST ? [text] : piecesOf(text);
  const means: Record<string, number> = {};
  for (const piece of pieces) {
    for (const [language, score] of Object.entries(eld.detect(piece).getScores())) {
      means[language] = (means[language] ?? 0) + score / pieces.length;
    }
  }
  return means;
}

function piecesOf(text: string): string[] {
  const step = (text.length - PIECE) / (PIECES - 1);
  return Array.from({ length: PIECES }, (_, i) => {
    const start = Math.floor(i * step);
    return text.slice(start, start + PIECE);
  });
}
