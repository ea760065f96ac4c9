/** The metadata of a GGUF file as config.json of the same model in a Hugging Face folder. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { maxLayers } from '../../nn/config.ts';
import { ggufFamilies } from './gguf-families.ts';
import type { GgufFile } from './gguf-reader.ts';
import { ropeScaling } from './import-rope.ts';
import { asWritten, MetadataFields } from './metadata-fields.ts';

/** Throws ERR_FORMAT for an architecture that is not supported and for fields that are missing. */
export function configOfGguf(file: GgufFile): JsonObject {
  const architecture = new MetadataFields(file, 'general').text('general.architecture');
  const fields = new MetadataFields(file, architecture);
  const family = familyName(fields);
  const shared = sharedFields(fields, family);
  switch (family) {
    case 'gpt2':
      return { ...shared, ...gpt2Fields(fields) };
    case 'gpt_neox':
      return { ...shared, ...neoxFields(fields) };
    case 'gemma2':
    case 'gemma3_text':
      return { ...shared, ...llamaFields(fields), ...gemmaFields(fields, family) };
    case 'olmo3':
      return { ...shared, ...llamaFields(fields), ...windowFields(fields, family, { sliding_window: 4096 }) };
    case 'phi3':
      return { ...shared, ...llamaFields(fields), ...phi3Fields(fields) };
    default:
      return { ...shared, ...llamaFields(fields), ...biasFields(fields, family) };
  }
}

/** Of several families with an architecture, the one that the file describes. */
function familyName(fields: MetadataFields): string {
  const { architecture, file } = fields;
  if (architecture === 'olmo2') return fields.own('attention.sliding_window', 0) > 0 ? 'olmo3' : 'olmo2';
  const [name] =
    Object.entries(ggufFamilies).find(([, family]) => family.architecture === architecture) ?? [];
  if (name !== undefined) return name;
  const known = [...new Set(Object.values(ggufFamilies).map((family) => family.architecture))];
  throw new AthanorError(
    'ERR_FORMAT',
    `${file.path}: the architecture ${architecture} is not supported`,
    `supported: ${known.join(', ')}`,
  );
}

function sharedFields(fields: MetadataFields, family: string): JsonObject {
  const { file } = fields;
  const embedding = file.tensors.get('token_embd.weight');
  if (!embedding) fields.fail('token_embd.weight is missing');
  return {
    model_type: family,
    vocab_size: embedding.shape[0]!,
    tie_word_embeddings: !file.tensors.has('output.weight'),
    ...Object.fromEntries(['bos_token_id', 'eos_token_id'].flatMap((key) => tokenId(file, key))),
  };
}

function tokenId({ metadata }: GgufFile, key: string): [string, number][] {
  const id = metadata.get(`tokenizer.ggml.${key}`);
  return typeof id === 'number' ? [[key, id]] : [];
}

function gpt2Fields(fields: MetadataFields): JsonObject {
  return {
    architectures: ['GPT2LMHeadModel'],
    n_positions: fields.own('context_length'),
    n_embd: fields.own('embedding_length'),
    n_layer: fields.own('block_count'),
    n_head: fields.own('attention.head_count'),
    n_inner: fields.own('feed_forward_length'),
    layer_norm_epsilon: fields.written('attention.layer_norm_epsilon'),
  };
}

function neoxFields(fields: MetadataFields): JsonObject {
  const [hidden, heads] = [fields.own('embedding_length'), fields.own('attention.head_count')];
  const scaling = ropeScaling(fields);
  return {
    max_position_embeddings: fields.own('context_length'),
    hidden_size: hidden,
    num_hidden_layers: fields.own('block_count'),
    num_attention_heads: heads,
    intermediate_size: fields.own('feed_forward_length'),
    layer_norm_eps: fields.written('attention.layer_norm_epsilon'),
    hidden_act: 'gelu',
    use_parallel_residual: fields.value('use_parallel_residual') === true,
    rotary_pct: (fields.own('rope.dimension_count') * heads) / hidden,
    rotary_emb_base: fields.written('rope.freq_base', 10_000),
    ...(scaling && { rope_scaling: scaling }),
  };
}

function llamaFields(fields: MetadataFields): JsonObject {
  const heads = fields.own('attention.head_count');
  const scaling = ropeScaling(fields);
  return {
    max_position_embeddings: fields.own('context_length'),
    hidden_size: fields.own('embedding_length'),
    num_hidden_layers: fields.own('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: fields.own('attention.head_count_kv', heads),
    head_dim: fields.own('attention.key_length', fields.own('embedding_length') / heads),
    intermediate_size: fields.own('feed_forward_length'),
    rms_norm_eps: fields.written('attention.layer_norm_rms_epsilon'),
    hidden_act: 'silu',
    rope_theta: fields.written('rope.freq_base', 10_000),
    ...(scaling && { rope_scaling: scaling }),
  };
}

function biasFields({ file, architecture }: MetadataFields, family: string): JsonObject {
  const has = (tensor: string) => file.tensors.has(tensor);
  return {
    ...(family === 'smollm3' && { no_rope_layer_interval: 4 }),
    attention_bias: architecture !== 'qwen2' && has('blk.0.attn_q.bias'),
    ...(family === 'llama' && { mlp_bias: has('blk.0.ffn_up.bias') }),
  };
}

function phi3Fields(fields: MetadataFields): JsonObject {
  const width = fields.own('embedding_length') / fields.own('attention.head_count');
  const original = fields.value('rope.scaling.original_context_length');
  return {
    partial_rotary_factor: fields.own('rope.dimension_count', width) / width,
    // llama.cpp has no windows in this family.
    sliding_window: null,
    ...(typeof original === 'number' && { original_max_position_embeddings: original }),
  };
}

function gemmaFields(fields: MetadataFields, family: 'gemma2' | 'gemma3_text'): JsonObject {
  const isSecond = family === 'gemma2';
  const [hidden, heads] = [fields.own('embedding_length'), fields.own('attention.head_count')];
  const wide = fields.own('block_count') === (isSecond ? 46 : 62);
  const cap = (key: string, otherwise: number) => fields.written(key, otherwise);
  return {
    hidden_activation: 'gelu_pytorch_tanh',
    query_pre_attn_scalar: wide
      ? Math.floor(hidden / heads)
      : fields.own('attention.key_length', hidden / heads),
    ...(isSecond && {
      attn_logit_softcapping: cap('attn_logit_softcapping', 50),
      final_logit_softcapping: cap('final_logit_softcapping', 30),
    }),
    ...(!isSecond && { rope_local_base_freq: asWritten(fields.own('rope.freq_base_swa', 10_000)) }),
    ...windowFields(fields, family, isSecond ? { sliding_window: 4096 } : {}),
  };
}

/** @param otherwise the fields where the file does not have the width */
function windowFields(fields: MetadataFields, family: string, otherwise: JsonObject): JsonObject {
  const every = ggufFamilies[family]!.fullEvery!;
  const layers = fields.own('block_count');
  const isFull = (layer: number) => (layer + 1) % every === 0;
  const pattern = fields.value('attention.sliding_window_pattern') ?? every;
  const isUsual = Array.isArray(pattern)
    ? pattern.every((isSliding, layer) => isSliding === !isFull(layer))
    : pattern === every;
  if (!isUsual) fields.fail('its windows are in other layers than those of the published models');
  const length = Math.min(layers, maxLayers);
  const types = Array.from({ length }, (_, i) => (isFull(i) ? 'full_attention' : 'sliding_attention'));
  const window = fields.value('attention.sliding_window');
  return { ...(typeof window === 'number' ? { sliding_window: window } : otherwise), layer_types: types };
}
