/** Options of `athanor data` about filters. */
import type { FilterRecipe } from '../data/filters/filter-documents.ts';
import type { PrepareReport } from '../data/shards/prepare.ts';
import { flag, inGroup, path, text } from './options.ts';

export const filterOptions = inGroup('Data', {
  filters: text(
    'filters in their order, such as c4,gopher-quality,fineweb:max-short-lines=0.5, or fineweb-pipeline for all that made FineWeb',
    { placeholder: '<list>' },
  ),
  wordList: path('drop documents that have a word of this file, which has one per line', {
    placeholder: '<file>',
  }),
  maskPii: flag('replace e-mail and public IP addresses, phone and card numbers'),
});

const LIST = 'word-list';

/**
 * The filters of these options, or else of the recipe. A list of words has its place among the
 * filters, or is behind them; personal data is masked last.
 */
export function filtersOf(
  options: { filters: string | undefined; wordList: string | undefined; maskPii: boolean },
  recipe: FilterRecipe = [],
): FilterRecipe {
  const { filters, wordList, maskPii } = options;
  const named: FilterRecipe = filters?.split(',').map((entry) => entry.trim()) ?? recipe;
  const list = wordList === undefined ? [] : [{ name: LIST, rules: { file: wordList } } as const];
  const hasPlace = list.length > 0 && named.includes(LIST);
  return [
    ...(hasPlace ? named.flatMap((entry) => (entry === LIST ? list : [entry])) : [...named, ...list]),
    ...(maskPii && !named.some(isMask) ? ['pii'] : []),
  ];
}

const isMask = (entry: FilterRecipe[number]) =>
  (typeof entry === 'string' ? entry.split(':')[0] : entry.name) === 'pii';

/** What each filter left, for people. */
export function renderFunnel(funnel: PrepareReport['funnel']): string[] {
  return funnel.flatMap(({ filter, documents_in, documents_out, bytes_in, bytes_out, rejected }) => {
    const rules = Object.entries(rejected).sort(([, a], [, b]) => b - a);
    return [
      `${filter}: ${documents_out} of ${documents_in} documents, ${bytes_out} of ${bytes_in} bytes`,
      ...rules.map(([rule, count]) => `  ${rule}: ${count} rejected`),
    ];
  });
}
