/**
 * adapter_config.json of a peft LoRA adapter (Hu et al., 2021; rsLoRA: Kalajdzievski, 2023; DoRA:
 * Liu et al., 2024). An option that changes what an adapter computes and is not supported is
 * refused by name.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { largest, readJsonObject } from '../../base/files/read-file.ts';
import { type JsonObject, type JsonValue, quoted } from '../../base/json.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** An adapter as its configuration describes it. */
export interface AdapterConfig {
  /** Where its author had the base model: a folder, or a name of the Hugging Face Hub. */
  readonly base: string | undefined;
  /** The rank of a module; undefined where an expression in rank_pattern may decide it. */
  readonly rankOf: (module: string) => number | undefined;
  /** `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA, for a module of this rank. */
  readonly scaleOf: (module: string, rank: number) => number;
  /** Whether linear layers have magnitudes (DoRA). */
  readonly isDora: boolean;
  /** Rows of the embedding that the adapter replaces. */
  readonly tokenIndices: readonly number[];
}

/** Options that must be absent, null, false or empty. */
const unsupported = [
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'layer_replication',
  'lora_bias',
  'monteclora_config',
  'target_parameters',
  'use_bdlora',
  'use_qalora',
  'velora_config',
];

/** Whether a folder holds a peft adapter and not a model. */
export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, ADAPTER_CONFIG)) && !existsSync(join(folder, 'config.json'));
}

/**
 * Reads adapter_config.json of a folder. Throws ERR_FILE_MISSING, ERR_FILE_DAMAGED, and ERR_FORMAT
 * that names an option that is not supported.
 */
export function readAdapterConfig(folder: string): AdapterConfig {
  const path = join(folder, ADAPTER_CONFIG);
  const json = readJsonObject(path, { most: largest.manifest });
  if (json.peft_type !== 'LORA') refuse(path, `peft_type ${quoted(json.peft_type)}`, 'supported: "LORA"');
  for (const key of unsupported) {
    if (isSet(json[key])) refuse(path, `${key} ${quoted(json[key])}`, 'merge the adapter with peft');
  }
  const useRoot = boolean(json, 'use_rslora', path);
  const alpha = number(json.lora_alpha ?? 8, 'lora_alpha', path);
  const alphas = pattern(json, 'alpha_pattern', path, (name) =>
    refuse(path, `the expression ${quoted(name)} in alpha_pattern`, 'name modules in full'),
  );
  const base = json.base_model_name_or_path;
  return {
    base: typeof base === 'string' && base !== '' ? base : undefined,
    rankOf: ranks(json, path),
    scaleOf: (module, rank) => (alphas(module) ?? alpha) / (useRoot ? Math.sqrt(rank) : rank),
    isDora: boolean(json, 'use_dora', path),
    tokenIndices: tokenIndices(json.trainable_token_indices ?? null, path),
  };
}

function isSet(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function refuse(path: string, what: string, remedy: string): never {
  throw new AthanorError('ERR_FORMAT', `${path}: ${what} is not supported`, remedy);
}

function fail(path: string, problem: string): never {
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: ${problem}`,
    'the file is damaged; write it again with peft',
  );
}

function number(value: JsonValue, key: string, path: string): number {
  if (typeof value !== 'number') fail(path, `expected ${key} to be a number but it is ${quoted(value)}`);
  if (!Number.isFinite(Math.fround(value))) fail(path, `expected ${key} to be finite but it is ${value}`);
  return value;
}

function ranks(json: JsonObject, path: string): AdapterConfig['rankOf'] {
  const rank = number(json.r ?? 8, 'r', path);
  if (!Number.isSafeInteger(rank) || rank < 1) {
    fail(path, `expected r to be a whole number of at least 1 but it is ${rank}`);
  }
  let hasExpressions = false;
  const named = pattern(json, 'rank_pattern', path, () => {
    hasExpressions = true;
  });
  return (module) => named(module) ?? (hasExpressions ? undefined : rank);
}

function boolean(json: JsonObject, key: string, path: string): boolean {
  const value = json[key] ?? false;
  if (typeof value !== 'boolean')
    fail(path, `expected ${key} to be true or false but it is ${quoted(value)}`);
  return value;
}

/**
 * The values of a table by module name. peft takes the first key that is the whole name or its last
 * parts. A key is a regular expression there. Names are read here, in which a dot is any character.
 * @param onExpression called for a key that is another expression; it fits no module
 */
function pattern(
  json: JsonObject,
  key: string,
  path: string,
  onExpression: (name: string) => void,
): (module: string) => number | undefined {
  const table = json[key] ?? {};
  if (typeof table !== 'object' || Array.isArray(table)) fail(path, `${key} is not an object`);
  const isName = (name: string) => /^\^?[\w.-]+$/.test(name);
  for (const name of Object.keys(table)) if (!isName(name)) onExpression(name);
  const entries = Object.entries(table)
    .filter(([name]) => isName(name))
    .map(([name, value]) => {
      const expression = new RegExp(`^(?:.*\\.)?${name}$`);
      return { expression, value: number(value!, `${key}.${name}`, path) };
    });
  return (module) => entries.find(({ expression }) => expression.test(module))?.value;
}

/** A list of rows of the input embedding, or a table with such a list for `embed_tokens`. */
function tokenIndices(value: JsonValue, path: string): number[] {
  const lists = value === null ? [[]] : Array.isArray(value) ? [value] : Object.values(value as JsonObject);
  const [list = [], ...others] = lists;
  const isList = Array.isArray(list) && list.every((id) => Number.isSafeInteger(id) && (id as number) >= 0);
  if (others.length > 0 || !isList) {
    refuse(path, `trainable_token_indices ${quoted(value)}`, 'supported: a list of token ids');
  }
  return list as number[];
}
