/** Writes a model anew: of an adapter the merged model, and with another type of weights. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { isWithin } from '../../base/files/same-file.ts';
import type { ModelDescription } from '../../nn/config-json.ts';
import { readCarriedFields } from '../carried-fields.ts';
import { ModelFolder } from '../load-model.ts';
import { writeModelFiles } from '../save-model.ts';
import type { TensorSource } from '../tensor-data.ts';
import { isAdapterFolder } from './adapter-config.ts';
import { AdapterFolder } from './adapter-folder.ts';
import { baseFolderOf } from './base-folder.ts';
import { mergedModel } from './merge-adapter.ts';

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
 * Writes the model of a folder, or of a peft adapter together with its base model, into a new
 * folder of Hugging Face. Throws ERR_ARGUMENT when `out` holds a model, ERR_OPTION for `base`
 * beside a model, and the errors of reading and writing.
 */
export async function convertModel(model: string, options: ConvertOptions): Promise<ConvertReport> {
  const { out } = options;
  if (existsSync(join(out, 'config.json')) || isWithin(out, model)) {
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
  const files = ModelFolder.open(model);
  try {
    const parameters = [...files.shapes].map(([name, shape]): [string, TensorSource] => [
      name,
      { dtype: files.dtypeOf(name), shape, data: () => files.read(name).data },
    ]);
    return await write(files.description, parameters, { ...options, from: model, tokenizer: model });
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
      return { ...(await write(description, parameters, { ...options, from, tokenizer })), base: from };
    } finally {
      base.close();
    }
  } finally {
    adapter.close();
  }
}

interface Sources extends ConvertOptions {
  /** The folder with the configuration. */
  from: string;
  tokenizer: string;
}

async function write(
  { config, head, labels, padTokenId, scoreToken }: ModelDescription,
  parameters: [string, TensorSource][],
  { out, from, tokenizer, dtype }: Sources,
): Promise<ConvertReport> {
  const { config: configFields, generation: generationConfig } = readCarriedFields(from);
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
