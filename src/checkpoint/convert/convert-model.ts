/**
 * Writes a model anew: of an adapter the merged model, of a GGUF file a folder, and with another
 * type of weights.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { isGguf } from '../../base/files/missing-part.ts';
import { isWithin } from '../../base/files/same-file.ts';
import type { ModelDescription } from '../../nn/config-json.ts';
import { type CarriedFields, readCarriedFields } from '../carried-fields.ts';
import { GgufFile } from '../gguf/gguf-reader.ts';
import { importedModel } from '../gguf/import-gguf.ts';
import { importedTokenizer } from '../gguf/import-tokenizer.ts';
import { ModelFolder } from '../load-model.ts';
import { isAdapterFolder } from '../peft/adapter-config.ts';
import { AdapterFolder } from '../peft/adapter-folder.ts';
import { baseFolderOf } from '../peft/base-folder.ts';
import { mergedModel } from '../peft/merge-adapter.ts';
import { writeModelFiles } from '../save-model.ts';
import type { TensorSource } from '../tensor-data.ts';

export interface ConvertOptions {
  /** The folder to write. It must not hold a model. */
  out: string;
  /** The base model of an adapter. Default: the one that the adapter names. */
  base?: string | undefined;
  /**
   * The type of the written weights. Default: each keeps its own, and those that an adapter changes
   * are f32.
   */
  dtype?: 'f32' | 'bf16' | undefined;
}

/** What convertModel wrote. */
export type ConvertReport = {
  out: string;
  /** The folder of the base model, where an adapter was merged. */
  base: string | null;
  tensors: number;
  parameters: number;
  bytes: number;
};

/**
 * Writes the model of a folder, of a GGUF file, or of a peft adapter together with its base model,
 * into a new folder of Hugging Face. Throws ERR_ARGUMENT when `out` holds a model, ERR_OPTION for
 * `base` beside a model, and the errors of reading and writing.
 */
export async function convertModel(model: string, options: ConvertOptions): Promise<ConvertReport> {
  const { out } = options;
  if (isWithin(out, model)) {
    throw new AthanorError('ERR_ARGUMENT', `${resolve(out)} lies in ${model}`, 'name a folder elsewhere');
  }
  if (existsSync(join(out, 'config.json'))) {
    throw new AthanorError('ERR_ARGUMENT', `${resolve(out)} holds a model already`, 'name a new folder');
  }
  if (isAdapterFolder(model)) return mergeAdapter(model, options);
  if (options.base !== undefined) {
    throw new AthanorError(
      'ERR_OPTION',
      `\`base\` is for an adapter, and ${model} is a whole model`,
      'leave `base` out',
    );
  }
  if (isGguf(model)) return fromGguf(model, options);
  const files = ModelFolder.open(model);
  try {
    const parameters = [...files.shapes].map(([name, shape]): [string, TensorSource] => [
      name,
      { dtype: files.dtypeOf(name), shape, data: () => files.read(name).data },
    ]);
    const fields = readCarriedFields(model);
    return await write(files.description, parameters, { ...options, fields, tokenizer: model });
  } finally {
    files.close();
  }
}

async function mergeAdapter(folder: string, options: ConvertOptions): Promise<ConvertReport> {
  const adapter = new AdapterFolder(folder);
  try {
    const from = options.base ?? baseFolderOf(folder, adapter.config);
    const base = ModelFolder.open(from);
    try {
      const { description, parameters } = mergedModel(base, adapter);
      const tokenizer = existsSync(join(folder, 'tokenizer.json')) ? folder : from;
      const fields = readCarriedFields(from);
      return { ...(await write(description, parameters, { ...options, fields, tokenizer })), base: from };
    } finally {
      base.close();
    }
  } finally {
    adapter.close();
  }
}

async function fromGguf(path: string, options: ConvertOptions): Promise<ConvertReport> {
  const files = mkdtempSync(join(tmpdir(), 'athanor-tokenizer-'));
  try {
    using file = new GgufFile(path);
    const { description, parameters } = importedModel(file);
    const { files: tokenizer, generationConfig } = importedTokenizer(file);
    for (const [name, value] of Object.entries(tokenizer)) {
      writeFileSync(join(files, name), `${JSON.stringify(value, undefined, 2)}\n`);
    }
    const fields = { config: generationConfig, generation: generationConfig };
    return await write(description, parameters, { ...options, fields, tokenizer: files });
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

interface Sources extends ConvertOptions {
  fields: CarriedFields;
  tokenizer: string;
}

async function write(
  { config, head, labels, padTokenId, scoreToken }: ModelDescription,
  parameters: [string, TensorSource][],
  { out, fields, tokenizer, dtype }: Sources,
): Promise<ConvertReport> {
  const { config: configFields, generation: generationConfig } = fields;
  const written = await writeModelFiles(out, {
    config,
    parameters,
    head,
    labels,
    padTokenId,
    scoreToken,
    tokenizer,
    configFields,
    generationConfig,
    ...(dtype && { dtype }),
  });
  const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  return {
    out,
    base: null,
    tensors: parameters.length,
    parameters: parameters.reduce((sum, [, { shape }]) => sum + count(shape), 0),
    bytes: written.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
