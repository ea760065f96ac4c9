/**
 * How parameters are named and laid out in Hugging Face's GPT-2 and Llama. GPT-2's linear layers are Conv1D, stored
 * [in, out]; Llama's keep q, k, v and gate, up apart. The rotary layout is the same (halves, not pairs), so no row moves.
 */
import { type HeadKind, type ModelConfig, parameterShapes } from '../nn/config.ts';

/** A tensor of the file that is a parameter, or some of its rows. */
export interface LayoutPart {
  readonly name: string;
  /** In the file, that is, after transposing. */
  readonly shape: readonly number[];
}

export interface LayoutEntry {
  /** In-memory name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Stacked by rows they are the parameter. */
  readonly parts: readonly LayoutPart[];
  /** The one part is stored [in, out]. */
  readonly transposed: boolean;
  /** A file may lack it, and it is zero then: transformers' score heads have no bias. */
  readonly optional: boolean;
}

const gpt2Names: Record<string, string> = {
  token_embedding: 'transformer.wte',
  position_embedding: 'transformer.wpe',
  attention_norm: 'ln_1',
  'attention.qkv': 'attn.c_attn',
  'attention.output': 'attn.c_proj',
  mlp_norm: 'ln_2',
  'mlp.up': 'mlp.c_fc',
  'mlp.down': 'mlp.c_proj',
  final_norm: 'transformer.ln_f',
};
const gpt2Transposed = new Set(['attention.qkv', 'attention.output', 'mlp.up', 'mlp.down']);

const llamaNames: Record<string, string> = {
  token_embedding: 'model.embed_tokens',
  attention_norm: 'input_layernorm',
  'attention.output': 'self_attn.o_proj',
  mlp_norm: 'post_attention_layernorm',
  'mlp.down': 'mlp.down_proj',
  final_norm: 'model.norm',
};

const headNames: Record<string, string> = { head: 'lm_head', score: 'score' };

/** Every parameter with the tensors it is stored as, in the order of the forward pass. */
export function modelLayout(config: ModelConfig, head: HeadKind, labels: number): LayoutEntry[] {
  return [...parameterShapes(config, head, labels)].map(([name, shape]) => {
    const [, block = '', module = '', kind = ''] = /^(blocks\.\d+\.)?(.+)\.(weight|bias)$/.exec(name)!;
    if (config.architecture === 'gpt2') {
      const prefix = block.replace('blocks.', 'transformer.h.');
      const file = `${prefix}${headNames[module] ?? gpt2Names[module]}.${kind}`;
      const transposed = kind === 'weight' && gpt2Transposed.has(module);
      const parts = [{ name: file, shape: transposed ? shape.toReversed() : shape }];
      return { name, shape, parts, transposed, optional: name === 'score.bias' };
    }
    const prefix = block.replace('blocks.', 'model.layers.');
    const parts = llamaParts(config, module).map(([file, rows]) => ({
      name: `${prefix}${file}.${kind}`,
      shape: rows === undefined ? shape : [rows, ...shape.slice(1)],
    }));
    return { name, shape, parts, transposed: false, optional: name === 'score.bias' };
  });
}

function llamaParts(config: ModelConfig, module: string): [string, number?][] {
  const { heads, kvHeads, headDim, intermediateSize } = config;
  if (module === 'attention.qkv') {
    return [
      ['self_attn.q_proj', heads * headDim],
      ['self_attn.k_proj', kvHeads * headDim],
      ['self_attn.v_proj', kvHeads * headDim],
    ];
  }
  if (module === 'mlp.gate_up') {
    return [
      ['mlp.gate_proj', intermediateSize],
      ['mlp.up_proj', intermediateSize],
    ];
  }
  return [[headNames[module] ?? llamaNames[module]!]];
}

/** The name without the wrapper that files of the bare model lack: `transformer.h.0.ln_1.bias` is `h.0.ln_1.bias`. */
export function bareName(name: string): string {
  return name.replace(/^(transformer|model)\./, '');
}

/** Masks and tables that older files carry beside the weights; and the head of a model whose head is tied. */
export function isIgnorable(name: string, config: ModelConfig): boolean {
  if (name === 'lm_head.weight') return config.tiedHead;
  return /(^|\.)attn\.(bias|masked_bias)$|(^|\.)rotary_emb\.inv_freq$/.test(name);
}
