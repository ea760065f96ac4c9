/**
 * GPT-NeoX and Pythia (Black et al., 2022; Biderman et al., 2023): layer norm, biases, GELU,
 * partial rotation, and branches that both read the stream as it was before the block. On disk the
 * rows of queries, keys and values follow each other head by head.
 */
import type { Activation, ModelConfig } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family } from './family.ts';
import { contextWithin, maxPositionsOf, readRope, writeRope } from './rope-fields.ts';

function readActivation(fields: ConfigFields): Activation {
  const tanhForms = ['gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'];
  fields.only('hidden_act', 'gelu', ...tanhForms);
  return tanhForms.includes(String(fields.value('hidden_act'))) ? 'gelu' : 'gelu-erf';
}

function readSizes(fields: ConfigFields) {
  const hiddenSize = fields.number('hidden_size');
  const heads = fields.number('num_attention_heads');
  return {
    vocabSize: fields.number('vocab_size'),
    contextLength: fields.number('max_position_embeddings', 2048),
    hiddenSize,
    layers: fields.number('num_hidden_layers'),
    heads,
    kvHeads: heads,
    headDim: hiddenSize / heads,
    intermediateSize: fields.number('intermediate_size'),
    normEps: fields.number('layer_norm_eps', 1e-5),
    tiedHead: fields.boolean('tie_word_embeddings', false),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

export const gptNeox: Family = {
  name: 'gpt_neox',
  classNames: { 'language-model': 'GPTNeoXForCausalLM', score: 'GPTNeoXForSequenceClassification' },
  readConfig(fields): ModelConfig {
    const sizes = readSizes(fields);
    const attentionBias = fields.boolean('attention_bias', true);
    const rope = readRope(fields, {
      headDim: sizes.headDim,
      maxPositions: sizes.contextLength,
      theta: 10_000,
      thetaField: 'rotary_emb_base',
      partial: 0.25,
      partialField: 'rotary_pct',
    });
    return {
      architecture: 'gpt_neox',
      norm: 'layer',
      positionTable: false,
      ...sizes,
      contextLength: contextWithin(rope, sizes.contextLength),
      blocks: [
        {
          rope,
          ...(fields.boolean('use_parallel_residual', true) && { parallel: true }),
          qkvBias: attentionBias,
          queryKeyNorm: 'none',
          outputBias: attentionBias,
          activation: readActivation(fields),
          mlpBias: true,
        },
      ],
    };
  },
  writeConfig(config) {
    const { rope, parallel, qkvBias, activation } = config.blocks[0]!;
    const { rope_theta: theta, ...rotation } = writeRope(rope, config.headDim);
    return {
      hidden_size: config.hiddenSize,
      intermediate_size: config.intermediateSize,
      num_hidden_layers: config.layers,
      num_attention_heads: config.heads,
      max_position_embeddings: maxPositionsOf(rope, config.contextLength),
      hidden_act: activation === 'gelu' ? 'gelu_new' : 'gelu',
      layer_norm_eps: config.normEps,
      rotary_emb_base: theta!,
      rotary_pct: rope?.width === undefined ? 1 : rope.width / config.headDim,
      ...rotation,
      use_parallel_residual: parallel ?? false,
      attention_bias: qkvBias,
      attention_dropout: 0,
      hidden_dropout: 0,
    };
  },
  tensors: {
    wrapper: 'gpt_neox',
    trunk: { token_embedding: 'embed_in', final_norm: 'final_layer_norm' },
    head: 'embed_out',
    layers: 'layers',
    block: {
      attention_norm: 'input_layernorm',
      'attention.qkv': 'attention.query_key_value',
      'attention.output': 'attention.dense',
      mlp_norm: 'post_attention_layernorm',
      'mlp.up': 'mlp.dense_h_to_4h',
      'mlp.down': 'mlp.dense_4h_to_h',
    },
    transposed: [],
    headByHead: ['attention.qkv'],
    ignored: /(^|\.)attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
  },
};
