/** The options of `athanor data prepare`, from the command line and a recipe. */
import { AthanorError } from '../base/errors.ts';
import { type CorpusRecipe, readRecipe } from '../data/shards/corpus-recipe.ts';
import { parseMix } from '../data/shards/mix.ts';
import type { PrepareOptions } from '../data/shards/prepare.ts';
import { filtersOf } from './filter-options.ts';

/** Options whose values mean the same to prepareData. */
type PlainOptions = Omit<PrepareOptions, 'sources' | 'filters' | 'mix'>;

interface GivenOptions extends PlainOptions {
  recipe: string | undefined;
  filters: string | undefined;
  wordList: string | undefined;
  maskPii: boolean;
  mix: string | undefined;
}

/**
 * What the user gave, then the recipe, then the defaults.
 * @param given keys of the options that the user gave
 * @param sources those of the command line, which stand in the place of the recipe's
 */
export async function preparedOptions(
  options: GivenOptions,
  given: ReadonlySet<string>,
  sources: readonly string[],
): Promise<PrepareOptions> {
  const { recipe: file, filters, wordList, maskPii, mix, ...plain } = options;
  if (given.has('tokenizer') && given.has('vocabSize')) {
    const what = '`tokenizer` names a tokenizer, and `vocabSize` is of one that is trained';
    throw new AthanorError('ERR_OPTION', what, 'give one of them');
  }
  const recipe: CorpusRecipe = file === undefined ? {} : await readRecipe(file);
  const overrides = Object.entries(plain).filter(([key]) => given.has(key));
  const all = sources.length > 0 ? sources : (recipe.sources ?? []);
  if (all.length === 0) {
    const what = file === undefined ? 'no source is given' : `no source is given, and ${file} has none`;
    throw new AthanorError('ERR_OPTION', what, 'name files, folders or packaged corpora');
  }
  return {
    ...plain,
    ...remaining(recipe, options, given),
    ...Object.fromEntries(overrides),
    sources: all,
    filters: filtersOf({ filters, wordList, maskPii }, recipe.filters),
    mix: mix === undefined ? recipe.mix : parseMix(mix),
  };
}

/** The recipe without keys that only have a meaning beside others, which the user replaced. */
function remaining(recipe: CorpusRecipe, options: GivenOptions, given: ReadonlySet<string>): CorpusRecipe {
  const replaced = (key: string) =>
    (key === 'tokenizer' && given.has('vocabSize')) ||
    (key.startsWith('dedup') && given.has('dedup') && options.dedup !== recipe.dedup);
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => !replaced(key)));
}
