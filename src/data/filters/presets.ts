/** The filters by name, and recipes: lists of filters with settings. */
import { AthanorError } from '../../base/errors.ts';
import { nearest } from '../../base/suggest.ts';
import { c4Filter, c4ParagraphFilter } from './c4.ts';
import { DOLMA_VERSION, gopherDolma } from './dolma.ts';
import { type RuleSettings, type Rules, ruleFilter, type TextFilter } from './filter.ts';
import { FINEWEB_PAPER_VERSION, FINEWEB_VERSION, fineweb, finewebPaper } from './fineweb.ts';
import { GOPHER_VERSION, gopherQuality, gopherRepetition } from './gopher.ts';
import { languageFilter } from './language.ts';
import { LENGTH_VERSION, length } from './length.ts';
import { personalDataFilter } from './personal-data.ts';
import { wordListFilter } from './word-list.ts';

type Make = (settings: RuleSettings) => TextFilter | Promise<TextFilter>;

/** The filters that are rules with thresholds. */
export const ruleTables = {
  'gopher-quality': gopherQuality,
  'gopher-repetition': gopherRepetition,
  'gopher-dolma': gopherDolma,
  fineweb,
  'fineweb-paper': finewebPaper,
  length,
} satisfies Record<string, Rules>;

const versions: Readonly<Record<keyof typeof ruleTables, string>> = {
  'gopher-quality': GOPHER_VERSION,
  'gopher-repetition': GOPHER_VERSION,
  'gopher-dolma': DOLMA_VERSION,
  fineweb: FINEWEB_VERSION,
  'fineweb-paper': FINEWEB_PAPER_VERSION,
  length: LENGTH_VERSION,
};

const rules =
  (name: keyof typeof ruleTables): Make =>
  (settings) =>
    ruleFilter(name, versions[name], ruleTables[name], settings);

/** The names of all filters. */
export const filterNames = [
  'c4',
  'c4-paragraphs',
  'gopher-quality',
  'gopher-repetition',
  'gopher-dolma',
  'fineweb',
  'fineweb-paper',
  'language',
  'length',
  'word-list',
  'classifier',
  'pii',
] as const;
/** A name of a filter. */
export type FilterName = (typeof filterNames)[number];

const presets: Readonly<Record<FilterName, Make>> = {
  c4: c4Filter,
  'c4-paragraphs': c4ParagraphFilter,
  'gopher-quality': rules('gopher-quality'),
  'gopher-repetition': rules('gopher-repetition'),
  'gopher-dolma': rules('gopher-dolma'),
  fineweb: rules('fineweb'),
  'fineweb-paper': rules('fineweb-paper'),
  language: languageFilter,
  length: rules('length'),
  'word-list': wordListFilter,
  classifier: async (settings: RuleSettings) => (await import('./classifier.ts')).classifierFilter(settings),
  pii: personalDataFilter,
};

/** A filter with settings: a number or text for a rule, true and false for on and off. */
export interface FilterSpec {
  name: FilterName;
  /** Of rules by name, where they differ from the published ones. */
  rules?: RuleSettings | undefined;
}

/** Names of whole recipes, and the filters in their order. */
const recipes: Readonly<Record<string, readonly FilterSpec[]>> = {
  'fineweb-pipeline': [
    { name: 'language' },
    { name: 'gopher-repetition' },
    { name: 'gopher-quality' },
    { name: 'c4', rules: { 'terminal-punctuation': false } },
    { name: 'fineweb' },
  ],
};
export const recipeNames = Object.keys(recipes);

/** Settings that may be written without their names, in this order: `classifier:FOLDER:0.5`. */
const unnamed: Readonly<Partial<Record<FilterName, readonly string[]>>> = {
  classifier: ['folder', 'threshold'],
};

/**
 * The filters of a recipe, before load(). Throws ERR_OPTION for an unknown name or setting, and the
 * errors of reading a word list.
 */
export async function createFilters(recipe: readonly (string | FilterSpec)[]): Promise<TextFilter[]> {
  const specs = recipe.flatMap((entry) => (typeof entry === 'string' ? specsOf(entry) : [entry]));
  const filters: TextFilter[] = [];
  for (const { name, rules: settings, ...others } of specs) {
    if (!isFilterName(name)) throw unknownName(String(name));
    const [other] = Object.keys(others);
    if (other !== undefined) {
      const what = `the filter ${name} has a field ${other}, not only name and rules`;
      throw new AthanorError('ERR_OPTION', what, 'put the settings of its rules into rules');
    }
    filters.push(await presets[name](settings ?? {}));
  }
  return filters;
}

/**
 * The filters of an entry of a list: `c4`, `c4:min-sentences=3`, or the name of a recipe. Throws
 * ERR_OPTION.
 */
export function specsOf(entry: string): readonly FilterSpec[] {
  const [name = '', ...settings] = entry.split(':');
  if (settings.length === 0 && recipes[name]) return recipes[name];
  if (!isFilterName(name)) throw unknownName(name);
  const order = unnamed[name] ?? [];
  const named = settings.map((text, i) => (text.includes('=') || !order[i] ? text : `${order[i]}=${text}`));
  const rules = named.length > 0 && {
    rules: Object.fromEntries(named.map((text) => parseSetting(name, text))),
  };
  return [{ name, ...rules }];
}

function parseSetting(filter: string, text: string): [string, number | boolean | string] {
  const equals = text.indexOf('=');
  if (equals < 1) {
    const what = `expected a setting of the filter ${filter} as rule=value but got ${text}`;
    throw new AthanorError('ERR_OPTION', what, `write for instance ${filter}:rule=off`);
  }
  const value = text.slice(equals + 1);
  const isNumber = value.trim() !== '' && Number.isFinite(Number(value));
  const parsed = value === 'on' ? true : value === 'off' ? false : isNumber ? Number(value) : value;
  return [text.slice(0, equals), parsed];
}

function isFilterName(name: string): name is FilterName {
  return Object.hasOwn(presets, name);
}

function unknownName(name: string): AthanorError {
  const names = [...filterNames, ...recipeNames];
  const meant = nearest(name, names);
  const remedy = meant ? `did you mean ${meant}?` : `name some of ${names.join(', ')}`;
  return new AthanorError('ERR_OPTION', `there is no filter ${name}`, remedy);
}
