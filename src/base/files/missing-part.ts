/** Errors about folders that lack a part of a model. They say what such a folder is instead. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../errors.ts';
import { quoted } from '../json.ts';
import { readJsonObject } from './read-file.ts';

/** The error for a folder without the file `name` of a model. */
export function missingPart(folder: string, name: string): AthanorError {
  const has = (file: string) => existsSync(join(folder, file));
  if (has('adapter_config.json')) return adapter(folder);
  const what = `${folder} has no ${name}`;
  if (has('checkpoints')) {
    const remedy = `it is the folder of an unfinished run: name one of the folders in ${join(folder, 'checkpoints')}`;
    return new AthanorError('ERR_FILE_MISSING', what, remedy);
  }
  const gguf = filesOf(folder).find((file) => file.endsWith('.gguf'));
  if (gguf !== undefined) {
    const remedy = 'name the folder of the model in safetensors that it was made from';
    return new AthanorError('ERR_FORMAT', `${what}, but ${gguf}, which is not supported`, remedy);
  }
  if (name === 'tokenizer.json' && (has('tokenizer.model') || has('vocab.json'))) {
    const remedy = 'AutoTokenizer.from_pretrained(folder).save_pretrained(folder) in transformers writes one';
    return new AthanorError('ERR_FILE_MISSING', `${what}, only a tokenizer of an older format`, remedy);
  }
  return new AthanorError('ERR_FILE_MISSING', what, 'name a folder with a whole model');
}

function adapter(folder: string): AthanorError {
  const { base_model_name_or_path: base } = readJsonObject(join(folder, 'adapter_config.json'));
  return new AthanorError(
    'ERR_FORMAT',
    `${folder} holds an adapter of the model ${quoted(base)}, not a whole model`,
    'merge the two with peft and name the new folder: ' +
      'PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(new)',
  );
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
