/** The arithmetic of docs/scale.md, and the page against the script that prints its tables. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { flopsPerToken, parameterCount } from '../../src/nn/config.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { runNode } from '../helpers/cli.ts';

interface Model {
  name: string;
  parameters: number;
  layers: number;
  context: number;
}
interface Prediction {
  stage: number;
  sums: number;
  rate: number;
  share: number;
}
interface Scale {
  models: Record<'124M' | '1.5B' | '8B', Model>;
  gpus: Record<'H100' | 'H200', object>;
  flopsPerToken(model: Model): number;
  held(model: Model, ranks: number, stage: number): Record<'weights' | 'gradients' | 'moments', number>;
  sent(model: Model, ranks: number, stage: number, passes: number): Record<'gradients' | 'weights', number>;
  predict(model: Model, gpu: object, ranks: number, assumed: object): Prediction;
}
const url = pathToFileURL(join(packageRoot, 'scripts/lib/scale-model.mjs')).href;
const { models, gpus, ...scale } = (await import(url)) as Scale;

it('the page has what the script prints', async () => {
  const { code, stdout } = await runNode([join(packageRoot, 'scripts/gpu-scale.mjs')]);
  expect(code).toBe(0);
  const page = readFileSync(join(packageRoot, 'docs/scale.md'), 'utf8');
  const blocks = stdout.split('\n\n').filter((block) => /^(\||```)/.test(block));
  expect(blocks).toHaveLength(7);
  for (const block of blocks) expect(page).toContain(block.trimEnd());
});

it.each(['124M', '1.5B'] as const)('%s is the preset, and its work is that of the progress line', (name) => {
  const model = models[name];
  const config = presetConfig(model.name);
  expect(parameterCount(config)).toBe(model.parameters);
  expect(scale.flopsPerToken(model)).toBe(flopsPerToken(config, model.context));
});

it('8B has the work of the published shape, multiplied out', () => {
  const block = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14_336;
  const head = 128_256 * 4096;
  const norms = 65 * 4096;
  expect(32 * block + 2 * head + norms).toBe(models['8B'].parameters);
  expect(scale.flopsPerToken(models['8B'])).toBe(6 * (32 * block + head) + 6 * 32 * 4096 * 8193);
});

const sum = (parts: Record<string, number>) => Object.values(parts).reduce((a, b) => a + b);

it('bytes held and sent are those of the ZeRO paper, in f32', () => {
  const one: Model = { name: 'one', parameters: 1e6, layers: 10, context: 1 };
  // Weights, two copies of gradients, two moments: 4, 8 and 8 bytes.
  expect(sum(scale.held(one, 4, 0))).toBe(20e6);
  expect(sum(scale.held(one, 4, 1))).toBe(14e6);
  // A quarter of 16 MB and layers of 0.4 MB.
  expect(sum(scale.held(one, 4, 2))).toBeCloseTo(4e6 + 1e6 + 0.8e6 + 2e6);
  expect(sum(scale.held(one, 4, 3))).toBeCloseTo(4e6 + 1.6e6);
  for (const stage of [0, 1, 2]) expect(sum(scale.sent(one, 4, stage, 1))).toBe(6e6);
  expect(sum(scale.sent(one, 4, 3, 1))).toBe(9e6);
  expect(sum(scale.sent(one, 4, 1, 5))).toBe(6e6);
  expect(sum(scale.sent(one, 4, 2, 5))).toBe(18e6);
});

it('predictions are bounded by the peak, and by the network', () => {
  const assumed = {
    ...{ overlap: 1, efficiency: 1, room: 0.9, kernels: 0, launch: 0, message: 0, bucket: 2 ** 25 },
    sums: 'direct',
  };
  const model = models['124M'];
  const eight = scale.predict(model, gpus.H100, 8, assumed);
  expect(eight.rate).toBeLessThan((0.38 * 989e12) / scale.flopsPerToken(model));
  expect(eight.share).toBeGreaterThan(0.99);
  // 7/8 of 4 bytes per parameter leave the machine at 50 GB/s.
  const many = scale.predict(model, gpus.H100, 64, assumed);
  expect(many.sums).toBeCloseTo((4 * model.parameters * 7) / 8 / 50e9, 6);
});
