import { describe, expect, it } from 'vitest';
import {
  blockOf,
  flopsPerToken,
  type ModelConfig,
  parameterCount,
  parameterShapes,
} from '../../src/nn/config.ts';
import { presetConfig, presetNames } from '../../src/nn/presets.ts';
import { validateConfig } from '../../src/nn/validate-config.ts';
import { allConfigs, familyConfigs, mixedConfig } from '../helpers/family-configs.ts';
import { expectError } from '../helpers/reference.ts';

describe('presets', () => {
  // Published counts, or those of transformers.
  it.each([
    ['gpt2', 124_439_808],
    ['gpt2-medium', 354_823_168],
    ['gpt2-large', 774_030_080],
    ['gpt2-xl', 1_557_611_200],
    ['llama-15m', 15_191_712],
    ['llama-160m', 162_417_408],
    ['smollm-135m', 134_515_008],
    ['smollm-360m', 361_821_120],
    ['tinyllama-1.1b', 1_100_048_384],
    ['qwen3-0.6b', 596_049_920],
  ])('%s has %i parameters', (name, count) => {
    expect(parameterCount(presetConfig(name))).toBe(count);
  });

  it('nano is the 10.8M shape of the benchmark', () => {
    const config = presetConfig('nano');
    expect(config).toMatchObject({
      layers: 6,
      heads: 6,
      hiddenSize: 384,
      contextLength: 256,
      vocabSize: 256,
    });
    expect(parameterCount(config) / 1e6).toBeCloseTo(10.8, 1);
  });

  it.each(presetNames)('%s can be built', (name) => {
    expect(() => validateConfig(presetConfig(name))).not.toThrow();
  });

  it('suggests the nearest name', () => {
    expectError('ERR_CONFIG', /no model preset "gtp2"/, () => presetConfig('gtp2'));
    expect(() => presetConfig('gtp2')).toThrow(expect.objectContaining({ remedy: 'did you mean gpt2?' }));
    expect(() => presetConfig('nonsense')).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('llama-160m') }),
    );
    expectError('ERR_CONFIG', /no model preset/, () => presetConfig('toString'));
  });

  it('carries derived sizes along with an override', () => {
    expect(presetConfig('gpt2', { hiddenSize: 192, heads: 3 })).toMatchObject({
      kvHeads: 3,
      headDim: 64,
      intermediateSize: 768,
    });
    expect(presetConfig('smollm-135m', { hiddenSize: 384, heads: 6 })).toMatchObject({
      kvHeads: 3,
      headDim: 64,
      intermediateSize: 1024,
    });
    expect(presetConfig('smollm-135m', { heads: 4, hiddenSize: 256 }).kvHeads).toBe(4);
    expect(presetConfig('llama-tiny', { heads: 2, kvHeads: 1, headDim: 48 })).toMatchObject({
      kvHeads: 1,
      headDim: 48,
    });
  });

  it('drops token ids that an overridden vocabulary does not have, and ignores undefined', () => {
    expect(presetConfig('gpt2', { vocabSize: 1000 })).not.toHaveProperty('eosTokenId');
    expect(presetConfig('gpt2', { vocabSize: 50304, layers: undefined })).toMatchObject({
      eosTokenId: 50256,
      layers: 12,
    });
    expectError('ERR_CONFIG', /eosTokenId is 5000/, () =>
      presetConfig('gpt2', { vocabSize: 1000, eosTokenId: 5000 }),
    );
  });
});

describe('parameterShapes', () => {
  it('of gpt2', () => {
    const config = presetConfig('tiny', { layers: 1, hiddenSize: 24, heads: 3, vocabSize: 61 });
    expect(Object.fromEntries(parameterShapes(config))).toEqual({
      'token_embedding.weight': [61, 24],
      'position_embedding.weight': [64, 24],
      'blocks.0.attention_norm.weight': [24],
      'blocks.0.attention_norm.bias': [24],
      'blocks.0.attention.qkv.weight': [72, 24],
      'blocks.0.attention.qkv.bias': [72],
      'blocks.0.attention.output.weight': [24, 24],
      'blocks.0.attention.output.bias': [24],
      'blocks.0.mlp_norm.weight': [24],
      'blocks.0.mlp_norm.bias': [24],
      'blocks.0.mlp.up.weight': [96, 24],
      'blocks.0.mlp.up.bias': [96],
      'blocks.0.mlp.down.weight': [24, 96],
      'blocks.0.mlp.down.bias': [24],
      'final_norm.weight': [24],
      'final_norm.bias': [24],
    });
  });

  it('of llama, with a head of either kind', () => {
    const config = presetConfig('llama-tiny', { layers: 1, headDim: 10, tiedHead: false });
    const blocks = {
      'token_embedding.weight': [256, 64],
      'blocks.0.attention_norm.weight': [64],
      'blocks.0.attention.qkv.weight': [80, 64],
      'blocks.0.attention.output.weight': [64, 40],
      'blocks.0.mlp_norm.weight': [64],
      'blocks.0.mlp.gate_up.weight': [352, 64],
      'blocks.0.mlp.down.weight': [64, 176],
      'final_norm.weight': [64],
    };
    expect(Object.fromEntries(parameterShapes(config))).toEqual({ ...blocks, 'head.weight': [256, 64] });
    expect(Object.fromEntries(parameterShapes(config, 'score', 2))).toEqual({
      ...blocks,
      'score.weight': [2, 64],
      'score.bias': [2],
    });
  });
});

describe('parameterShapes of other families', () => {
  it('has biases and norms of queries and keys where the description says so', () => {
    const block = (config: ModelConfig) =>
      [...parameterShapes(config)].filter(([name]) => name.startsWith('blocks.0.attention.'));
    expect(block(familyConfigs.qwen2)).toEqual([
      ['blocks.0.attention.qkv.weight', [80, 48]],
      ['blocks.0.attention.qkv.bias', [80]],
      ['blocks.0.attention.output.weight', [48, 48]],
    ]);
    expect(block(familyConfigs.qwen3)).toEqual([
      ['blocks.0.attention.qkv.weight', [160, 48]],
      ['blocks.0.attention.query_norm.weight', [16]],
      ['blocks.0.attention.key_norm.weight', [16]],
      ['blocks.0.attention.output.weight', [48, 96]],
    ]);
  });

  it('repeats the blocks over the layers', () => {
    const shapes = parameterShapes(mixedConfig);
    const activations = [0, 1, 2, 3].map((i) =>
      shapes.has(`blocks.${i}.mlp.up.weight`) ? 'gelu' : 'swiglu',
    );
    expect(activations).toEqual(['swiglu', 'gelu', 'swiglu', 'swiglu']);
    expect([0, 1, 2, 3].map((i) => shapes.has(`blocks.${i}.attention.qkv.bias`))).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });
});

describe('flopsPerToken', () => {
  /** Multiplies and adds of a whole sequence, one product of matrices after another. */
  function forwardOfSequence(config: ModelConfig, tokens: number): number {
    let flops = 2 * tokens * config.vocabSize * config.hiddenSize;
    for (const [name, shape] of parameterShapes(config)) {
      if (name.startsWith('blocks') && shape.length === 2) flops += 2 * tokens * shape[0]! * shape[1]!;
    }
    for (let query = 0; query < tokens; query++) {
      for (let layer = 0; layer < config.layers; layer++) {
        // A score and a weighted value for each key up to the query itself, in the layer's window.
        const keys = Math.min(query + 1, blockOf(config, layer).window ?? tokens);
        flops += config.heads * keys * (2 + 2) * config.headDim;
      }
    }
    return flops;
  }

  it.each([...allConfigs, ['smollm-135m', presetConfig('smollm-135m')] as const])(
    'of %s is what a sequence multiplies, per token',
    (_, config) => {
      // With windows the mean over tokens is no whole number, but the sequence's sum is.
      expect(Math.round(flopsPerToken(config, 33, 'forward') * 33)).toBe(forwardOfSequence(config, 33));
      expect(Math.round(flopsPerToken(config, 33) * 33)).toBe(3 * forwardOfSequence(config, 33));
    },
  );
});

describe('validateConfig', () => {
  const gpt2 = presetConfig('tiny');
  const llama = presetConfig('llama-tiny');

  it.each<[string, ModelConfig, RegExp]>([
    [
      'heads that do not divide',
      { ...gpt2, heads: 3, kvHeads: 3, headDim: 64 / 3 },
      /heads \(3\) does not divide hiddenSize \(64\)$/,
    ],
    [
      'grouped-query gpt2',
      { ...gpt2, kvHeads: 2 },
      /kvHeads is 2, but a gpt2 model of this shape can only have 4/,
    ],
    ['kvHeads that do not divide', { ...llama, kvHeads: 3 }, /kvHeads \(3\) does not divide heads \(4\)/],
    ['odd headDim', { ...llama, headDim: 7 }, /headDim is 7, but rotary/],
    [
      'a gpt2 headDim of its own',
      { ...gpt2, headDim: 8 },
      /headDim is 8, but a gpt2 model of this shape can only have 16/,
    ],
    ['zero layers', { ...gpt2, layers: 0 }, /layers is 0, not a whole number/],
    ['a million layers', { ...gpt2, layers: 1e6 }, /layers is 1000000, more than/],
    ['a fraction', { ...gpt2, vocabSize: 1.5 }, /vocabSize is 1.5/],
    ['NaN', { ...gpt2, normEps: Number.NaN }, /normEps is NaN/],
    ['a token outside', { ...gpt2, bosTokenId: 256 }, /bosTokenId is 256, outside the vocabulary of 256/],
    ['several at once', { ...gpt2, layers: 0, vocabSize: -1 }, /vocabSize is -1.*; layers is 0/],
    ['another architecture', { ...gpt2, architecture: 'bert' as 'gpt2' }, /architecture is "bert"/],
    ['another norm', { ...gpt2, norm: 'group' as 'layer' }, /norm is "group", not layer or rms/],
    ['no block', { ...gpt2, blocks: [] }, /blocks describes no block/],
    [
      'words that are not there',
      {
        ...llama,
        blocks: [{ ...llama.blocks[0]!, activation: 'relu' as 'gelu', queryKeyNorm: 'all' as 'none' }],
      },
      /blocks\[0\].activation is "relu", not gelu or gelu-erf or swiglu or geglu; blocks\[0\].queryKeyNorm is "all", not none or/,
    ],
    [
      'a rotary base of zero',
      { ...llama, blocks: [{ ...llama.blocks[0]!, rope: { theta: 0 } }] },
      /blocks\[0\].rope.theta is 0, not a number above zero/,
    ],
    [
      'what the config.json of a family cannot say',
      { ...llama, blocks: familyConfigs.qwen3.blocks },
      /queryKeyNorm of layer 0 is "per-head", but a llama model of this shape can only have "none"/,
    ],
    [
      'layers that differ in a family whose layers are alike',
      { ...llama, blocks: [llama.blocks[0]!, { ...llama.blocks[0]!, rope: { theta: 5 } }] },
      /rope of layer 1 is {"theta":5}, but a llama model of this shape can only have {"theta":10000}/,
    ],
  ])('refuses %s', (_, config, message) => {
    expectError('ERR_CONFIG', message, () => validateConfig(config));
  });

  it('says what the configuration is', () => {
    expectError('ERR_CONFIG', /^my file: layers/, () => validateConfig({ ...gpt2, layers: 0 }, 'my file'));
  });
});
