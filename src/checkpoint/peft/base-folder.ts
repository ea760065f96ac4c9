/** Finds the model that an adapter was trained from. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import type { AdapterConfig } from './adapter-config.ts';

/**
 * The folder of the base model of an adapter: what adapter_config.json names, as a path, as a path
 * from the adapter's folder, or as a name in the Hugging Face cache of this machine. Throws
 * ERR_FILE_MISSING.
 */
export function baseFolderOf(adapter: string, { base }: AdapterConfig): string {
  if (base === undefined) throw missing(adapter, 'which does not name its base model');
  const found = [base, join(adapter, base), ...cachedSnapshots(base)].find(isModel);
  if (found === undefined) throw missing(adapter, `whose base model ${base} is not on this machine`);
  return resolve(found);
}

function missing(adapter: string, what: string): AthanorError {
  return new AthanorError(
    'ERR_FILE_MISSING',
    `${adapter} is an adapter ${what}`,
    `merge it with: athanor convert --model ${adapter} --base FOLDER --out MERGED`,
  );
}

function isModel(folder: string): boolean {
  return existsSync(join(folder, 'config.json'));
}

/** The folders of a model in the cache of huggingface_hub, the one of `main` first. */
function cachedSnapshots(name: string): string[] {
  if (isAbsolute(name) || !/^[\w.-]+(\/[\w.-]+)?$/.test(name)) return [];
  const home = process.env.HF_HOME ?? join(homedir(), '.cache', 'huggingface');
  const cache = process.env.HF_HUB_CACHE ?? join(home, 'hub');
  const model = join(cache, `models--${name.replace('/', '--')}`);
  const snapshots = join(model, 'snapshots');
  if (!existsSync(snapshots)) return [];
  const main = join(model, 'refs', 'main');
  const first = existsSync(main) ? [readFileSync(main, 'utf8').trim()] : [];
  return [...first, ...readdirSync(snapshots)].map((revision) => join(snapshots, revision));
}
