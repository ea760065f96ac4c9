/**
 * A model that is named on the command line may be an adapter of peft. It is merged with its base
 * once, in the cache of this machine, and the command gets the merged model.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { createFolder } from '../base/files/create-folder.ts';
import { cacheFolder } from '../base/machine.ts';
import type { OptionSpecs } from './options.ts';

/** The values of a command with the merged model in place of each adapter. */
export async function withMergedModels(
  values: Readonly<Record<string, unknown>>,
  options: OptionSpecs,
): Promise<Record<string, unknown>> {
  const merged = { ...values };
  for (const [key, { isModel }] of Object.entries(options)) {
    const value = merged[key];
    if (isModel && typeof value === 'string') merged[key] = await mergedFolder(value);
  }
  return merged;
}

/** The folder itself; for an adapter, that of the merged model. */
export async function mergedFolder(folder: string): Promise<string> {
  const { isAdapterFolder, ADAPTER_CONFIG, ADAPTER_WEIGHTS, readAdapterConfig } = await import(
    '../checkpoint/peft/adapter-config.ts'
  );
  if (!isAdapterFolder(folder)) return folder;
  const { baseFolderOf } = await import('../checkpoint/peft/base-folder.ts');
  const base = baseFolderOf(folder, readAdapterConfig(folder));
  const hash = createHash('sha256').update(base);
  for (const name of [ADAPTER_CONFIG, ADAPTER_WEIGHTS]) {
    const path = join(folder, name);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  for (const name of ['config.json', 'model.safetensors', 'model.safetensors.index.json']) {
    const path = join(base, name);
    if (!existsSync(path)) continue;
    const { size, mtimeMs } = statSync(path);
    hash.update(`${name} ${size} ${mtimeMs}`);
  }
  // The folder has the adapter's name, since models are named after their folders.
  const out = join(cacheFolder(), 'merged', hash.digest('hex').slice(0, 32), basename(resolve(folder)));
  const place = `${folder} is an adapter of ${base}`;
  if (existsSync(out)) {
    process.stderr.write(`${place}; the merged model is in ${out}\n`);
    return out;
  }
  const { convertModel } = await import('../checkpoint/convert/convert-model.ts');
  await createFolder(out, (temporary) => convertModel(folder, { out: temporary, base }));
  process.stderr.write(`${place}; the merged model was written to ${out}\n`);
  return out;
}
