import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { native } from '../../src/native/addon.ts';
import { configFromJson, configToJson } from '../../src/nn/config-json.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { type RopeScaling, ropeFactors } from '../../src/nn/rope.ts';
import { familyConfigs } from '../helpers/family-configs.ts';
import { expectError } from '../helpers/reference.ts';
import { loadTorchFixture } from '../helpers/torch-fixture.ts';

const llama = configToJson(presetConfig('llama-tiny'));
const read = (json: JsonObject) => configFromJson({ ...llama, rope_parameters: null, ...json }, 'x').config;

describe('the spelling of rotary positions', () => {
  const llama31: JsonObject = {
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };

  it('is that of transformers 4 or of transformers 5', () => {
    const rope = read({ rope_theta: 500_000, rope_scaling: { rope_type: 'llama3', ...llama31 } }).blocks[0]!
      .rope;
    expect(rope).toEqual({
      theta: 500_000,
      scaling: { type: 'llama3', factor: 32, lowFrequency: 1, highFrequency: 4, originalContext: 8192 },
    });
    const flat = { rope_type: 'llama3', rope_theta: 500_000, ...llama31 };
    expect(read({ rope_theta: null, rope_scaling: null, rope_parameters: flat }).blocks[0]!.rope).toEqual(
      rope,
    );
    const typed = { rope_theta: 500_000, rope_scaling: { type: 'llama3', ...llama31 } };
    expect(read(typed).blocks[0]!.rope).toEqual(rope);
  });

  it('of Gemma 3 and OLMo 3 may be flat, and names the layers with full attention', () => {
    const gemma = configToJson(familyConfigs.gemma3_text);
    const old = {
      ...{ ...gemma, rope_parameters: null, rope_theta: 5e5, rope_local_base_freq: 300 },
      rope_scaling: { rope_type: 'linear', factor: 8 },
    };
    const { blocks } = configFromJson(old, 'x').config;
    expect(blocks[0]).toMatchObject({ window: 9, rope: { theta: 300 } });
    expect(blocks[0]!.rope!.scaling).toBeUndefined();
    expect(blocks[5]).toMatchObject({ rope: { theta: 5e5, scaling: { type: 'linear', factor: 8 } } });
    expect(blocks[5]!.window).toBeUndefined();
  });

  it('is written so that either version reads it', () => {
    const written = configToJson(familyConfigs.olmo3);
    const yarn = { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 32 };
    expect(written).toMatchObject({
      rope_theta: 1e6,
      rope_scaling: yarn,
      rope_parameters: {
        full_attention: { rope_theta: 1e6, ...yarn },
        sliding_attention: { rope_theta: 1e6, rope_type: 'default' },
      },
    });
    for (const key of ['rope_scaling', 'rope_parameters']) {
      const without = { ...written, [key]: null };
      expect(configFromJson(without, 'x').config.blocks, key).toEqual(familyConfigs.olmo3.blocks);
    }
  });

  it('of Phi-3 has three fields for transformers 4, and a context that does not change its frequencies', () => {
    const scaling = { type: 'su', short_factor: [1, 1.5], long_factor: [2, 3] };
    const phi3 = { ...configToJson(familyConfigs.phi3), rope_parameters: null, rope_scaling: scaling };
    const { config } = configFromJson({ ...phi3, original_max_position_embeddings: 16 }, 'x');
    expect(config.contextLength).toBe(16);
    const written = configToJson(config);
    expect(Object.keys(written.rope_scaling as JsonObject).sort()).toEqual([
      'long_factor',
      'short_factor',
      'type',
    ]);
    expect(written).toMatchObject({ max_position_embeddings: 64, original_max_position_embeddings: 16 });
    expect(configFromJson(written, 'x').config).toEqual(config);
  });
});

describe('factors of rotary frequencies', () => {
  const factors = (scaling: RopeScaling, width = 16, context = 256) =>
    ropeFactors({ theta: 500, scaling }, width, context);

  it('of LongRoPE are those of the context', () => {
    const scaling = {
      type: 'longrope',
      short: [1, 2],
      long: [4, 8],
      originalContext: 32,
      longContext: 128,
    } as const;
    const magnitude = Math.sqrt(1 + Math.log(4) / Math.log(32));
    expect(factors(scaling, 4, 32)).toEqual({ frequencies: [1, 0.5], magnitude });
    expect(factors(scaling, 4, 33)).toEqual({ frequencies: [0.25, 0.125], magnitude });
  });

  it('are none for dynamic scaling, which begins beyond the context', () => {
    expect(factors({ type: 'dynamic', factor: 4 })).toEqual({ frequencies: undefined, magnitude: undefined });
  });

  it('multiply the angles and the magnitude of the table, and leave the plain table as it was', () => {
    const plain = native.read(native.ropeTable(3, 4, 100)) as Float32Array;
    expect([...plain]).toEqual([...(native.read(native.ropeTable(3, 4, 100, [1, 1], 1)) as Float32Array)]);
    const scaled = native.read(native.ropeTable(3, 4, 100, [0.5, 2], 3)) as Float32Array;
    const angles = [2 * 0.5, 2 * 0.1 * 2];
    const row = [...angles.map(Math.cos), ...angles.map(Math.sin)].map((x) => Math.fround(3 * x));
    expect([...scaled.subarray(8)]).toEqual(row);
    expectError('ERR_SHAPE', /expected 2 frequencies but got 1/, () => native.ropeTable(3, 4, 100, [1]));
  });
});

describe('sequences longer than the context', () => {
  it.each(['phi3', 'llama-dynamic'])('of %s are refused: their frequencies would be others', (name) => {
    const model = loadModel(loadTorchFixture(name).folder);
    expect(model).toBeInstanceOf(Gpt);
    expect(model.config.contextLength).toBe(name === 'phi3' ? 24 : 256);
    model.dispose();
  });
});
