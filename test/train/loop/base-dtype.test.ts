/**
 * Stages with adapters over a base in int8 and NF4. Each trains as over a folder of the dequantized
 * weights, bit for bit; so its frozen reference is the quantized base as well.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, loadScoringModel, saveModel } from '../../../src/checkpoint/gpt-folder.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import type { FrozenFormat } from '../../../src/native/binding/frozen.ts';
import type { Decoder } from '../../../src/nn/decoder.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { classifier } from '../../../src/train/classifier/run.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { expectSameRun } from '../../helpers/killed-run.ts';
import { expectSameBits, maxError } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import {
  dpoDefaults,
  grpoDefaults,
  jsonl,
  ktoDefaults,
  logged,
  ppoDefaults,
  rewardDefaults,
  runDpo,
  runGrpo,
  runKto,
  runPpo,
  runReward,
  runSft,
  sftDefaults,
} from '../../helpers/stages.ts';

const lora = { loraRank: 2, steps: 4, lr: 0.03 } as const;
let root: string;
let models: RlModels;
/** Folders with the dequantized weights in f32. */
const rounded: Partial<Record<FrozenFormat, string>> = {};

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-base-dtype-'));
  models = await writeRlModels(root, { hiddenSize: 32, layers: 1 });
  for (const format of ['int8', 'nf4'] as const) {
    const folder = join(root, format);
    cpSync(models.model, folder, { recursive: true });
    const model = loadModel(models.model);
    const frozen = loadModel(models.model, { frozenProjections: format }).frozenWeights();
    for (const [name, weight] of frozen) model.parameters().get(name)!.writeFloats(weight.toFloats());
    await saveModel(folder, model, { tokenizer: models.model });
    rounded[format] = folder;
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const rows = (make: (i: number) => object) =>
  jsonl(
    root,
    'rows.jsonl',
    Array.from({ length: 16 }, (_, i) => make(i)),
  );

interface Start {
  model: string;
  out: string;
  baseDtype?: FrozenFormat;
}
const rollouts = () => ({ data: models.data, reward: models.reward, loraRank: 2, lr: 0.01, iterations: 2 });
const stages: Record<string, (start: Start) => Promise<unknown>> = {
  sft: (start) => {
    const data = rows((i) => ({ prompt: `Name ${i}.`, completion: `Blue ${i}.` }));
    return runSft({ ...sftDefaults, ...lora, ...start, data, packing: false });
  },
  reward: (start) => {
    const data = rows((i) => ({ prompt: `${i}?`, chosen: 'Blue.', rejected: `Red ${i}.` }));
    return runReward({ ...rewardDefaults, ...lora, ...start, data });
  },
  dpo: (start) => {
    const data = rows((i) => ({ prompt: `${i}?`, chosen: 'Blue.', rejected: `Red ${i}.` }));
    return runDpo({ ...dpoDefaults, ...lora, ...start, data });
  },
  kto: (start) => {
    const data = rows((i) => ({ prompt: `${i}?`, completion: `Red ${i}.`, label: i % 2 === 0 }));
    return runKto({ ...ktoDefaults, ...lora, ...start, data });
  },
  classifier: (start) => {
    const data = rows((i) => ({ text: `Name ${i}.`, label: i % 2 }));
    return classifier({ ...lora, ...start, data, dtype: 'f32', seed: 3, batchSize: 4, validationSplit: 0.5 });
  },
  ppo: (start) => runPpo({ ...ppoDefaults, ...rollouts(), ...start }),
  grpo: (start) => runGrpo({ ...grpoDefaults, ...rollouts(), ...start }),
};

function trained(out: string): Map<string, Float32Array> {
  using saved = new CheckpointStore(out).load();
  const { tensors } = saved;
  const names = [...tensors.tensors.keys()].filter((name) => name.startsWith('stage/'));
  return new Map(names.map((name) => [name, tensors.read(name).data as Float32Array]));
}

describe.each(Object.keys(stages))('%s', (name) => {
  it.each(['int8', 'nf4'] as const)('over %s trains as over the dequantized weights', async (baseDtype) => {
    const [frozen, whole] = [`${name}-${baseDtype}`, `${name}-${baseDtype}-whole`].map((x) => join(root, x));
    await stages[name]!({ model: models.model, out: frozen!, baseDtype });
    await stages[name]!({ model: rounded[baseDtype]!, out: whole! });
    expect(logged(frozen!, 'loss').length).toBeGreaterThan(1);
    expect(logged(frozen!, 'loss')).toEqual(logged(whole!, 'loss'));
    const [ours, wanted] = [trained(frozen!), trained(whole!)];
    expect([...ours.keys()].some((key) => key.endsWith('.lora_b'))).toBe(true);
    for (const [key, value] of wanted) expectSameBits(ours.get(key)!, value, key);
    // The written models differ by the rounding of the base alone.
    const load: (folder: string) => Decoder = /reward|classifier/.test(name) ? loadScoringModel : loadModel;
    const [merged, other, base] = [frozen!, whole!, models.model].map((folder) =>
      (folder === models.model ? loadModel : load)(folder).parameters(),
    );
    const start = loadModel(rounded[baseDtype]!).parameters();
    for (const [key, value] of start) {
      const [ours, theirs, from] = [merged!, other!, base!].map((found) => found.get(key)!.toFloats());
      const to = value.toFloats();
      const wanted = theirs!.map((x, i) => x + from![i]! - to[i]!);
      expect(maxError(ours!, wanted), key).toBeLessThan(1e-6);
    }
  });
});

it('a run goes on from any checkpoint to the same bits', async () => {
  const data = rows((i) => ({ prompt: `Name ${i}.`, completion: `Blue ${i}.` }));
  const settings = {
    ...sftDefaults,
    ...lora,
    model: models.model,
    data,
    baseDtype: 'nf4',
    saveEvery: 1,
  } as const;
  const [out, again] = [join(root, 'once'), join(root, 'again')];
  await runSft({ ...settings, out, keepCheckpoints: 9 });
  cpSync(out, again, { recursive: true });
  for (const { path } of new CheckpointStore(again).list().slice(2)) rmSync(path, { recursive: true });
  await sft({ out: again, resume: true });
  expectSameRun(again, out);
  await expect(sft({ out: again, resume: true, baseDtype: 'int8' })).rejects.toThrow(
    /cannot change `baseDtype` from nf4 to int8/,
  );
});

it('a base that grows for a chat template is quantized all the same', async () => {
  const plain = join(root, 'plain');
  const tokenizer = await Tokenizer.train(['Blue. Red. Name.'], { vocabSize: 270 });
  tokenizer.save(plain);
  const { config } = loadModel(models.model);
  const model = new Gpt({ ...config, vocabSize: tokenizer.vocabSize }, { seed: 4 });
  await saveModel(plain, model, { tokenizer: plain });
  const data = rows((i) => ({ prompt: `Name ${i}.`, completion: `Blue ${i}.` }));
  const out = join(root, 'grown');
  await runSft({ ...sftDefaults, ...lora, model: plain, data, out, baseDtype: 'nf4' });
  expect(existsSync(join(out, 'adapter'))).toBe(false);
  expect(loadModel(out).config.vocabSize).toBeGreaterThan(tokenizer.vocabSize);
});
