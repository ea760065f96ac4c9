/** The rules of Gopher (Rae et al. 2021), as datatrove 0.10 has them. */
import type { Rules } from './filter.ts';
import { share, type TextMeasures } from './text-measures.ts';

export const GOPHER_VERSION = 'datatrove-0.10';

export const gopherQuality: Rules = {
  // Words of punctuation alone do not count here, nor in the mean.
  'min-words': { bound: 'min', threshold: 50, measure: (m) => m.wordCounts.real },
  'max-words': { bound: 'max', threshold: 100_000, measure: (m) => m.wordCounts.real },
  'min-mean-word-length': { bound: 'min', threshold: 3, measure: meanWordLength },
  'max-mean-word-length': { bound: 'max', threshold: 10, measure: meanWordLength },
  'max-hashes': { bound: 'max', threshold: 0.1, measure: (m) => m.perWord('#') },
  'max-ellipses': { bound: 'max', threshold: 0.1, measure: (m) => m.perWord('...', '…') },
  'max-bullet-lines': { bound: 'max', threshold: 0.9, measure: (m) => m.bulletLines },
  'max-ellipsis-lines': { bound: 'max', threshold: 0.3, measure: (m) => m.ellipsisLines },
  'min-letter-words': {
    bound: 'min',
    threshold: 0.8,
    measure: ({ wordCounts }) => share(wordCounts.withLetter, wordCounts.words),
  },
  'min-stop-words': { bound: 'min', threshold: 2, measure: (m) => m.wordCounts.stopWords },
};

export const gopherRepetition: Rules = {
  'repeated-paragraphs': {
    bound: 'max',
    threshold: 0.3,
    measure: ({ paragraphs }) => share(paragraphs.count, paragraphs.of),
  },
  'repeated-paragraph-characters': {
    bound: 'max',
    threshold: 0.2,
    measure: ({ paragraphs, length }) => share(paragraphs.length, length),
  },
  'repeated-lines': { bound: 'max', threshold: 0.3, measure: ({ lines }) => share(lines.count, lines.of) },
  'repeated-line-characters': {
    bound: 'max',
    threshold: 0.2,
    measure: ({ lines, length }) => share(lines.length, length),
  },
  'top-2-gram': { bound: 'max', threshold: 0.2, measure: (m) => m.topRow(2) },
  'top-3-gram': { bound: 'max', threshold: 0.18, measure: (m) => m.topRow(3) },
  'top-4-gram': { bound: 'max', threshold: 0.16, measure: (m) => m.topRow(4) },
  'repeated-5-grams': { bound: 'max', threshold: 0.15, measure: (m) => m.repeatedRow(5) },
  'repeated-6-grams': { bound: 'max', threshold: 0.14, measure: (m) => m.repeatedRow(6) },
  'repeated-7-grams': { bound: 'max', threshold: 0.13, measure: (m) => m.repeatedRow(7) },
  'repeated-8-grams': { bound: 'max', threshold: 0.12, measure: (m) => m.repeatedRow(8) },
  'repeated-9-grams': { bound: 'max', threshold: 0.11, measure: (m) => m.repeatedRow(9) },
  'repeated-10-grams': { bound: 'max', threshold: 0.1, measure: (m) => m.repeatedRow(10) },
};

function meanWordLength({ wordCounts: { real, realLength } }: TextMeasures): number {
  return share(realLength, real);
}
