/**
 * GPT-2 (Radford et al., 2019): learned positions, layer norm, GELU and biases. Linear layers are
 * stored [in, out].
 */
import type { ModelConfig } from '../config.ts';
import type { Family } from './family.ts';

/** The parts that all GPT-2 models have in common. */
export const gpt2Structure = {
  architecture: 'gpt2',
  norm: 'layer',
  positionTable: true,
  blocks: [{ qkvBias: true, queryKeyNorm: 'none', outputBias: true, activation: 'gelu', mlpBias: true }],
} satisfies Partial<ModelConfig>;

export const gpt2: Family = {
  name: 'gpt2',
  classNames: { 'language-model': 'GPT2LMHeadModel', score: 'GPT2ForSequenceClassification' },
  readConfig(fields) {
    // Three names of the one tanh formula.
    fields.only('activation_function', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast');
    fields.only('scale_attn_weights', true);
    fields.only('scale_attn_by_inverse_layer_idx', false);
    fields.only('add_cross_attention', false);
    const hiddenSize = fields.number('n_embd', 768);
    const heads = fields.number('n_head', 12);
    return {
      ...gpt2Structure,
      vocabSize: fields.number('vocab_size', 50257),
      contextLength: fields.number('n_positions', 1024),
      hiddenSize,
      layers: fields.number('n_layer', 12),
      heads,
      kvHeads: heads,
      headDim: hiddenSize / heads,
      intermediateSize: fields.number('n_inner', 4 * hiddenSize),
      normEps: fields.number('layer_norm_epsilon', 1e-5),
      tiedHead: fields.boolean('tie_word_embeddings', true),
      initializerRange: fields.number('initializer_range', 0.02),
    };
  },
  writeConfig: (config) => ({
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
  }),
  tensors: {
    wrapper: 'transformer',
    trunk: { token_embedding: 'wte', position_embedding: 'wpe', final_norm: 'ln_f' },
    layers: 'h',
    block: {
      attention_norm: 'ln_1',
      'attention.qkv': 'attn.c_attn',
      'attention.output': 'attn.c_proj',
      mlp_norm: 'ln_2',
      'mlp.up': 'mlp.c_fc',
      'mlp.down': 'mlp.c_proj',
    },
    transposed: ['attention.qkv', 'attention.output', 'mlp.up', 'mlp.down'],
    ignored: /(^|\.)attn\.(bias|masked_bias)$/,
  },
};
