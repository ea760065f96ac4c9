/**
 * A recipe: one YAML file that says how a whole corpus is made. Its keys are the options of
 * `data prepare`, and `sources`, `filters` and `mix` may be written out.
 */
import { stringify } from 'yaml';
import { AthanorError } from '../../base/errors.ts';
import { parseYaml, readYamlFile, type YamlNode } from '../../base/files/yaml-file.ts';
import type { CorpusSource } from '../corpus/source.ts';
import type { RuleSetting } from '../filters/filter.ts';
import { createFilters, type FilterName, type FilterSpec, filterNames, specsOf } from '../filters/presets.ts';
import { dedupMethods } from './deduplication.ts';
import { amountTexts, type Mix, mixOf } from './mix.ts';
import { type PackagedRecipe, packagedRecipes } from './packaged-recipes.ts';
import type { PrepareOptions } from './prepare.ts';

/** The options of prepareData that a recipe may have: all but those of one run. */
export type CorpusRecipe = Partial<
  Omit<
    PrepareOptions,
    | 'out'
    | 'signal'
    | 'onProgress'
    | 'onDropped'
    | 'onResumed'
    | 'ranks'
    | 'threads'
    | 'unitBytes'
    | 'shardTokens'
    | 'fresh'
    | 'stdinFile'
    | 'tokenizer'
  >
> & { tokenizer?: string };

type Reader = (node: YamlNode) => unknown;
type RecipeKey = keyof CorpusRecipe;

/** The recipe of a folder of token shards. */
export const RECIPE = 'recipe.yaml';

const KIND = { name: 'a recipe', page: 'docs/corpus.md#recipes' };
const MOST_VOCABULARY = 1 << 24;

const text: Reader = (node) => node.text();
const flag: Reader = (node) => node.flag();
const texts: Reader = (node) => node.items().map((item) => item.text());
const word =
  <W extends string>(...words: readonly W[]): Reader =>
  (node) =>
    node.word(words);
const whole =
  (min: number, max?: number): Reader =>
  (node) =>
    node.number({ min, whole: true, ...(max !== undefined && { max }) });

/** Of one source, and of all that do not have them. */
const reading = {
  textKey: text,
  separator: text,
  partBytes: whole(1 << 10),
  split: text,
  stdinFormat: text,
} satisfies Partial<Record<RecipeKey, Reader>>;

/** How each key is read, in the order in which an effective recipe has them. */
const readers: Readonly<Record<RecipeKey, Reader>> = {
  sources: (node) => node.items().map(sourceOf),
  ...reading,
  onBadLine: word('skip', 'fail'),
  minChars: whole(0),
  validationSplit: (node) => node.number({ min: 0, max: 0.5 }),
  filters: (node) => node.items().flatMap(filtersOf),
  dedup: word(...dedupMethods),
  dedupKeep: word('first', 'longest'),
  dedupNgram: whole(1, 1000),
  dedupBands: whole(1),
  dedupRows: whole(1),
  dedupRun: whole(1),
  dedupMinChars: whole(1),
  against: texts,
  decontaminate: texts,
  decontaminateNgram: whole(1),
  decontaminateShortest: whole(1),
  decontaminateReport: flag,
  tokenizer: text,
  vocabSize: whole(257, MOST_VOCABULARY),
  mix: mixOf,
};

const keys = Object.keys(readers) as RecipeKey[];
const nameOf = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Reads a recipe file, or a packaged recipe by its name: fineweb, c4, gopher. Throws ERR_CONFIG
 * with file, line and key for the first thing that is wrong, ERR_FILE_MISSING, and the errors of
 * reading.
 */
export async function readRecipe(file: string): Promise<CorpusRecipe> {
  const packaged = Object.hasOwn(packagedRecipes, file) ? packagedRecipes[file as PackagedRecipe] : undefined;
  const root = packaged === undefined ? readYamlFile(file, KIND) : parseYaml(file, packaged, KIND);
  const fields = root.fields(keys.map(nameOf));
  const recipe: Partial<Record<RecipeKey, unknown>> = {};
  for (const key of keys) {
    const node = fields.get(nameOf(key));
    if (node) recipe[key] = readers[key](node);
  }
  const filters = fields.get('filters');
  for (const item of filters?.items() ?? []) await checkFilters(item);
  return recipe as CorpusRecipe;
}

/** Rules and their values are known to the filters themselves. */
async function checkFilters(node: YamlNode): Promise<void> {
  try {
    // What a filter reads from disk is read when it is used.
    await createFilters(filtersOf(node).filter(({ name }) => !READS.includes(name)));
  } catch (error) {
    if (error instanceof AthanorError && error.code === 'ERR_OPTION') node.fail(error.message, error.remedy);
    throw error;
  }
}

const READS: readonly FilterName[] = ['word-list', 'classifier'];

function sourceOf(node: YamlNode): string | CorpusSource {
  if (!node.isMap) return node.text();
  const known = { path: text, name: text, ...reading };
  const fields = node.fields(Object.keys(known).map(nameOf));
  if (!fields.has('path')) node.fail('"path" is missing', 'name a file, a folder or a packaged corpus');
  const values = Object.entries(known).flatMap(([key, read]) => {
    const field = fields.get(nameOf(key));
    return field ? [[key, read(field)]] : [];
  });
  return Object.fromEntries(values) as CorpusSource;
}

/** `c4`, `c4:min-sentences=3`, or `c4: {min-sentences: 3, javascript: off}`. */
function filtersOf(node: YamlNode): readonly FilterSpec[] {
  if (!node.isMap) {
    try {
      return specsOf(node.text());
    } catch (error) {
      if (error instanceof AthanorError && error.code === 'ERR_OPTION')
        node.fail(error.message, error.remedy);
      throw error;
    }
  }
  const entries = node.fields(filterNames);
  return [...entries].map(([name, rules]) => ({
    name: name as FilterName,
    rules: Object.fromEntries(rules.entries().map(([rule, value]) => [rule, settingOf(value)])),
  }));
}

function settingOf(node: YamlNode): RuleSetting {
  if (node.isList) {
    return node
      .items()
      .map((item) => item.text())
      .join('+');
  }
  const value = node.scalar();
  if (value === undefined) return node.fail(`expected a number, a text, on or off but got ${node.kind}`);
  return value === 'on' ? true : value === 'off' ? false : value;
}

/**
 * The recipe that these options are, as YAML. readRecipe reads it, and the folder that it makes has
 * the same tokens.
 */
export function recipeText(options: PrepareOptions): string {
  const { tokenizer, filters = [] } = options;
  const effective: Partial<Record<RecipeKey, unknown>> = {
    ...options,
    sources: options.sources.map((source) => (typeof source === 'string' ? source : kebab(source))),
    filters: filters.flatMap((entry) => (typeof entry === 'string' ? specsOf(entry) : [entry])).map(written),
    tokenizer: tokenizer === undefined || typeof tokenizer === 'string' ? tokenizer : options.out,
    vocabSize: tokenizer === undefined ? options.vocabSize : undefined,
    mix: options.mix && writtenMix(options.mix),
  };
  const isEmpty = (value: unknown) =>
    value === undefined || value === false || (Array.isArray(value) && value.length === 0);
  const rows = keys.filter((key) => !isEmpty(effective[key])).map((key) => [nameOf(key), effective[key]]);
  return stringify(Object.fromEntries(rows), { lineWidth: 100, aliasDuplicateObjects: false });
}

function kebab(source: CorpusSource): Record<string, unknown> {
  const given = Object.entries(source).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [nameOf(key), value]));
}

function written({ name, rules = {} }: FilterSpec): unknown {
  const settings = Object.entries(rules).map(([rule, value]) => [
    rule,
    value === true ? 'on' : value === false ? 'off' : value,
  ]);
  return settings.length === 0 ? name : { [name]: Object.fromEntries(settings) };
}

function writtenMix(mix: Mix): unknown {
  if ('schedule' in mix) return mix.schedule;
  if ('weights' in mix) return mix.weights;
  return amountTexts(mix.amounts);
}
