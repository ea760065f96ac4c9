/** GRPO from settings to a model folder. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJson } from '../../../src/base/files/read-file.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import type { GrpoSettings } from '../../../src/train/rl/settings.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import { grpoDefaults, logged, runGrpo } from '../../helpers/stages.ts';

let root: string;
let models: RlModels;
let runs = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-grpo-'));
  models = await writeRlModels(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(settings: Partial<GrpoSettings> = {}) {
  const out = join(root, `run-${++runs}`);
  const { model, reward, data } = models;
  return { out, result: await runGrpo({ ...grpoDefaults, model, reward, data, ...settings, out }) };
}

describe.each([0, 4])('with adapters of rank %i', (loraRank) => {
  it('R14: ratios are exactly 1 before the first update of each rollout', async () => {
    const { out, result } = await run({ loraRank });
    expect(result.step).toBe(12);
    expect(logged(out, 'ratio_max_deviation')).toEqual(new Array(12).fill(0));
    expect(Math.max(...logged(out, 'approx_kl'))).toBeGreaterThan(0);
    const { records } = readMetrics(out);
    expect(records.some((record) => 'value_loss' in record || 'value_grad_norm' in record)).toBe(false);
  });
});

describe.each([
  ['dapo', 'token'],
  ['grpo', 'token'],
  ['dr-grpo', 'token'],
  ['bnpo', 'token'],
  ['grpo', 'sequence'],
] as const)('the loss %s with a ratio per %s', (loss, importanceSamplingLevel) => {
  it.each([0, 4])('is recorded, and gives weights of its own, with adapters of rank %i', async (loraRank) => {
    const { out, result } = await run({ loss, importanceSamplingLevel, loraRank });
    expect(result.step).toBe(12);
    expect(logged(out, 'ratio_max_deviation')).toEqual(new Array(12).fill(0));
    const settings = readJson(join(out, 'run.json')) as { settings: object };
    expect(settings.settings).toMatchObject({ loss, importanceSamplingLevel });
    const plain = await run({ loraRank });
    const isDefault = loss === 'dapo' && importanceSamplingLevel === 'token';
    const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(out).equals(weights(plain.out))).toBe(isDefault);
  });
});

it.each([0, 4])('draws rollouts with int8 weights, and with adapters of rank %i', async (loraRank) => {
  const { out, result } = await run({ loraRank, rolloutQuantize: 'int8' });
  expect(result.step).toBe(12);
  expect(logged(out, 'ratio_max_deviation')).toEqual(new Array(12).fill(0));
  expect(new Set(logged(out, 'quantization_kl')).size).toBeGreaterThan(1);
  const own = await run({ loraRank });
  expect(logged(own.out, 'reward')).not.toEqual(logged(out, 'reward'));
  expect(logged(own.out, 'quantization_kl').filter((kl) => kl !== undefined)).toEqual([]);
});

it('R14: a model with more rows than tokens draws none of the others, and has ratios of exactly 1', async () => {
  const folder = join(root, 'rows');
  mkdirSync(folder);
  const { model, reward, data } = await writeRlModels(folder, { vocabSize: 1000 });
  const { out, result } = await run({ model, reward, data });
  expect(result.step).toBe(12);
  expect(logged(out, 'ratio_max_deviation')).toEqual(new Array(12).fill(0));
});

it('holds to the reference inside the loss: another weight, another model, from the same first rollout', async () => {
  const [free, held] = [await run({ klCoef: 0 }), await run({ klCoef: 1 })];
  expect(logged(held.out, 'reward').slice(0, 4)).toEqual(logged(free.out, 'reward').slice(0, 4));
  // At the reference k3 and its gradient are 0, so the first updates are the same.
  expect(logged(held.out, 'loss')[0]).toBe(logged(free.out, 'loss')[0]);
  const weights = (out: string) => readFileSync(join(out, 'model.safetensors'));
  expect(weights(held.out).equals(weights(free.out))).toBe(false);
});

it.each([
  [{ numGenerations: 1 }, /a group of 1 has no others/],
  [{ numGenerations: 3 }, /8 responses does not divide into groups of 3/],
] as [Partial<GrpoSettings>, RegExp][])('is refused with %o', async (settings, message) => {
  await expect(run(settings)).rejects.toThrow(message);
});
