/**
 * config.json of Hugging Face, read and written: the fields that all families have. families/ has
 * the others. An option that changes the results of a model and is not supported is refused by
 * name. Models here have no dropout: it is written as 0 and ignored when read.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import type { HeadKind, ModelConfig } from './config.ts';
import { ConfigFields, spell } from './families/config-fields.ts';
import type { Family } from './families/family.ts';
import { families, familyNames, findFamily } from './families/registry.ts';
import { readQuantization, type StoredQuantization } from './quantization-config.ts';
import type { ScoreReading } from './scoring-model.ts';
import { validateConfig } from './validate-config.ts';

/** A model as config.json describes it. */
export interface ModelDescription {
  config: ModelConfig;
  head: HeadKind;
  /** Outputs of a score head; 1 for a language model. */
  labels: number;
  /** Of a model with a score head: the token with which transformers pads. */
  padTokenId?: number | undefined;
  /** The token that a score head reads, if the file says so. */
  scoreToken?: ScoreReading['token'] | undefined;
  /** Of weights that are stored in f8 with scales. */
  quantization?: StoredQuantization;
}

const SCORE_TOKENS = ['last', 'end'] as const satisfies readonly ScoreReading['token'][];

/** Every class name of transformers that can be read. */
export const architectureNames: readonly string[] = families.flatMap(({ classNames }) =>
  Object.values<string>(classNames),
);

export interface ConfigJsonOptions {
  head?: HeadKind;
  labels?: number;
  /** The dtype of the weights in the same folder. */
  dtype?: 'f32' | 'bf16';
  /** transformers needs it to score a batch of sequences of unequal length. */
  padTokenId?: number | undefined;
  /** The token that a score head reads. */
  scoreToken?: ScoreReading['token'] | undefined;
  /** Further fields. Those that describe the model are replaced. */
  fields?: JsonObject;
}

/**
 * The config.json of a model, with every field that transformers, vLLM or llama.cpp reads. Throws
 * ERR_CONFIG for an unknown family.
 */
export function configToJson(config: ModelConfig, options: ConfigJsonOptions = {}): JsonObject {
  const { head = 'language-model', labels = 1, dtype = 'f32', padTokenId, scoreToken, fields = {} } = options;
  const family = familyOf(config);
  const json: JsonObject = {
    architectures: [family.classNames[head]],
    model_type: family.name,
    vocab_size: config.vocabSize,
    ...family.writeConfig(config),
    initializer_range: config.initializerRange,
    tie_word_embeddings: config.tiedHead,
    // null, because transformers takes its own default (50256, or 1 and 2) for a missing key.
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenId ?? null,
    use_cache: true,
    dtype: dtype === 'f32' ? 'float32' : 'bfloat16',
  };
  const { pad_token_id: pad, eos_token_id: ends, ...others } = fields;
  for (const [key, value] of Object.entries(others)) json[key] ??= value;
  if (padTokenId !== undefined || pad !== undefined) json.pad_token_id = padTokenId ?? pad!;
  if (Array.isArray(ends) && ends[0] === config.eosTokenId) json.eos_token_id = ends;
  if (head === 'score') {
    // transformers keeps keys that it does not know.
    if (scoreToken !== undefined) json.athanor_score_token = scoreToken;
    // transformers counts the labels by their names.
    const names = Array.from({ length: labels }, (_, i) => `LABEL_${i}`);
    json.id2label = Object.fromEntries(names.map((name, i) => [String(i), name]));
    json.label2id = Object.fromEntries(names.map((name, i) => [name, i]));
  }
  return json;
}

/** The family of a configuration. Throws ERR_CONFIG when there is none of that name. */
export function familyOf(config: ModelConfig): Family {
  const family = findFamily(config.architecture);
  if (family) return family;
  throw new AthanorError(
    'ERR_CONFIG',
    `there is no model family ${JSON.stringify(config.architecture)}`,
    `the families are ${familyNames.join(', ')}`,
  );
}

/**
 * Reads a parsed config.json. Throws ERR_FORMAT, or ERR_CONFIG for a model that cannot be built.
 * @param path of the file, for messages
 */
export function configFromJson(value: JsonValue, path: string): ModelDescription {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${path}: expected an object but it is ${spell(value)}`,
      'name the config.json of a model',
    );
  }
  const fields = new ConfigFields(value, path);
  const family = readFamily(fields);
  const head = readHead(fields, family);
  const quantization = readQuantization(fields);
  const config = family.readConfig(fields);
  const bosTokenId = fields.tokenId('bos_token_id', config.vocabSize);
  const eosTokenId = fields.tokenId('eos_token_id', config.vocabSize);
  if (bosTokenId !== undefined) config.bosTokenId = bosTokenId;
  if (eosTokenId !== undefined) config.eosTokenId = eosTokenId;
  validateConfig(config, path);
  const stored = { config, head, ...(quantization && { quantization }) };
  if (head !== 'score') return { ...stored, labels: 1 };
  const reading = {
    padTokenId: fields.tokenId('pad_token_id', config.vocabSize),
    scoreToken: readScoreToken(fields),
  };
  return { ...stored, labels: readLabels(fields), ...reading };
}

function readScoreToken(fields: ConfigFields): ScoreReading['token'] | undefined {
  fields.only('athanor_score_token', ...SCORE_TOKENS);
  return fields.value('athanor_score_token') as ScoreReading['token'] | undefined;
}

function readFamily(fields: ConfigFields): Family {
  const type = fields.value('model_type');
  const family = typeof type === 'string' ? findFamily(type) : undefined;
  return family ?? fields.unsupported(`model_type ${spell(type)}`, familyNames);
}

function readHead(fields: ConfigFields, { classNames, trunkName }: Family): HeadKind {
  const names = fields.value('architectures');
  if (names === undefined) return 'language-model';
  const name = Array.isArray(names) ? names[0] : undefined;
  for (const head of ['language-model', 'score'] as const) {
    if (name === classNames[head]) return head;
  }
  // The trunk alone is stored with the same tensors, and transformers reads it as a language model.
  const trunk = trunkName ?? classNames['language-model'].replace(/LMHeadModel$|ForCausalLM$/, 'Model');
  if (name === trunk || (Array.isArray(names) && names.length === 0)) return 'language-model';
  return fields.unsupported(`the architecture ${spell(name ?? names)}`, architectureNames);
}

function readLabels(fields: ConfigFields): number {
  const names = fields.object('id2label');
  if (names === undefined) return fields.number('num_labels', 2);
  const labels = Object.keys(names.json).length;
  if (labels === 0) fields.fail('id2label names no label');
  return labels;
}
