/** Plain limits of length. Characters are code points, words those of `EnglishWords`. */
import type { Rules } from './filter.ts';

export const LENGTH_VERSION = '1';

export const length: Rules = {
  'min-characters': { bound: 'min', threshold: 1, measure: (m) => m.length },
  'max-characters': { bound: 'max', threshold: 10_000_000, measure: (m) => m.length },
  'min-words': { bound: 'min', threshold: 1, measure: (m) => m.words.length },
  'max-words': { bound: 'max', threshold: 1_000_000, measure: (m) => m.words.length },
};
