/** Gpt models in Hugging Face folders, one tensor at a time: no second copy of the model exists in memory. */
import { AthanorError } from '../native/errors.ts';
import type { ModelConfig } from '../nn/config.ts';
import { Gpt, type GptOptions } from '../nn/gpt.ts';
import type { WrittenFile } from './durable.ts';
import { ModelFolder } from './load-model.ts';
import { saveModel } from './save-model.ts';
import { f32FromBf16, type TensorSource } from './tensor-data.ts';

/** Throws what ModelFolder.open does, and ERR_MISMATCH for a folder whose head is no language model's. */
export function loadGpt(folder: string, options: GptOptions = {}): Gpt {
  const files = ModelFolder.open(folder);
  try {
    const { config, head } = files.description;
    if (head !== 'language-model') {
      throw new AthanorError(
        'ERR_MISMATCH',
        `${folder} is a scoring model, not a language model`,
        'name another folder',
      );
    }
    const model = new Gpt(config, options);
    for (const [name, parameter] of model.parameters()) {
      const value = files.read(name);
      parameter.write(value.dtype === 'bf16' ? f32FromBf16(value.data) : value.data);
    }
    return model;
  } finally {
    files.close();
  }
}

export interface SaveGptOptions {
  /** Folder whose tokenizer files go along. */
  tokenizer?: string;
  dtype?: 'f32' | 'bf16';
}

export function saveGpt(folder: string, model: Gpt, options: SaveGptOptions = {}): Promise<WrittenFile[]> {
  const parameters = [...model.parameters()].map(([name, parameter]) => {
    const source: TensorSource = { dtype: 'f32', shape: parameter.shape, data: () => parameter.toFloats() };
    return [name, source] as const;
  });
  return saveModel(folder, { config: model.config satisfies ModelConfig, parameters, ...options });
}
