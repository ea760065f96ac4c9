import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { philox } from '../helpers/philox.ts';
import {
  expectError,
  expectSameBits,
  expectSameForThreads,
  forEachIsa,
  values,
} from '../helpers/reference.ts';

function normal(count: number, seed = 1, stream = 0, mean = 0, std = 1): NativeTensor {
  const t = native.empty([count], 'f32');
  native.normalInto(t, mean, std, seed, stream);
  return t;
}

function uniform(count: number, seed = 1, stream = 0, low = 0, high = 1): NativeTensor {
  const t = native.empty([count], 'f32');
  native.uniformInto(t, low, high, seed, stream);
  return t;
}

describe('the generator', () => {
  it('is Philox4x32-10: the known answer for a zero key and counter', () => {
    expect(philox(0n, 0n, 0n)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const got = values(uniform(4, 0, 0));
    expect([...got]).toEqual(
      philox(0n, 0n, 0n).map((word) => Math.min(Math.fround(word / 2 ** 32), 1 - 2 ** -24)),
    );
  });

  it('makes element i from (seed, stream, i) by Box-Muller', () => {
    forEachIsa(native, (isa) => {
      const [seed, stream, count] = [123_456_789_012, 77, 4099];
      const got = values(normal(count, seed, stream, 0.5, 2));
      for (let i = 0; i < count; i++) {
        const words = philox(BigInt(seed), BigInt(stream), BigInt(i >> 2));
        const pair = i & 2;
        const radius = Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / 2 ** 32));
        const angle = (2 * Math.PI * words[pair + 1]!) / 2 ** 32;
        const exact = 0.5 + 2 * radius * (i & 1 ? Math.cos(angle) : Math.sin(angle));
        expect(Math.abs(got[i]! - exact), `${isa} element ${i}`).toBeLessThanOrEqual(
          2 ** -23 * Math.abs(exact) + 1e-13,
        );
      }
    });
  });
});

describe('the fills', () => {
  it('have the same bits on every instruction set', () => {
    const first = native.read(normal(5003));
    const firstUniform = native.read(uniform(5003, 3, 4, -2, 5));
    forEachIsa(native, (isa) => {
      expectSameBits(normal(5003), first, isa);
      expectSameBits(uniform(5003, 3, 4, -2, 5), firstUniform, isa);
    });
  });

  it('have the same bits for 1, 2 and 3 threads', () => {
    expectSameForThreads(native, () => [normal(20_001), uniform(20_001)]);
  });

  it('are prefixes of one sequence, whatever the length', () => {
    const long = native.read(normal(9000));
    for (const count of [1, 2, 3, 5, 255, 257, 4095, 4097])
      expectSameBits(normal(count), long.subarray(0, count));
  });

  it('differ by seed and by stream', () => {
    const base = [...values(normal(8, 1, 0))];
    expect([...values(normal(8, 2, 0))]).not.toEqual(base);
    expect([...values(normal(8, 1, 1))]).not.toEqual(base);
    expect([...values(normal(8, 1 + 2 ** 33, 0))]).not.toEqual(base);
  });

  it('have the moments of their distributions', () => {
    const n = 1_000_000;
    const x = values(normal(n, 11, 5, 3, 0.5));
    const moment = (order: number) => x.reduce((sum, v) => sum + ((v - 3) / 0.5) ** order, 0) / n;
    // Standard errors of the four moments: 1, sqrt 2, sqrt 15, sqrt 96 thousandths.
    expect(Math.abs(moment(1))).toBeLessThan(4e-3);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * 1.42e-3);
    expect(Math.abs(moment(3))).toBeLessThan(4 * 3.9e-3);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * 9.8e-3);
    const u = values(uniform(n, 12, 5));
    const bins = new Array<number>(64).fill(0);
    for (const v of u) bins[Math.floor(v * 64)]!++;
    const chiSquare = bins.reduce((sum, c) => sum + (c - n / 64) ** 2 / (n / 64), 0);
    expect(chiSquare).toBeLessThan(63 + 4 * Math.sqrt(126));
  });

  it('keep uniform numbers below the upper end', () => {
    for (const [low, high] of [
      [0, 1],
      [1, 1 + 2 ** -22],
      [-1e-3, 1e6],
      [2, 2],
    ] as const) {
      for (const v of values(uniform(100_000, 9, 1, low, high))) {
        if (v < Math.fround(low) || (v >= Math.fround(high) && low < high))
          expect.fail(`${v} in [${low}, ${high})`);
      }
    }
  });

  it('name a bad argument', () => {
    const t = native.empty([4], 'f32');
    expectError('ERR_ARGUMENT', /normalInto.*std/, () => native.normalInto(t, 0, -1, 1, 1));
    expectError('ERR_ARGUMENT', /uniformInto.*low <= high/, () => native.uniformInto(t, 1, 0, 1, 1));
    expectError('ERR_DTYPE', /target.*f32.*bf16/, () =>
      native.normalInto(native.empty([4], 'bf16'), 0, 1, 1, 1),
    );
  });
});
