/** The shape of a model: what its parameters are called and how large they are follows from this and nothing else. */
import { AthanorError } from '../base/errors.ts';

export type Architecture = 'gpt2' | 'llama';

/** What stands on top of the final norm: logits over the vocabulary, or `labels` numbers a token (reward, value). */
export type HeadKind = 'language-model' | 'score';

export interface ModelConfig {
  architecture: Architecture;
  vocabSize: number;
  /** The longest sequence: rows of the position table in gpt2, what the model is trained for in llama. */
  contextLength: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  /** Heads of keys and values; fewer than `heads` is grouped-query attention (llama). */
  kvHeads: number;
  headDim: number;
  intermediateSize: number;
  normEps: number;
  /** Base of the rotary frequencies; gpt2 ignores it. */
  ropeTheta: number;
  /** The output head is the token embedding. */
  tiedHead: boolean;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
  bosTokenId?: number;
  eosTokenId?: number;
}

/** Every parameter of the model: its in-memory name and shape, in the order of the forward pass. */
export function parameterShapes(
  config: ModelConfig,
  head: HeadKind = 'language-model',
  labels = 1,
): Map<string, readonly number[]> {
  const { hiddenSize: d, vocabSize, intermediateSize: f, headDim } = config;
  const attention = config.heads * headDim;
  const qkv = attention + 2 * config.kvHeads * headDim;
  const gpt2 = config.architecture === 'gpt2';
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, shape: readonly number[]) => {
    shapes.set(`${name}.weight`, shape);
    // The bias of a linear layer or norm is as long as its output, which is the first dimension of its weight.
    if (gpt2) shapes.set(`${name}.bias`, shape.slice(0, 1));
  };
  shapes.set('token_embedding.weight', [vocabSize, d]);
  if (gpt2) shapes.set('position_embedding.weight', [config.contextLength, d]);
  for (let i = 0; i < config.layers; i++) {
    add(`blocks.${i}.attention_norm`, [d]);
    add(`blocks.${i}.attention.qkv`, [qkv, d]);
    add(`blocks.${i}.attention.output`, [d, attention]);
    add(`blocks.${i}.mlp_norm`, [d]);
    if (gpt2) add(`blocks.${i}.mlp.up`, [f, d]);
    else add(`blocks.${i}.mlp.gate_up`, [2 * f, d]);
    add(`blocks.${i}.mlp.down`, [d, f]);
  }
  add('final_norm', [d]);
  if (head === 'score') {
    shapes.set('score.weight', [labels, d]);
    shapes.set('score.bias', [labels]);
  } else if (!config.tiedHead) shapes.set('head.weight', [vocabSize, d]);
  return shapes;
}

/** How many numbers the model learns; a tied head counts once. */
export function parameterCount(config: ModelConfig, head: HeadKind = 'language-model'): number {
  let count = 0;
  for (const shape of parameterShapes(config, head).values()) count += shape.reduce((a, b) => a * b, 1);
  return count;
}

/**
 * Floating-point operations a token of a sequence of `context` tokens costs on average: `6 N + 6 L H D (C + 1)` for a
 * training step, a third of it for a forward pass. N counts the weights that are multiplied (every matrix of the blocks
 * and the output head, whether tied or not; neither embedding, norms nor biases); a multiply-add is 2, and backward is
 * twice forward. The second term is attention over L layers, H heads of D: 4 D for each of the (C + 1) / 2 positions a
 * token sees on average. Causal attention is counted as what it needs, not as the full square, so utilisation is not
 * flattered; recomputation is not counted.
 */
export function flopsPerToken(
  config: ModelConfig,
  context: number,
  pass: 'training' | 'forward' = 'training',
): number {
  const { hiddenSize: d, heads, kvHeads, headDim, layers, intermediateSize: f } = config;
  const attention = (heads + 2 * kvHeads) * headDim * d + heads * headDim * d;
  const mlp = (config.architecture === 'gpt2' ? 2 : 3) * d * f;
  const multiplied = layers * (attention + mlp) + config.vocabSize * d;
  const forward = 2 * multiplied + 2 * layers * heads * headDim * (context + 1);
  return pass === 'training' ? 3 * forward : forward;
}

const positive = [
  'vocabSize',
  'contextLength',
  'hiddenSize',
  'layers',
  'heads',
  'kvHeads',
  'headDim',
  'intermediateSize',
] as const;

/**
 * Checks that a model of this shape can be built; every problem is in the one error, ERR_CONFIG.
 * `where` says in the message what the configuration is.
 */
export function validateConfig(config: ModelConfig, where = 'the model configuration'): void {
  const problems: string[] = [];
  const expect = (good: boolean, problem: string) => {
    if (!good) problems.push(problem);
  };
  expect(
    config.architecture === 'gpt2' || config.architecture === 'llama',
    `architecture is ${JSON.stringify(config.architecture)}, not gpt2 or llama`,
  );
  // Where headDim was derived, a fraction in it is this problem. transformers refuses it for llama too.
  const uneven = config.hiddenSize % config.heads !== 0;
  expect(!uneven, `heads (${config.heads}) does not divide hiddenSize (${config.hiddenSize})`);
  for (const key of positive) {
    if (uneven && key === 'headDim') continue;
    const good = Number.isInteger(config[key]) && config[key] >= 1 && config[key] < 2 ** 31;
    expect(good, `${key} is ${config[key]}, not a whole number from 1 to 2^31 - 1`);
  }
  // A damaged or hostile config.json must not make us list billions of parameters.
  expect(!(config.layers > 10_000), `layers is ${config.layers}, more than 10000`);
  for (const key of ['normEps', 'ropeTheta', 'initializerRange'] as const) {
    expect(
      Number.isFinite(config[key]) && config[key] > 0,
      `${key} is ${config[key]}, not a number above zero`,
    );
  }
  for (const key of ['bosTokenId', 'eosTokenId'] as const) {
    const id = config[key];
    const good = id === undefined || (Number.isInteger(id) && id >= 0 && id < config.vocabSize);
    expect(good, `${key} is ${id}, outside the vocabulary of ${config.vocabSize}`);
  }
  if (problems.length === 0) {
    const { heads, kvHeads, headDim, hiddenSize } = config;
    expect(heads % kvHeads === 0, `kvHeads (${kvHeads}) does not divide heads (${heads})`);
    if (config.architecture === 'gpt2') {
      expect(
        headDim * heads === hiddenSize,
        `headDim (${headDim}) times heads (${heads}) is not hiddenSize (${hiddenSize}), as gpt2 needs`,
      );
      expect(
        kvHeads === heads,
        `kvHeads (${kvHeads}) is not heads (${heads}): gpt2 has no grouped-query attention`,
      );
    } else {
      expect(headDim % 2 === 0, `headDim is ${headDim}, but rotary positions need an even one`);
    }
  }
  if (problems.length > 0) {
    throw new AthanorError('ERR_CONFIG', `${where}: ${problems.join('; ')}`, 'correct these values');
  }
}
