/**
 * OLMo 3 (Olmo team, 2025): OLMo 2 with sliding windows in three of four layers. YaRN, where it is
 * used, scales the other layers only.
 */
import type { Family } from './family.ts';
import { readTypedLayers, writeTypedLayers } from './layer-types.ts';
import { readLlamaSizes, writeLlamaSizes } from './llama.ts';
import { olmo2Tensors, olmoBlock } from './olmo2.ts';

const base = { thetaField: 'rope_theta', theta: 500_000 };
const bases = { full_attention: base, sliding_attention: base };

export const olmo3: Family = {
  name: 'olmo3',
  classNames: { 'language-model': 'Olmo3ForCausalLM', score: 'Olmo3ForSequenceClassification' },
  readConfig(fields) {
    fields.only('hidden_act', 'silu', 'swish');
    const sizes = readLlamaSizes(fields, { normEps: 1e-5 });
    const isSliding = (layer: number) => (layer + 1) % 4 !== 0;
    return {
      architecture: 'olmo3',
      norm: 'rms',
      positionTable: false,
      ...sizes,
      ...readTypedLayers(fields, sizes, bases, olmoBlock(fields), isSliding),
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaSizes(config),
    hidden_act: 'silu',
    ...writeTypedLayers(config, bases),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    // null, because transformers takes 1 for a missing key, and does not train that row.
    pad_token_id: null,
  }),
  tensors: olmo2Tensors,
};
