/** Mistral (Jiang et al., 2023): Llama in which each layer may see a sliding window only. */
import type { BlockSpec } from '../config.ts';
import type { Family } from './family.ts';
import { readLayerTypes, readWindow, windowOf } from './layer-types.ts';
import { llamaStructure, llamaTensors, readLlamaShape, writeLlamaShape } from './llama.ts';

export const mistral: Family = {
  name: 'mistral',
  classNames: { 'language-model': 'MistralForCausalLM', score: 'MistralForSequenceClassification' },
  readConfig(fields) {
    const { rope, sizes } = readLlamaShape(fields, { maxPositions: 131_072 });
    const window = readWindow(fields, 4096);
    const type = window === undefined ? 'full_attention' : 'sliding_attention';
    // The class in transformers has one window for all layers.
    fields.onlyEach('layer_types', type);
    readLayerTypes(fields, sizes.layers, () => window !== undefined);
    const { blocks, ...structure } = llamaStructure(rope);
    const block: BlockSpec = window === undefined ? blocks[0] : { ...blocks[0], window };
    return { ...structure, ...sizes, blocks: [block], architecture: 'mistral' };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    attention_dropout: 0,
    sliding_window: windowOf(config),
  }),
  tensors: llamaTensors,
};
