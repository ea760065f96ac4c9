import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/base/json.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { configFromJson, configToJson } from '../../src/nn/config-json.ts';
import { llamaStructure } from '../../src/nn/families/llama.ts';
import { familyNames } from '../../src/nn/families/registry.ts';
import { presetConfig, presetNames } from '../../src/nn/presets.ts';
import { familyConfigs } from '../helpers/family-configs.ts';
import { expectError } from '../helpers/reference.ts';
import { recordedModels } from '../helpers/torch-fixture.ts';

function recorded(name: string): JsonObject {
  const path = join(packageRoot, 'test/fixtures/torch', name, 'config.json');
  return JSON.parse(readFileSync(path, 'utf8')) as JsonObject;
}

describe('config.json', () => {
  it.each(presetNames)('of %s survives a round trip', (name) => {
    const config = presetConfig(name);
    const json = JSON.parse(JSON.stringify(configToJson(config))) as JsonObject;
    expect(configFromJson(json, 'config.json')).toEqual({ config, head: 'language-model', labels: 1 });
  });

  it('has a small model and a recording of transformers for each family', () => {
    expect(Object.keys(familyConfigs).sort()).toEqual([...familyNames].sort());
    const ofRecordings = recordedModels.map((name) => recorded(name).model_type);
    expect(familyNames.filter((name) => !ofRecordings.includes(name))).toEqual([]);
  });

  it.each(Object.entries(familyConfigs))('of the family %s survives a round trip', (name, config) => {
    const json = JSON.parse(JSON.stringify(configToJson(config))) as JsonObject;
    expect(json.model_type).toBe(name);
    expect(configFromJson(json, 'config.json')).toEqual({ config, head: 'language-model', labels: 1 });
  });

  it('of llama with biases survives a round trip', () => {
    const biases = { qkvBias: true, outputBias: true, mlpBias: true };
    const config = presetConfig('llama-tiny', llamaStructure({ theta: 10_000 }, biases));
    const json = configToJson(config);
    expect(json).toMatchObject({ attention_bias: true, mlp_bias: true });
    expect(configFromJson(json, 'config.json').config).toEqual(config);
  });

  it('lists what could stand in the place of what it refuses', () => {
    const refused = (json: JsonObject) => () => configFromJson(json, 'config.json');
    const remedy = (text: string) => expect.objectContaining({ remedy: text });
    const bert = remedy(`supported: ${familyNames.join(', ')}`);
    expect(refused({ ...configToJson(familyConfigs.llama), model_type: 'bert' })).toThrow(bert);
    const rotation = { ...configToJson(familyConfigs.llama), rope_scaling: { rope_type: 'mrope' } };
    const types = ['default', 'linear', 'dynamic', 'llama3', 'yarn', 'longrope'];
    const list = types.map((type) => `rope_type "${type}"`).join(', ');
    expect(refused(rotation)).toThrow(remedy(`supported: ${list}`));
    const bits = { ...configToJson(familyConfigs.qwen2), quantization_config: {} };
    expect(refused(bits)).toThrow(
      remedy(expect.stringMatching(/^supported: fp8, and f8 weights of compressed-tensors; /)),
    );
  });

  it('of a score head names its labels', () => {
    const config = presetConfig('llama-tiny');
    const json = configToJson(config, { head: 'score', labels: 3, padTokenId: 5 });
    expect(json).toMatchObject({ architectures: ['LlamaForSequenceClassification'], pad_token_id: 5 });
    const described = { config, head: 'score', labels: 3, padTokenId: 5 };
    expect(configFromJson(json, 'config.json')).toEqual(described);
  });

  // Our config.json has every field of transformers' that affects the computation, with
  // the same value.
  it.each(recordedModels)('of %s agrees with what transformers wrote', (name) => {
    const theirs = recorded(name);
    const { config } = configFromJson(theirs, name);
    const ours = configToJson(config);
    const shared = Object.keys(ours).filter((key) => key in theirs);
    expect(shared.length).toBeGreaterThan(14);
    for (const key of shared) expect([key, ours[key]]).toEqual([key, theirs[key]]);
    expect(ours.dtype).toBe(theirs.dtype);
  });

  it('reads the rotary base from either place', () => {
    const json = configToJson(presetConfig('llama-tiny', llamaStructure({ theta: 500_000 })));
    expect(json.rope_theta).toBe(500_000);
    expect(configFromJson(recorded('llama'), 'x').config.blocks[0]!.rope).toEqual({ theta: 500 });
    const both = { ...json, rope_scaling: { rope_type: 'default' } };
    expect(configFromJson(both, 'x').config.blocks[0]!.rope).toEqual({ theta: 500_000 });
  });

  it('takes the defaults of GPT-2 where an old file is silent', () => {
    const old = { model_type: 'gpt2', n_ctx: 1024, bos_token_id: 50256, eos_token_id: 50256 };
    expect(configFromJson(old, 'x').config).toEqual(presetConfig('gpt2'));
  });

  it('takes the class of the trunk alone, and no class, as a language model', () => {
    for (const architectures of [['LlamaModel'], [], null]) {
      const json = { ...configToJson(presetConfig('llama-tiny')), architectures };
      expect(configFromJson(json, 'x').head).toBe('language-model');
    }
  });

  it('takes the first of several end tokens', () => {
    const json = { ...configToJson(presetConfig('llama-tiny')), eos_token_id: [7, 9] };
    expect(configFromJson(json, 'x').config.eosTokenId).toBe(7);
  });

  const gpt2 = configToJson(presetConfig('tiny'));
  const llama = configToJson(presetConfig('llama-tiny'));
  const qwen3 = configToJson(familyConfigs.qwen3);
  const smollm3 = configToJson(familyConfigs.smollm3);
  const gemma3 = configToJson(familyConfigs.gemma3_text);
  const neox = configToJson(familyConfigs.gpt_neox);
  it.each<[JsonValue, RegExp]>([
    [{ ...gpt2, model_type: 'bert' }, /model_type "bert" is not supported/],
    [{ ...gpt2, architectures: ['GPT2DoubleHeadsModel'] }, /architecture "GPT2DoubleHeadsModel" is not/],
    [{ ...llama, architectures: ['GPT2LMHeadModel'] }, /architecture "GPT2LMHeadModel" is not/],
    [{ ...gpt2, activation_function: 'relu' }, /activation_function "relu" is not supported/],
    [{ ...gpt2, activation_function: 'gelu' }, /activation_function "gelu" is not supported/],
    [{ ...gpt2, scale_attn_weights: false }, /scale_attn_weights false/],
    [{ ...gpt2, scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx true/],
    [{ ...llama, hidden_act: 'gelu' }, /hidden_act "gelu"/],
    [{ ...llama, attention_bias: 'q' }, /expected attention_bias to be true or false but it is "q"/],
    [
      { ...qwen3, use_sliding_window: true, sliding_window: 0 },
      /sliding_window to be a whole number above 0/,
    ],
    [{ ...qwen3, use_sliding_window: true, sliding_window: 8, layer_types: ['chunked'] }, /"chunked"/],
    [{ ...qwen3, layer_types: ['full_attention', 'sliding_attention'] }, /layer_types "sliding_attention"/],
    [{ ...qwen3, layer_types: 'full_attention' }, /expected layer_types to be a list/],
    [{ ...llama, rope_scaling: { type: 'mrope', factor: 2 } }, /rope_scaling: type "mrope" is not supported/],
    [{ ...llama, rope_scaling: { type: 'linear' } }, /rope_scaling: expected factor to be a number/],
    [
      { ...llama, rope_scaling: { rope_type: 'longrope', short_factor: [1] } },
      /short_factor has 1 numbers for 8/,
    ],
    [{ ...gemma3, sliding_window: null }, /sliding_attention but sliding_window is null/],
    [{ ...gemma3, use_bidirectional_attention: true }, /use_bidirectional_attention true/],
    [{ ...gemma3, layer_types: ['full_attention'] }, /layer_types has 1 entries for 6 layers/],
    [{ ...neox, hidden_act: 'relu' }, /hidden_act "relu" is not supported/],
    [{ ...neox, rotary_pct: 0.05, rope_parameters: null }, /0 of 16 channels cannot rotate in pairs/],
    [{ ...llama, partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
    [
      { ...llama, quantization_config: { bits: 4 } },
      /quantization_config: weights of {"bits":4} are not supported/,
    ],
    [{ ...llama, hidden_size: '64' }, /expected hidden_size to be a number but it is "64"/],
    [{ ...llama, hidden_size: null }, /expected hidden_size to be a number but it is missing/],
    [{ ...llama, tie_word_embeddings: 1 }, /expected tie_word_embeddings to be true or false/],
    [{ ...llama, eos_token_id: ['x'] }, /expected eos_token_id to be a token id but it is "x"/],
    [{ ...llama, rope_scaling: 4 }, /expected rope_scaling to be an object but it is 4/],
    [{ ...smollm3, no_rope_layers: [1, 0] }, /no_rope_layers has 2 entries for 4 layers/],
    [{ ...smollm3, no_rope_layers: 4 }, /expected no_rope_layers to be a list of numbers but it is 4/],
    [[], /expected an object but it is \[\]/],
  ])('refuses %j', (json, message) => {
    expectError('ERR_FORMAT', message, () => configFromJson(json, 'config.json'));
  });

  it('of smollm3 rotates all layers but every fourth, where no list says which', () => {
    const { no_rope_layers: _, ...json } = configToJson(familyConfigs.smollm3);
    const read = (layers: number) => configFromJson({ ...json, num_hidden_layers: layers }, 'x').config;
    expect(read(9).blocks.map(({ rope }) => (rope ? 1 : 0))).toEqual([1, 1, 1, 0, 1, 1, 1, 0, 1]);
    expect(json.pad_token_id).toBeNull();
    expect(configToJson(read(4), { padTokenId: 5 }).pad_token_id).toBe(5);
    for (const layers of [1e9, 1e15]) expectError('ERR_CONFIG', /more than 10000/, () => read(layers));
  });

  it('names the file when the shape is impossible', () => {
    expectError('ERR_CONFIG', /^folder\/config.json: heads/, () =>
      configFromJson({ ...gpt2, n_head: 5 }, 'folder/config.json'),
    );
  });
});
