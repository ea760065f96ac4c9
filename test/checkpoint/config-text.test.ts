import { describe, expect, it } from 'vitest';
import { configText } from '../../src/checkpoint/config-text.ts';

describe('the text of config.json', () => {
  it('is that of JSON.stringify where no field is a float', () => {
    const value = {
      hidden_size: 32,
      architectures: ['A"b'],
      none: null,
      empty: {},
      list: [],
      nested: { layer_types: ['x', 'y'], deep: [{ a: 1 }, [1.5, -2]] },
      rms_norm_eps: 1e-6,
    };
    expect(configText(value)).toBe(`${JSON.stringify(value, undefined, 2)}\n`);
  });

  it('has a point in whole numbers of float fields, in lists and nested objects too', () => {
    const text = configText({
      rope_theta: 10_000,
      attention_dropout: 0,
      rope_scaling: { factor: 32, short_factor: [1, 1.25], original_max_position_embeddings: 8192 },
      temperature: 1,
      top_k: 50,
    });
    expect(text).toContain('"rope_theta": 10000.0,');
    expect(text).toContain('"attention_dropout": 0.0,');
    expect(text).toContain('"factor": 32.0,');
    expect(text).toContain('      1.0,\n      1.25\n');
    expect(text).toContain('"original_max_position_embeddings": 8192\n');
    expect(text).toContain('"temperature": 1.0,');
    expect(text).toContain('"top_k": 50\n');
  });
});
