/**
 * Stages with `paramDtype: 'bf16'`: what they learn, write and refuse, and that a checkpoint holds
 * their whole state.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readModelFiles } from '../../../src/checkpoint/load-model.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { expectSameRun } from '../../helpers/killed-run.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import { jsonl, logged, ppoDefaults, runPpo, runSft, sftDefaults } from '../../helpers/stages.ts';

const precision = { dtype: 'bf16', paramDtype: 'bf16' } as const;
let root: string;
let models: RlModels;
let instructions: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-bf16-weights-'));
  models = await writeRlModels(root);
  const colours = ['Blue.', 'Red, then.', 'Hello!'];
  const dialogues = Array.from({ length: 60 }, (_, i) => ({
    prompt: `Name a colour. ${i}`,
    completion: colours[i % 3]!,
  }));
  instructions = jsonl(root, 'instructions.jsonl', dialogues);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const sft = (name: string, options: object) =>
  runSft({
    ...sftDefaults,
    dtype: 'bf16',
    model: models.model,
    data: instructions,
    out: join(root, name),
    // So small a rate that rounding to nearest would lose most of it: a bf16 weight of 0.2 is 0.1 %
    // from the next.
    lr: 2e-4,
    epochs: 12,
    packing: false,
    ...options,
  });

describe('fine-tuning with weights in bf16', () => {
  it('learns as with f32 masters, and leaves a folder of bf16 matrices that it goes on from without loss', async () => {
    await sft('masters', {});
    await sft('narrow', { ...precision, saveEvery: 20 });
    const [masters, narrow] = ['masters', 'narrow'].map((name) => logged(join(root, name), 'loss'));
    const fall = masters![0]! - masters!.at(-1)!;
    expect(fall).toBeGreaterThan(0.5);
    expect(Math.abs(narrow!.at(-1)! - masters!.at(-1)!)).toBeLessThan(0.05 * fall);
    const folder = join(root, 'narrow');
    for (const [name, { dtype, shape }] of readModelFiles(folder).parameters)
      expect(dtype, name).toBe(shape.length === 2 ? 'bf16' : 'f32');
    // transformers would round the norms to bf16 if this were bfloat16.
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).dtype).toBe('float32');
    const [kept, wide] = [loadModel(folder, precision), loadModel(folder)];
    for (const [name, p] of kept.parameters())
      expectSameBits(p.toFloats(), wide.parameters().get(name)!.toFloats());
  });

  it('trains adapters on it in f32', async () => {
    await sft('adapters', { ...precision, loraRank: 4, lr: 3e-3, epochs: 3 });
    const losses = logged(join(root, 'adapters'), 'loss');
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
    const names = new CheckpointStore(join(root, 'adapters')).load();
    expect(names.tensors.read('stage/trained/blocks.0.attention.qkv.lora_a').dtype).toBe('f32');
    names.close();
  });

  it('is refused with activations in f32, before anything is written', async () => {
    const refused = sft('never', { ...precision, dtype: 'f32' });
    await expect(refused).rejects.toThrow(/`paramDtype` bf16 needs activations in bf16, but `dtype` is f32/);
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});

it('PPO with a value model, a moving average and weights in bf16 goes on from any checkpoint to the same bits', async () => {
  const { model, data, reward } = models;
  const [whole, again] = [join(root, 'whole'), join(root, 'again')];
  const settings = {
    ...ppoDefaults,
    ...precision,
    model,
    data,
    reward,
    emaDecay: 0.9,
    saveEvery: 1,
    keepCheckpoints: 20,
  };
  await runPpo({ ...settings, out: whole });
  cpSync(whole, again, { recursive: true });
  const store = new CheckpointStore(again);
  const [, , second, ...later] = store.list();
  expect(later.length).toBeGreaterThan(2);
  for (const { path } of later) rmSync(path, { recursive: true });
  const saved = store.load();
  const dtypeOf = (name: string) => saved.tensors.read(`stage/${name}/token_embedding.weight`).dtype;
  expect([dtypeOf('value'), dtypeOf('live'), dtypeOf('ema')]).toEqual(['bf16', 'bf16', 'f32']);
  expect(saved.step).toBe(second!.step);
  saved.close();
  await runPpo({ ...settings, out: again, resume: true });
  expectSameRun(again, whole);
});
