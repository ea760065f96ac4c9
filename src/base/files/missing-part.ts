/** Errors about folders that lack a part of a model. They say what such a folder is instead. */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../errors.ts';
import { quoted } from '../json.ts';
import { readJsonObject } from './read-file.ts';

/** The error for a folder without the file `name` of a model. */
export function missingPart(folder: string, name: string): AthanorError {
  const has = (file: string) => existsSync(join(folder, file));
  if (isGguf(folder)) {
    return new AthanorError(
      'ERR_FORMAT',
      `${folder} is a GGUF file, not the folder of a model`,
      conversion(folder),
    );
  }
  if (has('adapter_config.json')) return adapter(folder);
  const what = `${folder} has no ${name}`;
  if (has('checkpoints')) {
    const remedy = `it is the folder of an unfinished run: name one of the folders in ${join(folder, 'checkpoints')}`;
    return new AthanorError('ERR_FILE_MISSING', what, remedy);
  }
  const gguf = filesOf(folder).find((file) => file.endsWith('.gguf'));
  if (gguf !== undefined) {
    return new AthanorError('ERR_FORMAT', `${what}, but ${gguf}`, conversion(join(folder, gguf)));
  }
  if (name === 'tokenizer.json' && has('vocab.json')) {
    const remedy = 'AutoTokenizer.from_pretrained(folder).save_pretrained(folder) in transformers writes one';
    return new AthanorError('ERR_FILE_MISSING', `${what}, only a tokenizer of an older format`, remedy);
  }
  return new AthanorError('ERR_FILE_MISSING', what, 'name a folder with a whole model');
}

/** Whether a file begins as those of llama.cpp do. */
export function isGguf(path: string): boolean {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const magic = Buffer.alloc(4);
    return fstatSync(file).isFile() && readSync(file, magic) === 4 && magic.toString('latin1') === 'GGUF';
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The line that makes a folder of a GGUF file. */
function conversion(path: string): string {
  return `make a folder of it: npx athanor convert --model ${path} --out ${path.replace(/\.gguf$/i, '')}-folder`;
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
