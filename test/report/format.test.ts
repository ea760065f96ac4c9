import { describe, expect, it } from 'vitest';
import {
  exactCount,
  formatBytes,
  formatCount,
  formatDuration,
  formatFlops,
  formatRate,
} from '../../src/report/format.ts';

describe('formats', () => {
  it.each([
    [0, '0'],
    [950, '950'],
    [999, '999'],
    [12_300, '12.3k'],
    [999_499, '999k'],
    [999_600, '1.00M'],
    [4_560_000, '4.56M'],
    [1.2e9, '1.20B'],
    [5e15, '5000T'],
    [-12_300, '-12.3k'],
    [0.5, '0.50'],
    [9.996, '10.0'],
    [0.000123456, '0.000123'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ])('a count of %d is %s', (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [12_345, '12,345'],
    [999_999, '999,999'],
    [1_000_000, '1.00M'],
    [2.5, '2.50'],
  ])('an exact count of %d is %s', (value, text) => expect(exactCount(value)).toBe(text));

  it.each([
    [512, '512 B'],
    [1536, '1.50 KiB'],
    [1023.7 * 1024, '1.00 MiB'],
    [2 * 2 ** 30, '2.00 GiB'],
  ])('%d bytes are %s', (value, text) => expect(formatBytes(value)).toBe(text));

  it.each([
    [0.42, '0.4s'],
    [9.96, '10s'],
    [42, '42s'],
    [59.7, '1m 00s'],
    [187, '3m 07s'],
    [3599.8, '1h 00m'],
    [7500, '2h 05m'],
    [86_400 * 3 + 4 * 3600, '3d 4h'],
    [-1, '0.0s'],
    [Number.NaN, '?'],
  ])('%d seconds are %s', (value, text) => expect(formatDuration(value)).toBe(text));

  it('rates have a unit, FLOP/s their own letters', () => {
    expect(formatRate(8123, 'tok')).toBe('8.12k tok/s');
    expect(formatFlops(7.45e11)).toBe('745 GFLOP/s');
    expect(formatFlops(1.2e12)).toBe('1.20 TFLOP/s');
  });
});
