/**
 * Hugging Face's config.json for the two architectures, both ways. Whatever would change what the model computes and is
 * not supported is refused by name; dropout is not part of a model here (written as 0, ignored when read).
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { type Architecture, type HeadKind, type ModelConfig, validateConfig } from './config.ts';

export interface ModelDescription {
  config: ModelConfig;
  head: HeadKind;
  /** Outputs of a score head; 1 for a language model. */
  labels: number;
}

const classNames: Record<Architecture, Record<HeadKind, string>> = {
  gpt2: { 'language-model': 'GPT2LMHeadModel', score: 'GPT2ForSequenceClassification' },
  llama: { 'language-model': 'LlamaForCausalLM', score: 'LlamaForSequenceClassification' },
};

/** All architecture names that can be read. */
export const architectureNames: readonly string[] = Object.values(classNames).flatMap(Object.values<string>);

export interface ConfigJsonOptions {
  head?: HeadKind;
  labels?: number;
  /** dtype of the weights beside it. */
  dtype?: 'f32' | 'bf16';
  /** transformers needs one to score a batch of unequal length. */
  padTokenId?: number;
}

/** The config.json of a model, with every field that transformers, vLLM or llama.cpp's converter read. */
export function configToJson(config: ModelConfig, options: ConfigJsonOptions = {}): JsonObject {
  const { head = 'language-model', labels = 1, dtype = 'f32', padTokenId } = options;
  const json: JsonObject = {
    architectures: [classNames[config.architecture][head]],
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    ...(config.architecture === 'gpt2' ? gpt2Fields(config) : llamaFields(config)),
    initializer_range: config.initializerRange,
    tie_word_embeddings: config.tiedHead,
    // null, because transformers takes its own default (50256, or 1 and 2) where the key is missing.
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenId ?? null,
    use_cache: true,
    torch_dtype: dtype === 'f32' ? 'float32' : 'bfloat16',
  };
  if (padTokenId !== undefined) json.pad_token_id = padTokenId;
  if (head === 'score') {
    // transformers counts the labels by their names.
    const names = Array.from({ length: labels }, (_, i) => `LABEL_${i}`);
    json.id2label = Object.fromEntries(names.map((name, i) => [String(i), name]));
    json.label2id = Object.fromEntries(names.map((name, i) => [name, i]));
  }
  return json;
}

function gpt2Fields(config: ModelConfig): JsonObject {
  return {
    n_embd: config.hiddenSize,
    n_layer: config.layers,
    n_head: config.heads,
    n_positions: config.contextLength,
    n_ctx: config.contextLength,
    n_inner: config.intermediateSize === 4 * config.hiddenSize ? null : config.intermediateSize,
    activation_function: 'gelu_new',
    layer_norm_epsilon: config.normEps,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    reorder_and_upcast_attn: false,
    add_cross_attention: false,
  };
}

function llamaFields(config: ModelConfig): JsonObject {
  return {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.contextLength,
    hidden_act: 'silu',
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    attention_bias: false,
    attention_dropout: 0,
    mlp_bias: false,
    pretraining_tp: 1,
  };
}

/** One config.json being read: every problem names it. */
class Fields {
  constructor(
    readonly json: JsonObject,
    readonly path: string,
  ) {}

  fail(problem: string): never {
    throw new AthanorError('ERR_FORMAT', `${this.path}: ${problem}`, 'the file is damaged; write it again');
  }

  unsupported(what: string): never {
    const remedy = `supported are ${architectureNames.join(', ')} with default options`;
    throw new AthanorError('ERR_FORMAT', `${this.path}: ${what} is not supported`, remedy);
  }

  /** null is how Python spells an absent value. */
  value(key: string): JsonValue | undefined {
    return this.json[key] ?? undefined;
  }

  number(key: string, otherwise?: number): number {
    const value = this.value(key) ?? otherwise;
    if (typeof value !== 'number') this.fail(`expected ${key} to be a number but it is ${describe(value)}`);
    return value;
  }

  boolean(key: string, otherwise: boolean): boolean {
    const value = this.value(key) ?? otherwise;
    if (typeof value !== 'boolean')
      this.fail(`expected ${key} to be true or false but it is ${describe(value)}`);
    return value;
  }

  /** A token id, or the first of several. */
  tokenId(key: string): number | undefined {
    const value = this.value(key);
    const id = Array.isArray(value) ? value[0] : value;
    if (id !== undefined && typeof id !== 'number')
      this.fail(`expected ${key} to be a token id but it is ${describe(id)}`);
    return id;
  }

  /** Refuses an option that has any value but these; absent is fine. */
  only(key: string, ...allowed: JsonValue[]): void {
    const value = this.value(key);
    if (value !== undefined && !allowed.includes(value)) this.unsupported(`${key} ${describe(value)}`);
  }
}

function describe(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Reads a parsed config.json; `path` is for messages. Throws ERR_FORMAT, or ERR_CONFIG for impossible shapes. */
export function configFromJson(value: JsonValue, path: string): ModelDescription {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${path}: expected an object but it is ${describe(value)}`,
      'name the config.json of a model',
    );
  }
  const fields = new Fields(value, path);
  const { architecture, head } = readArchitecture(fields);
  fields.only('quantization_config');
  const config = architecture === 'gpt2' ? readGpt2(fields) : readLlama(fields);
  const bosTokenId = fields.tokenId('bos_token_id');
  const eosTokenId = fields.tokenId('eos_token_id');
  if (bosTokenId !== undefined) config.bosTokenId = bosTokenId;
  if (eosTokenId !== undefined) config.eosTokenId = eosTokenId;
  validateConfig(config, path);
  return { config, head, labels: head === 'score' ? readLabels(fields) : 1 };
}

function readArchitecture(fields: Fields): { architecture: Architecture; head: HeadKind } {
  const type = fields.value('model_type');
  if (type !== 'gpt2' && type !== 'llama') fields.unsupported(`model_type ${describe(type)}`);
  const names = fields.value('architectures');
  if (names === undefined) return { architecture: type, head: 'language-model' };
  const name = Array.isArray(names) ? names[0] : undefined;
  for (const head of ['language-model', 'score'] as const) {
    if (name === classNames[type][head]) return { architecture: type, head };
  }
  fields.unsupported(`the architecture ${describe(name ?? names)}`);
}

function readGpt2(fields: Fields): ModelConfig {
  // Three names of the one tanh formula.
  fields.only('activation_function', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast');
  fields.only('scale_attn_weights', true);
  fields.only('scale_attn_by_inverse_layer_idx', false);
  fields.only('add_cross_attention', false);
  const hiddenSize = fields.number('n_embd', 768);
  const heads = fields.number('n_head', 12);
  return {
    architecture: 'gpt2',
    vocabSize: fields.number('vocab_size', 50257),
    contextLength: fields.number('n_positions', 1024),
    hiddenSize,
    layers: fields.number('n_layer', 12),
    heads,
    kvHeads: heads,
    headDim: hiddenSize / heads,
    intermediateSize: fields.number('n_inner', 4 * hiddenSize),
    normEps: fields.number('layer_norm_epsilon', 1e-5),
    ropeTheta: 10_000,
    tiedHead: fields.boolean('tie_word_embeddings', true),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

function readLlama(fields: Fields): ModelConfig {
  fields.only('hidden_act', 'silu', 'swish');
  fields.only('attention_bias', false);
  fields.only('mlp_bias', false);
  fields.only('partial_rotary_factor', 1);
  const hiddenSize = fields.number('hidden_size');
  const heads = fields.number('num_attention_heads');
  return {
    architecture: 'llama',
    vocabSize: fields.number('vocab_size'),
    contextLength: fields.number('max_position_embeddings', 2048),
    hiddenSize,
    layers: fields.number('num_hidden_layers'),
    heads,
    kvHeads: fields.number('num_key_value_heads', heads),
    headDim: fields.number('head_dim', hiddenSize / heads),
    intermediateSize: fields.number('intermediate_size'),
    normEps: fields.number('rms_norm_eps', 1e-6),
    ropeTheta: readRopeTheta(fields),
    tiedHead: fields.boolean('tie_word_embeddings', false),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

/** transformers 5 moved rope_theta and rope_scaling into rope_parameters. */
function readRopeTheta(fields: Fields): number {
  let theta = fields.number('rope_theta', 10_000);
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const rope = fields.value(key);
    if (rope === undefined) continue;
    if (typeof rope !== 'object' || rope === null || Array.isArray(rope)) {
      fields.fail(`expected ${key} to be an object but it is ${describe(rope)}`);
    }
    const inner = new Fields(rope, `${fields.path}: ${key}`);
    for (const type of ['rope_type', 'type']) {
      const value = inner.value(type) ?? 'default';
      if (value !== 'default') fields.unsupported(`${key} of ${type} ${describe(value)}`);
    }
    inner.only('partial_rotary_factor', 1);
    theta = inner.number('rope_theta', theta);
  }
  return theta;
}

function readLabels(fields: Fields): number {
  const names = fields.value('id2label');
  if (names === undefined) return fields.number('num_labels', 2);
  if (typeof names !== 'object' || names === null || Array.isArray(names)) {
    fields.fail(`expected id2label to be an object but it is ${describe(names)}`);
  }
  const labels = Object.keys(names).length;
  if (labels === 0) fields.fail('id2label names no label');
  return labels;
}
