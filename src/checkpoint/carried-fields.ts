/**
 * What the configuration files of a model folder say beyond the shape of the model: sampling
 * defaults, token ids, fields of other programs. A stage reads them from the folder that it starts
 * from, and writes them into the folder that it makes.
 */
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { readFolderJson } from './folder-json.ts';
import { endsIn, modelEnds, type TextEnds } from './text-ends.ts';

/** Fields to write beside those of the model itself, which replace fields of the same name. */
export interface CarriedFields {
  config: JsonObject;
  generation: JsonObject;
}

/** Fields of config.json that are not true of another model, or that another field says better. */
const untrueInConfig = [
  '_name_or_path',
  'auto_map',
  // The file that is written names the type of its own weights, and what its layers rotate by.
  'dtype',
  'torch_dtype',
  'num_labels',
  'quantization_config',
  'rope_parameters',
  'transformers_version',
];
const untrueInGeneration = ['_from_model_config', 'transformers_version'];

/** Before generation_config.json there was, config.json had the sampling defaults. */
const samplingFields = [
  'do_sample',
  'length_penalty',
  'max_length',
  'max_new_tokens',
  'min_length',
  'min_p',
  'no_repeat_ngram_size',
  'num_beams',
  'repetition_penalty',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
];

/** Reads the fields of a folder. Throws ERR_FORMAT. */
export function readCarriedFields(folder: string): CarriedFields {
  const config = readFolderJson(folder, 'config.json') ?? {};
  const stored = readFolderJson(folder, 'generation_config.json');
  const older = Object.entries(config).filter(([key]) => samplingFields.includes(key));
  // A new generation_config.json hides the ids of config.json from transformers.
  const generation = { ...(stored ?? Object.fromEntries(older)), ...idFields(modelEnds(folder), config) };
  return {
    config: {
      ...without(config, [...untrueInConfig, ...samplingFields]),
      ...without(idFields(endsIn(config, join(folder, 'config.json')), config), []),
    },
    generation: without(generation, untrueInGeneration),
  };
}

/** Without ids that the model has no row for: rows that are added later are other tokens. */
function idFields(ends: TextEnds, { vocab_size: rows }: JsonObject): JsonObject {
  const fields: JsonObject = {};
  for (const role of ['bos', 'eos', 'pad'] as const) {
    const ids = ends[role]?.ids.filter((id) => typeof rows !== 'number' || id < rows) ?? [];
    fields[`${role}_token_id`] = ids.length > 1 ? ids : (ids[0] ?? null);
  }
  return fields;
}

function without(fields: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter(([key, value]) => !keys.includes(key) && value !== null),
  );
}

/** One list of ids without repetitions, where each value is an id, a list of ids or nothing. */
export function joinIds(...values: (JsonValue | undefined)[]): number[] {
  const ids = values.flatMap((value) => value ?? []);
  return [...new Set(ids)].filter((id): id is number => typeof id === 'number');
}
