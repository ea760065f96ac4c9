/**
 * Writes Hugging Face model folders. Files are replaced in an order that never shows a reader a mix
 * of old and new: see `publish`.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { copyDurably, hashFile, syncPath, type WrittenFile, writeText } from '../base/files/hashed-file.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { removeStaleFiles, temporarySuffix } from '../base/files/temporary-files.ts';
import type { JsonObject } from '../base/json.ts';
import type { HeadKind, ModelConfig } from '../nn/config.ts';
import { configToJson } from '../nn/config-json.ts';
import type { ScoreReading } from '../nn/scoring-model.ts';
import { configText } from './config-text.ts';
import { type LayoutEntry, modelLayout } from './hf-layout.ts';
import { writeSafetensors } from './safetensors.ts';
import {
  bf16FromF32,
  elementCount,
  f32FromBf16,
  headByHead,
  sourceData,
  type TensorSource,
  transposed,
} from './tensor-data.ts';

/** The contents of a model folder. */
export interface WriteModelOptions {
  config: ModelConfig;
  /**
   * Parameters by their in-memory names: a Map of TensorData, or sources that fetch their data when
   * they are written. All are f32 or bf16.
   */
  parameters: Iterable<readonly [string, TensorSource]>;
  head?: HeadKind;
  /** Number of outputs of a score head. */
  labels?: number;
  /** The dtype of all stored weights. Default: each weight keeps that of its source. */
  dtype?: 'f32' | 'bf16';
  /** A folder whose tokenizer files are copied, or those files. */
  tokenizer?: string | readonly string[];
  generationConfig?: JsonObject;
  /** Written to config.json. transformers needs it to score batches of unequal length. */
  padTokenId?: number | undefined;
  /** Written to config.json: the token that a score head reads. */
  scoreToken?: ScoreReading['token'] | undefined;
  /** Fields for config.json besides those that describe the model. */
  configFields?: JsonObject;
}

export const weightsName = 'model.safetensors';

/** The tokenizer files of a model folder. */
export const tokenizerFileNames: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
];

/**
 * Writes config.json, model.safetensors and the other given files into `folder`, which is made
 * if it is missing. Every file is complete and durable when its name appears. Returns the
 * written files. Throws ERR_MISMATCH when the parameters do not match the configuration,
 * ERR_DISK_FULL and ERR_IO.
 */
export async function writeModelFiles(folder: string, options: WriteModelOptions): Promise<WrittenFile[]> {
  const {
    config,
    head = 'language-model',
    labels = 1,
    dtype,
    padTokenId,
    scoreToken,
    configFields,
  } = options;
  const parameters = new Map(options.parameters);
  const layout = modelLayout(config, head, labels);
  checkParameters(layout, parameters);
  const json = configToJson(config, {
    head,
    labels,
    dtype: dtype ?? widestDtype(parameters),
    padTokenId,
    scoreToken,
    ...(configFields && { fields: configFields }),
  });
  const tokenizer = tokenizerFiles(options.tokenizer);
  const stale =
    options.tokenizer === undefined
      ? []
      : without(
          tokenizerFileNames,
          tokenizer.map((path) => basename(path)),
        );
  return publish(folder, stale, async (temporary) => {
    const written = [await writeText(temporary('config.json'), configText(json))];
    if (options.generationConfig !== undefined) {
      const text = configText(options.generationConfig);
      written.push(await writeText(temporary('generation_config.json'), text));
    }
    for (const path of tokenizer) {
      const name = basename(path);
      if (resolve(path) !== resolve(folder, name)) written.push(await copyDurably(path, temporary(name)));
    }
    const tensors = storedTensors(layout, parameters, dtype);
    // transformers refuses a file that does not name its framework.
    written.push(await writeSafetensors(temporary(weightsName), tensors, { format: 'pt' }));
    return written;
  });
}

/** Copies the files of a model folder, without training state, as writeModelFiles writes them. */
export async function copyModel(from: string, to: string): Promise<WrittenFile[]> {
  const names = ['config.json', 'generation_config.json', ...tokenizerFileNames, weightsName];
  const present = names.filter((name) => existsSync(join(from, name)));
  return publish(to, without(names, present), async (temporary) => {
    const written: WrittenFile[] = [];
    for (const name of present) written.push(await copyDurably(join(from, name), temporary(name)));
    return written;
  });
}

function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name));
}

/**
 * `write` makes files under temporary names; then they are renamed, the weights last. If any other
 * file differs from the one in place, the old weights are removed first. So a reader finds the old
 * files, a folder without weights, or the new files, but never new weights with an old
 * configuration or the reverse.
 * @param stale names of files to remove: another program would read them with the new ones
 */
async function publish(
  folder: string,
  stale: readonly string[],
  write: (temporary: (name: string) => string) => Promise<WrittenFile[]>,
): Promise<WrittenFile[]> {
  const temporary = (name: string) => join(folder, `${name}${temporarySuffix()}`);
  const named: string[] = [];
  try {
    makeFolders(folder);
    const written = await write((name) => {
      removeStaleFiles(folder, name);
      named.push(name);
      return temporary(name);
    });
    const files = written.map((file) => ({ ...file, name: file.name.slice(0, -temporarySuffix().length) }));
    const isNew = ({ name, sha256 }: WrittenFile) =>
      !existsSync(join(folder, name)) || hashFile(join(folder, name)).sha256 !== sha256;
    const changed = files.filter((file) => file.name !== weightsName && isNew(file));
    const removed = stale.filter((name) => existsSync(join(folder, name)));
    if (changed.length > 0 || removed.length > 0) {
      rmSync(join(folder, weightsName), { force: true });
      syncPath(folder);
      for (const name of removed) rmSync(join(folder, name));
      for (const { name } of changed) renameSync(temporary(name), join(folder, name));
      syncPath(folder);
    }
    if (named.includes(weightsName)) renameSync(temporary(weightsName), join(folder, weightsName));
    syncPath(folder);
    return files;
  } catch (error) {
    throw fileError(error, folder, 'write');
  } finally {
    for (const name of named) rmSync(temporary(name), { force: true });
  }
}

function tokenizerFiles(tokenizer: string | readonly string[] | undefined): readonly string[] {
  if (typeof tokenizer !== 'string') return tokenizer ?? [];
  let present: string[];
  try {
    present = readdirSync(tokenizer);
  } catch (error) {
    throw fileError(error, tokenizer);
  }
  return tokenizerFileNames.filter((name) => present.includes(name)).map((name) => join(tokenizer, name));
}

function checkParameters(
  layout: readonly LayoutEntry[],
  parameters: ReadonlyMap<string, TensorSource>,
): void {
  const problems: string[] = [];
  const expected = new Set(layout.map(({ name }) => name));
  for (const { name, shape } of layout) {
    const parameter = parameters.get(name);
    if (parameter === undefined) problems.push(`${name} is missing`);
    else if (parameter.shape.join() !== shape.join()) {
      problems.push(`${name} is [${parameter.shape.join(', ')}], not [${shape.join(', ')}]`);
    } else if (parameter.dtype !== 'f32' && parameter.dtype !== 'bf16') {
      problems.push(`${name} is ${parameter.dtype}, not f32 or bf16`);
    }
  }
  for (const name of parameters.keys()) {
    if (!expected.has(name)) problems.push(`${name} is not part of the model`);
  }
  if (problems.length > 0) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `the parameters are not those of the configuration: ${problems.join('; ')}`,
    );
  }
}

/**
 * The dtype for config.json when weights may have both dtypes: the wider one. transformers converts
 * every weight to it, and bf16 would round the others.
 */
function widestDtype(parameters: ReadonlyMap<string, TensorSource>): 'f32' | 'bf16' {
  return [...parameters.values()].some(({ dtype }) => dtype === 'f32') ? 'f32' : 'bf16';
}

/** The tensors of the file. Each is converted when it is written. */
function storedTensors(
  layout: readonly LayoutEntry[],
  parameters: ReadonlyMap<string, TensorSource>,
  asked: 'f32' | 'bf16' | undefined,
): [string, TensorSource][] {
  // The parts of one parameter follow each other, so it is enough to hold one parameter.
  let held: { name: string; data: Float32Array | Uint16Array } | undefined;
  const fetch = (name: string) => {
    if (held?.name !== name) held = { name, data: convert(parameters.get(name)!, dtypeOf(name)) };
    return held.data;
  };
  const dtypeOf = (name: string) => asked ?? (parameters.get(name)!.dtype as 'f32' | 'bf16');
  return layout.flatMap(({ name, shape, parts, transposed: isTransposed, heads }) => {
    let at = 0;
    return parts.map((part): [string, TensorSource] => {
      const begin = at;
      at += elementCount(part.shape);
      const end = at;
      const data = () => {
        if (heads !== undefined) return headByHead(fetch(name), heads);
        return isTransposed
          ? transposed(fetch(name), shape[0] ?? 0, shape[1] ?? 0)
          : fetch(name).subarray(begin, end);
      };
      return [part.name, { dtype: dtypeOf(name), shape: part.shape, data }];
    });
  });
}

function convert(source: TensorSource, dtype: 'f32' | 'bf16'): Float32Array | Uint16Array {
  const data = sourceData(source);
  if (dtype === 'bf16') return data instanceof Float32Array ? bf16FromF32(data) : (data as Uint16Array);
  return data instanceof Float32Array ? data : f32FromBf16(data as Uint16Array);
}
