/**
 * Human judgements with their disagreement kept: the terms of the VADER lexicon with what each of ten people rated them
 * (Hutto and Gilbert, 2014), from an npm package under Apache-2.0.
 */
import { AthanorError } from '../../base/errors.ts';
import { fetchPackage } from './package-cache.ts';
import { readTgz } from './tar.ts';

export interface RatedTerm {
  term: string;
  /** From -4, extremely negative, to 4, extremely positive; one of each rater. */
  ratings: number[];
}

const lexicon = {
  name: 'vader-sentiment',
  version: '1.1.3',
  sha512: 'z9ys48I7pd3ngy/YzYDCTcOp6//z96wiXaJnQnuyxiPT3PTU0mWLWVCKvips11S5euvHfXsr0ahsmWT2oeXcUw==',
};

const RATERS = 10;

/**
 * All terms, words and emoticons, in the lexicon's order. Fetched when they are not in the cache; throws as packaged text
 * does, and ERR_FORMAT for a line that is not term, mean, deviation and ten whole numbers.
 * @param cache folder to keep the package in
 */
export async function ratedTerms(cache?: string): Promise<RatedTerm[]> {
  const { path, data } = await fetchPackage(lexicon, cache);
  for (const { name, data: text } of readTgz(data, path)) {
    if (name === 'package/vader_lexicon.txt') return text.toString('utf8').split('\n').flatMap(termsOf);
  }
  throw new AthanorError('ERR_FORMAT', `${path} holds no vader_lexicon.txt`);
}

function termsOf(line: string, index: number): RatedTerm[] {
  if (line.trim() === '') return [];
  const [term, , , list] = line.split('\t');
  const ratings = list?.replace(/[[\]]/g, '').split(',').map(Number);
  if (term && ratings?.length === RATERS && ratings.every(Number.isInteger)) return [{ term, ratings }];
  throw new AthanorError('ERR_FORMAT', `line ${index + 1} of the lexicon is no term with ${RATERS} ratings`);
}
