import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { f16FromF32 } from '../../../src/checkpoint/gguf/f16.ts';
import { encodeTensor, fitsRows, type GgufType } from '../../../src/checkpoint/gguf/gguf-types.ts';
import { bf16FromF32, f32FromF16 } from '../../../src/checkpoint/tensor-data.ts';

/** Made by scripts/record-gguf.py with llama.cpp's own package. */
const recorded = JSON.parse(readFileSync(new URL('blocks.json', import.meta.url), 'utf8')) as Record<
  GgufType | 'weights',
  string
>;
const bytes = (name: GgufType | 'weights') => Buffer.from(recorded[name], 'base64');
const weights = new Float32Array(new Uint8Array(bytes('weights')).buffer);

describe('the blocks of a type', () => {
  it.each(['q8_0', 'q4_0', 'bf16', 'f16'] as const)('%s are those of llama.cpp, byte for byte', (type) => {
    const data = encodeTensor(type, { dtype: 'f32', shape: [weights.length / 32, 32], data: weights });
    expect(Buffer.from(data).equals(bytes(type))).toBe(true);
  });

  it('of bf16 weights are those of the same weights in f32', () => {
    const data = bf16FromF32(weights);
    const shape = [weights.length / 32, 32];
    expect(Buffer.from(encodeTensor('bf16', { dtype: 'bf16', shape, data })).equals(bytes('bf16'))).toBe(
      true,
    );
    const widened = Float32Array.from(
      data,
      (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!,
    );
    expect(encodeTensor('q8_0', { dtype: 'bf16', shape, data })).toEqual(
      encodeTensor('q8_0', { dtype: 'f32', shape, data: widened }),
    );
  });

  it('need rows of whole blocks', () => {
    expect([fitsRows('q8_0', 96), fitsRows('q4_0', 48), fitsRows('f16', 7)]).toEqual([true, false, true]);
  });
});

describe('f16', () => {
  const all = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);
  const values = f32FromF16(all);

  it('keeps every number that it has', () => {
    f16FromF32(values).forEach((bits, i) => {
      expect(bits).toBe(Number.isNaN(values[i]!) ? (i & 0x8000) | 0x7e00 : i);
    });
  });

  it('rounds what lies between two of them to the nearer one, and halves to the even one', () => {
    for (let low = 0; low < 0x7bff; low += 7) {
      const middle = (values[low]! + values[low + 1]!) / 2;
      const [below, above] = [middle * (1 - 2 ** -20), middle * (1 + 2 ** -20)];
      expect([...f16FromF32(Float32Array.of(below, middle, above))]).toEqual([low, low + (low % 2), low + 1]);
    }
    const ends = Float32Array.of(65_504, 65_519, 65_520, 1e30, 2 ** -25, 2 ** -25 * 1.01, -(2 ** -26));
    expect([...f16FromF32(ends)]).toEqual([0x7bff, 0x7bff, 0x7c00, 0x7c00, 0, 1, 0x8000]);
  });
});
