import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { f16FromF32 } from '../../../src/checkpoint/gguf/f16.ts';
import {
  decodeTensor,
  encodeTensor,
  fitsRows,
  type TensorType,
  tensorTypeOf,
} from '../../../src/checkpoint/gguf/gguf-types.ts';
import { bf16FromF32, f32FromF16 } from '../../../src/checkpoint/tensor-data.ts';
import { native } from '../../../src/native/addon.ts';
import type { GgufBlockType } from '../../../src/native/binding/gguf.ts';

type Stored = 'weights' | 'q8_0' | 'q4_0' | 'bf16' | 'f16';
interface Recording extends Record<Stored, string> {
  /** Rows of 256 weights, their blocks, and the SHA-256 of what gguf reads of them. */
  wide: { weights: string; blocks: Record<GgufBlockType, string>; read: Record<GgufBlockType, string> };
  /** The types of tensors in files of type q4_k_m. */
  mixed: { layers: number; hidden: number; inner: number; isTied: boolean; types: Record<string, string> }[];
}

/** Made by scripts/record-gguf.py with llama.cpp's own libraries. */
const recorded = JSON.parse(readFileSync(new URL('blocks.json', import.meta.url), 'utf8')) as Recording;
const fromBase64 = (text: string) => Buffer.from(text, 'base64');
const bytes = (name: Stored) => fromBase64(recorded[name]);
const floatsOf = (data: Buffer) => new Float32Array(new Uint8Array(data).buffer);
const weights = floatsOf(bytes('weights'));

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

  const { wide } = recorded;
  const wideWeights = floatsOf(fromBase64(wide.weights));

  it.each(['q4_0', 'q5_0', 'q8_0', 'q4_k', 'q6_k'] as const)(
    '%s are those of llama.cpp for outliers, zeros and parts without a scale',
    (type) => {
      const shape = [wideWeights.length / 256, 256];
      const data = encodeTensor(type, { dtype: 'f32', shape, data: wideWeights });
      expect(Buffer.from(data).equals(fromBase64(wide.blocks[type]))).toBe(true);
    },
  );

  it.each(Object.keys(wide.blocks) as GgufBlockType[])('%s are read as gguf 0.19 reads them', (type) => {
    const { data } = decodeTensor(type, new Uint8Array(fromBase64(wide.blocks[type])), []);
    expect(createHash('sha256').update(new Uint8Array(data.buffer)).digest('hex')).toBe(wide.read[type]);
  });

  it('are whole, and not of a type that is only read', () => {
    const values = new Float32Array(256);
    expect(() => native.quantizeBlocks('q4_k', values.subarray(1), new Uint8Array(144))).toThrow(
      /expected blocks of 256 weights in 144 bytes but got 255 weights and 144 bytes/,
    );
    expect(() => native.dequantizeBlocks('q6_k', new Uint8Array(209), values)).toThrow(/209 bytes/);
    expect(() => native.quantizeBlocks('q5_k', values, new Uint8Array(176))).toThrow(/can only be read/);
  });

  it('need rows of whole blocks', () => {
    expect([fitsRows('q8_0', 96), fitsRows('q4_0', 48), fitsRows('f16', 7)]).toEqual([true, false, true]);
  });
});

describe('a file of type q4_k_m', () => {
  it.each(recorded.mixed)('of $layers layers, $hidden by $inner has the types of llama.cpp', (model) => {
    const { layers, hidden, inner, isTied, types } = model;
    const found = Object.keys(types).map((name) => {
      const [, layer, part] = /^(?:blk\.(\d+)\.)?(.+)\.weight$/.exec(name)!;
      const columns = part === 'ffn_down' ? inner : hidden;
      const shape = part!.endsWith('norm') ? [hidden] : [8, columns];
      const tensor = { part: part!, shape, layer: layer === undefined ? undefined : Number(layer) };
      return [name, tensorTypeOf('q4_k_m', { ...tensor, layers, isTied })] as [string, TensorType];
    });
    expect(Object.fromEntries(found)).toEqual(types);
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
