/** A run with LoRA leaves its adapter in the form of peft: on its base it is the merged model. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/checkpoint/convert/convert-model.ts';
import { readModelFiles } from '../../../src/checkpoint/load-model.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { ppo } from '../../../src/train/rl/ppo.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { maxError } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import { dpoDefaults, jsonl, ppoDefaults, rewardDefaults, sftDefaults } from '../../helpers/stages.ts';

let root: string;
let models: RlModels;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-export-adapter-'));
  models = await writeRlModels(root, { hiddenSize: 16, layers: 1, heads: 2 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const lora = { loraRank: 2, loraAlpha: 5, batchSize: 4, steps: 4, lr: 0.03 };

function pairs(): string {
  const rows = Array.from({ length: 8 }, (_, i) => ({
    prompt: `${i}?`,
    chosen: 'blue',
    rejected: `red ${i}`,
  }));
  return jsonl(temporaryFolder(), 'pairs.jsonl', rows);
}

async function expectMerged(out: string): Promise<void> {
  const merged = join(temporaryFolder(), 'merged');
  const { base } = await convertModel(join(out, 'adapter'), { out: merged });
  const [wanted, found, before] = [out, merged, base!].map((folder) => readModelFiles(folder).parameters);
  expect([...found!.keys()]).toEqual([...wanted!.keys()]);
  let changed = 0;
  for (const [name, { data }] of wanted!) {
    expect(maxError(found!.get(name)!.data as Float32Array, data as Float32Array), name).toBeLessThan(1e-6);
    const start = before!.get(name);
    if (start && maxError(start.data as Float32Array, data as Float32Array) > 1e-4) changed += 1;
  }
  expect(changed).toBeGreaterThan(0);
}

describe('OUT/adapter', () => {
  it('of sft, with targets that share no name with other layers', async () => {
    const out = join(temporaryFolder(), 'run');
    const data = jsonl(root, 'instructions.jsonl', [
      { prompt: 'a?', completion: 'blue' },
      { prompt: 'b?', completion: 'red' },
    ]);
    await sft({ ...sftDefaults, ...lora, loraTargets: ['qkv', 'down'], model: models.model, data, out });
    await expectMerged(out);
    const config = JSON.parse(readFileSync(join(out, 'adapter/adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({ peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 2, lora_alpha: 5 });
    expect(config.target_modules.every((name: string) => !name.startsWith('model.'))).toBe(true);
  });

  it('of a reward model, with its head', async () => {
    const out = join(temporaryFolder(), 'run');
    await reward({ ...rewardDefaults, ...lora, model: models.model, data: pairs(), out });
    await expectMerged(out);
  });

  it('of dpo, and of ppo with an average of the weights', async () => {
    const folder = temporaryFolder();
    await dpo({ ...dpoDefaults, ...lora, model: models.model, data: pairs(), out: join(folder, 'dpo') });
    await expectMerged(join(folder, 'dpo'));
    await ppo({
      ...{ ...ppoDefaults, ...lora, evalPrompts: 0, rolloutSize: 8, iterations: 2, missingEos: 'none' },
      ...{ model: models.model, data: models.data, reward: models.reward, emaDecay: 0.5 },
      out: join(folder, 'ppo'),
    });
    await expectMerged(join(folder, 'ppo'));
  });

  it('is not there when all weights train', async () => {
    const out = join(temporaryFolder(), 'run');
    const data = jsonl(root, 'one.jsonl', [{ prompt: 'a?', completion: 'blue' }]);
    await sft({ ...sftDefaults, ...lora, loraRank: 0, model: models.model, data, out });
    expect(existsSync(join(out, 'adapter'))).toBe(false);
  });
});
