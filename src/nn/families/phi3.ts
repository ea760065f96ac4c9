/**
 * Phi-3, Phi-3.5 and Phi-4-mini (Abdin et al., 2024): Llama with fused projections on disk, partial
 * rotation and LongRoPE.
 */
import type { JsonObject } from '../../base/json.ts';
import type { BlockSpec, ModelConfig } from '../config.ts';
import type { Family } from './family.ts';
import { readWindow, windowOf } from './layer-types.ts';
import { llamaStructure, llamaTensors, readLlamaShape, writeLlamaShape } from './llama.ts';

/** The extra fields of the rotation; transformers 4 takes exactly three in `rope_scaling`. */
function writeLongRope(config: ModelConfig): JsonObject {
  const rope = config.blocks[0]!.rope;
  const scaling = rope?.scaling;
  const partial = rope?.width === undefined ? 1 : rope.width / config.headDim;
  if (scaling?.type !== 'longrope') return { partial_rotary_factor: partial };
  const { magnitude, originalContext } = scaling;
  const three = { type: 'longrope', short_factor: [...scaling.short], long_factor: [...scaling.long] };
  return {
    partial_rotary_factor: partial,
    original_max_position_embeddings: originalContext,
    rope_scaling: magnitude === undefined ? three : { ...three, attention_factor: magnitude },
  };
}

export const phi3: Family = {
  name: 'phi3',
  classNames: { 'language-model': 'Phi3ForCausalLM', score: 'Phi3ForSequenceClassification' },
  readConfig(fields) {
    const { rope, sizes } = readLlamaShape(fields, { maxPositions: 4096, normEps: 1e-5, partial: 1 });
    const window = readWindow(fields, null);
    const { blocks, ...structure } = llamaStructure(rope);
    const block: BlockSpec = window === undefined ? blocks[0] : { ...blocks[0], window };
    return { ...structure, ...sizes, blocks: [block], architecture: 'phi3' };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    ...writeLongRope(config),
    sliding_window: windowOf(config),
    attention_dropout: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    // null, because transformers takes 32000 for a missing key, for any vocabulary.
    pad_token_id: null,
  }),
  tensors: {
    ...llamaTensors,
    block: {
      ...llamaTensors.block,
      'attention.qkv': 'self_attn.qkv_proj',
      'mlp.gate_up': 'mlp.gate_up_proj',
    },
  },
};
