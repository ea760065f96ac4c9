/**
 * SmolLM3 (Bakouch et al., 2025): Llama in which some layers, every fourth as published,
 * do not rotate.
 */
import { blockOf, maxLayers } from '../config.ts';
import type { Family } from './family.ts';
import { readOptionalWindows, writeOptionalWindows } from './layer-types.ts';
import { llamaStructure, llamaTensors, readLlamaBiases, readLlamaShape, writeLlamaShape } from './llama.ts';

export const smollm3: Family = {
  name: 'smollm3',
  classNames: { 'language-model': 'SmolLM3ForCausalLM', score: 'SmolLM3ForSequenceClassification' },
  readConfig(fields) {
    const defaults = { maxPositions: 32_768, theta: 2_000_000, tiedHead: true };
    const { rope, sizes } = readLlamaShape(fields, defaults);
    const { blocks, ...structure } = llamaStructure(rope, readLlamaBiases(fields));
    const { rope: _, ...unrotated } = blocks[0];
    // 1 for a layer that rotates, contrary to the name.
    const given = fields.numbers('no_rope_layers');
    if (given && given.length !== sizes.layers) {
      fields.fail(`no_rope_layers has ${given.length} entries for ${sizes.layers} layers`);
    }
    const interval = fields.number('no_rope_layer_interval', 4);
    const length = Math.min(sizes.layers, maxLayers);
    const rotates = given ?? Array.from({ length }, (_, i) => Number((i + 1) % interval !== 0));
    const windows = readOptionalWindows(fields, sizes.layers, null, (i) => !rotates[i]);
    return {
      ...structure,
      ...sizes,
      blocks: rotates.map((flag, i) => ({
        ...(flag && { rope }),
        ...unrotated,
        ...(windows[i] !== undefined && { window: windows[i] }),
      })),
      architecture: 'smollm3',
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    no_rope_layers: Array.from({ length: config.layers }, (_, i) => (blockOf(config, i).rope ? 1 : 0)),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    mlp_bias: config.blocks[0]!.mlpBias,
    ...writeOptionalWindows(config),
    // null, because transformers takes 128004 for a missing key, for any vocabulary.
    pad_token_id: null,
  }),
  tensors: llamaTensors,
};
