/**
 * FineWeb's own rules. `fineweb` is the code of datatrove 0.10, which made the data set.
 * `fineweb-paper` is the paper's text: a tenfold limit of repeated characters, and no rule on
 * lists.
 */
import type { Rules } from './filter.ts';
import { share } from './text-measures.ts';
import { codePoints } from './words/white-space.ts';

const SHORT_LINE = 30;

const common: Rules = {
  'min-lines': { bound: 'min', threshold: 1, measure: (m) => m.lineCounts.lines },
  'min-terminated-lines': {
    bound: 'min',
    threshold: 0.12,
    measure: ({ lineCounts }) => share(lineCounts.terminated, lineCounts.lines),
  },
  'max-short-lines': {
    bound: 'max',
    threshold: 0.67,
    measure: ({ lineCounts: { texts, lines } }) =>
      share(texts.filter((line) => codePoints(line) <= SHORT_LINE).length, lines),
  },
};

const repeatedCharacters = (threshold: number): Rules => ({
  'max-repeated-characters': {
    bound: 'max',
    threshold,
    measure: (m) => share(m.lineCounts.repeatedLength, m.length - m.lineBreaks),
  },
});

export const FINEWEB_VERSION = 'datatrove-0.10';
export const fineweb: Rules = {
  ...common,
  ...repeatedCharacters(0.01),
  'max-line-breaks-per-word': {
    bound: 'max',
    threshold: 0.3,
    measure: (m) => share(m.lineBreaks, m.words.length),
  },
};

export const FINEWEB_PAPER_VERSION = 'arxiv-2406.17557';
export const finewebPaper: Rules = { ...common, ...repeatedCharacters(0.1) };
