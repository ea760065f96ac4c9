import { describe, expect, it } from 'vitest';
import type { DType } from '../../../src/native/binding.ts';
import { checkRatios, ratioDeviation, ratioTolerance } from '../../../src/train/rl/ratio-check.ts';
import { makeResponders, makeWorld } from './world.ts';

describe.each(['f32', 'bf16'] as DType[])('R14: before any update in %s', (dtype) => {
  it.each([0.7, 1])(
    'every ratio is exactly 1 at temperature %d, through the cache and continuous refill',
    async (temperature) => {
      const { sampler, policy } = await makeResponders({
        dtype,
        sampler: { temperature, decodeBatchSize: 3 },
      });
      const drawn = await sampler.draw([...Array(16).keys()], 3);
      expect(ratioDeviation(policy, drawn, temperature)).toBe(0);
      // Another temperature than that of sampling gives ratios far from 1.
      expect(ratioDeviation(policy, drawn, temperature + 0.3)).toBeGreaterThan(0.5);
    },
  );

  it('the run looks, and ends where sampling and training disagree in one token by little', async () => {
    const { stage, sampler } = await makeWorld({ dtype });
    const draw = sampler.draw.bind(sampler);
    sampler.draw = async (indices, seed) => {
      const drawn = await draw(indices, seed);
      drawn.logProbs[5]! += 1e-5;
      return drawn;
    };
    await expect(stage.nextBatch()).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
    sampler.draw = draw;
    expect((await stage.nextBatch()).indices).toHaveLength(16);
  });
});

it('nothing is right on the CPU but 0, and NaN nowhere', () => {
  expect(ratioTolerance('cpu', 'bf16')).toBe(0);
  expect(ratioTolerance('cuda', 'f32')).toBeLessThan(ratioTolerance('cuda', 'bf16'));
  expect(() => checkRatios(0, 0)).not.toThrow();
  expect(() => checkRatios(Number.MIN_VALUE, 0)).toThrow(/sampling and training disagree/);
  expect(() => checkRatios(Number.NaN, 0.5)).toThrow(/deviates from 1 by NaN/);
});
