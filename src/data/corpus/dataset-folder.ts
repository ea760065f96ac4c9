/**
 * Folders of datasets as Hugging Face's `datasets` writes them: those of `save_to_disk`, and those
 * of the Hub, with a README.md that names the files or with files that are named by their split.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import picomatch from 'picomatch';
import { parse } from 'yaml';
import { AthanorError, fileError } from '../../base/errors.ts';
import { rowFormat } from './file-format.ts';
import { filesBelow } from './files-below.ts';
import { isRecord } from './json-lines.ts';

/** The files of the splits of a dataset, each in its order. */
type Splits = Map<string, string[]>;

const WITHOUT_CHOICE = 'train';

/**
 * The files of a split of a dataset folder. Without `split` it is `train`, or the only one.
 * Undefined for a folder that is no dataset, where no split is asked for. Throws ERR_ARGUMENT for a
 * split that is not there, ERR_FORMAT for a file of `datasets` that is damaged, and ERR_IO.
 */
export function splitFiles(folder: string, split?: string): string[] | undefined {
  const splits = savedSplits(folder) ?? describedSplits(folder) ?? namedSplits(folder, split !== undefined);
  if (!splits) return undefined;
  const names = [...splits.keys()];
  const chosen = split ?? (names.length === 1 ? names[0]! : WITHOUT_CHOICE);
  const files = splits.get(chosen);
  if (files) return files;
  const what = `${folder} has no split "${chosen}"; it has ${names.join(', ') || 'none'}`;
  throw new AthanorError('ERR_ARGUMENT', what, 'name one of them with `split`');
}

/** What save_to_disk wrote: a dataset, or a folder of them with one per split. */
function savedSplits(folder: string): Splits | undefined {
  const all = join(folder, 'dataset_dict.json');
  if (existsSync(all)) {
    const { splits } = readRecord(all);
    if (!isTexts(splits)) throw damaged(all, 'it has no list of splits');
    return new Map(splits.map((split) => [split, savedFiles(join(folder, split)).files]));
  }
  if (!existsSync(join(folder, 'state.json'))) return undefined;
  const { split, files } = savedFiles(folder);
  return new Map([[split, files]]);
}

function savedFiles(folder: string): { split: string; files: string[] } {
  const path = join(folder, 'state.json');
  const { _data_files: entries, _split: split } = readRecord(path);
  const names = Array.isArray(entries) ? entries.map((entry) => isRecord(entry) && entry.filename) : [];
  if (!isTexts(names) || names.length === 0) throw damaged(path, 'it names no files');
  return {
    split: typeof split === 'string' ? split : WITHOUT_CHOICE,
    files: names.map((name) => join(folder, basename(name))),
  };
}

function readRecord(path: string): { [key: string]: unknown } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
  throw damaged(path, 'it is no object');
}

function damaged(path: string, problem: string): AthanorError {
  return new AthanorError('ERR_FORMAT', `${path}: ${problem}`, 'save the dataset again');
}

/** What the head of a README.md says of the files (`configs`). */
function describedSplits(folder: string): Splits | undefined {
  const path = join(folder, 'README.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const [, head] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text) ?? [];
  const configs = head === undefined ? undefined : configsOf(head);
  if (!configs) return undefined;
  const config = theConfig(folder, configs);
  const prefix = typeof config.data_dir === 'string' ? `${config.data_dir}/` : '';
  const files = [...filesBelow(folder)];
  const splits: Splits = new Map();
  for (const { split, patterns } of patternsOf(config.data_files ?? '**')) {
    const fits = picomatch(patterns.map((pattern) => prefix + pattern.replace(/^\.\//, '')));
    const chosen = files.filter((file) => fits(relative(folder, file)) && rowFormat(file));
    splits.set(split, [...(splits.get(split) ?? []), ...chosen]);
  }
  return [...splits.values()].some((found) => found.length > 0) ? splits : undefined;
}

type Config = { [key: string]: unknown };

/** The configurations that name files; undefined where the head has none. */
function configsOf(head: string): Config[] | undefined {
  let value: unknown;
  try {
    value = parse(head);
  } catch {
    return undefined;
  }
  const configs: unknown[] = isRecord(value) && Array.isArray(value.configs) ? value.configs : [];
  const usable = configs.filter(isRecord).filter(({ data_files, data_dir }) => data_files ?? data_dir);
  return usable.length > 0 ? usable : undefined;
}

/** As in `datasets`: the only one, the one marked as default, or the one of this name. */
function theConfig(folder: string, configs: readonly Config[]): Config {
  const marked = configs.find((config) => config.default === true);
  const chosen = marked ?? configs.find(({ config_name }) => config_name === 'default');
  if (chosen ?? configs.length === 1) return chosen ?? configs[0]!;
  const names = configs.map(({ config_name }) => String(config_name)).join(', ');
  const what = `${folder} holds several datasets: ${names}`;
  throw new AthanorError('ERR_ARGUMENT', what, 'name the folder of one, or its files with a pattern');
}

/** `data_files` is a pattern, a list of them, or a list of { split, path }. */
function patternsOf(value: unknown): { split: string; patterns: string[] }[] {
  const list = Array.isArray(value) ? value : [value];
  const plain = list.filter((item) => typeof item === 'string');
  const named = list.filter(isRecord).map(({ split, path }) => {
    const patterns = (Array.isArray(path) ? path : [path]).filter((item) => typeof item === 'string');
    return { split: typeof split === 'string' ? split : WITHOUT_CHOICE, patterns };
  });
  return plain.length > 0 ? [{ split: WITHOUT_CHOICE, patterns: plain }, ...named] : named;
}

/** The words by which `datasets` finds splits in names. */
const splitWords: readonly (readonly [string, RegExp])[] = [
  ['train', /(^|[^a-z0-9])(train|training)([^a-z0-9]|$)/i],
  ['validation', /(^|[^a-z0-9])(validation|valid|val|dev)([^a-z0-9]|$)/i],
  ['test', /(^|[^a-z0-9])(test|testing|eval|evaluation)([^a-z0-9]|$)/i],
];
/** `data/train_sft-00000-of-00003-3a5b.parquet`. */
const SHARD = /(?:^|\/)([\w.]+?)-\d{5}-of-\d{5}[^/]*$/;

/**
 * Splits by the names of files and folders. Only files in numbered parts make a folder a dataset by
 * themselves: `train.jsonl` beside `test.jsonl` may be any folder.
 * @param asked whether a split is asked for, so that any names count
 */
function namedSplits(folder: string, asked: boolean): Splits | undefined {
  const files = [...filesBelow(folder)].filter((file) => rowFormat(file));
  const splits: Splits = new Map();
  let isDataset = asked;
  for (const file of files) {
    const name = relative(folder, file);
    const part = SHARD.exec(name)?.[1];
    const split = part ?? splitWords.find(([, word]) => word.test(name))?.[0] ?? WITHOUT_CHOICE;
    if (part !== undefined && splitWords.some(([, word]) => word.test(part))) isDataset = true;
    const found = splits.get(split);
    if (found) found.push(file);
    else splits.set(split, [file]);
  }
  return isDataset && files.length > 0 ? splits : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
