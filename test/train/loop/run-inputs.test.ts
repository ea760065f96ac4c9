/** What a run reads again at its resumption is what it began with, and never its output. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { fileDigest } from '../../../src/train/loop/run-inputs.ts';
import type { RunHooks, StageResult } from '../../../src/train/loop/run-stage.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { pretrain } from '../../../src/train/pretrain/run.ts';
import { grpo } from '../../../src/train/rl/grpo.ts';
import { ppo } from '../../../src/train/rl/ppo.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import {
  dpoDefaults,
  grpoDefaults,
  jsonl,
  ppoDefaults,
  rewardDefaults,
  sftDefaults,
} from '../../helpers/stages.ts';

let root: string;
let models: RlModels;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-run-inputs-'));
  models = await writeRlModels(root, { hiddenSize: 16, layers: 1, heads: 2 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Copies that a test may change. */
let model: string;
let judge: string;
let value: string;
let rewardFn: string;
let pairs: string;
let out: string;
beforeEach(() => {
  const folder = temporaryFolder();
  [model, judge, value, out] = ['model', 'judge', 'value', 'run'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  cpSync(models.model, model, { recursive: true });
  for (const copy of [judge, value]) cpSync(models.reward, copy, { recursive: true });
  rewardFn = join(folder, 'reward.mjs');
  writeFileSync(rewardFn, 'export default (prompt, response) => response.length;');
  const rows = Array.from({ length: 8 }, (_, i) => ({
    prompt: `${i}?`,
    chosen: 'blue',
    rejected: `red ${i}`,
  }));
  pairs = jsonl(folder, 'pairs.jsonl', rows);
});

type Run = (options: Record<string, unknown>, hooks: RunHooks) => Promise<StageResult>;
const started = { loraRank: 0, batchSize: 4, steps: 4, saveEvery: 1 };
/** Short answers that do not end have scores that differ, so that no warning says otherwise. */
const rollout = { evalPrompts: 0, rolloutSize: 8, iterations: 2, missingEos: 'none' };

/** The stages with their settings, and the settings whose folders are read again. */
const stages: Record<string, { run: Run; settings: () => object; again: () => Record<string, string> }> = {
  'sft with LoRA': {
    run: sft as Run,
    settings: () => ({ ...sftDefaults, ...started, model, data: instructions(), loraRank: 2 }),
    again: () => ({ model }),
  },
  'reward with LoRA': {
    run: reward as Run,
    settings: () => ({ ...rewardDefaults, ...started, model, data: pairs, loraRank: 2 }),
    again: () => ({ model }),
  },
  dpo: {
    run: dpo as Run,
    settings: () => ({ ...dpoDefaults, ...started, model, data: pairs }),
    again: () => ({ model }),
  },
  grpo: {
    run: grpo as Run,
    settings: () => ({ ...grpoDefaults, ...started, ...rollout, model, data: models.data, reward: judge }),
    again: () => ({ model, reward: judge }),
  },
  'ppo with LoRA': {
    run: ppo as Run,
    settings: () => ({
      ...{ ...ppoDefaults, ...started, ...rollout, loraRank: 2, model, data: models.data },
      ...{ reward: judge, valueInit: value },
    }),
    again: () => ({ model, reward: judge, valueInit: value }),
  },
};

function instructions(): string {
  return jsonl(root, 'instructions.jsonl', [
    { prompt: 'a?', completion: 'blue' },
    { prompt: 'b?', completion: 'red' },
  ]);
}

/** Runs until the first checkpoint. */
async function begin(run: Run, settings: object): Promise<void> {
  const stop = new AbortController();
  const onEvent = ({ type }: RunEvent) => type === 'step' && stop.abort();
  const { interrupted } = await run({ ...settings, out }, { signal: stop.signal, onEvent });
  expect(interrupted).toBe(true);
}

async function resumed(run: Run): Promise<{ result: StageResult; warnings: string[] }> {
  const warnings: string[] = [];
  const onEvent = (event: RunEvent) => event.type === 'warning' && warnings.push(event.text);
  return { result: await run({ out, resume: true }, { onEvent }), warnings };
}

/** Changes the last byte of the weights, as any training would. */
function changeWeights(folder: string): () => void {
  const path = join(folder, 'model.safetensors');
  const before = readFileSync(path);
  const after = Buffer.from(before);
  after[after.length - 1]! ^= 1;
  writeFileSync(path, after);
  return () => writeFileSync(path, before);
}

describe.each(Object.entries(stages))('%s', (_, { run, settings, again }) => {
  it('goes on from what it began with, and from nothing else', async () => {
    await begin(run, settings());
    for (const [setting, folder] of Object.entries(again())) {
      const putBack = changeWeights(folder);
      const found = await resumed(run).catch((error: unknown) => error);
      expect(found).toMatchObject({
        code: 'ERR_MISMATCH',
        message: `\`${setting}\` ${folder} is not what the run in ${out} began with: its model.safetensors differs`,
      });
      putBack();
    }
    const { result, warnings } = await resumed(run);
    expect(result.step).toBe(4);
    expect(warnings).toEqual([]);
  });

  it('never replaces what it reads', async () => {
    for (const [setting, folder] of Object.entries(again())) {
      const before = readdirSync(folder);
      const link = join(temporaryFolder(), 'link');
      symlinkSync(folder, link);
      for (const name of [folder, `${folder}/`, link]) {
        const found = await run({ ...settings(), out: name }, {}).catch((error: unknown) => error);
        expect(found).toMatchObject({ code: 'ERR_OPTION' });
        expect((found as Error).message).toContain(`\`out\` and \`${setting}\` are the same folder`);
      }
      expect(readdirSync(folder)).toEqual(before);
    }
  });
});

it('a run that trains all weights does not need the base again, but its tokenizer', async () => {
  await begin(sft as Run, { ...sftDefaults, ...started, model, data: instructions() });
  changeWeights(model);
  const config = join(model, 'tokenizer_config.json');
  const before = readFileSync(config, 'utf8');
  writeFileSync(config, `${before}\n`);
  await expect(resumed(sft as Run)).rejects.toMatchObject({
    code: 'ERR_MISMATCH',
    message: expect.stringContaining('its tokenizer_config.json differs') as string,
  });
  writeFileSync(config, before);
  expect((await resumed(sft as Run)).result.step).toBe(4);
});

it('reward does not go on with other answers to normalize on', async () => {
  const normalize = jsonl(temporaryFolder(), 'answers.jsonl', [{ prompt: 'a?', completion: 'blue' }]);
  await begin(reward as Run, { ...rewardDefaults, ...started, model, data: pairs, normalize });
  const before = readFileSync(normalize, 'utf8');
  writeFileSync(normalize, before.replace('blue', 'then'));
  await expect(resumed(reward as Run)).rejects.toMatchObject({
    code: 'ERR_MISMATCH',
    message: `\`normalize\` ${normalize} is not what the run in ${out} began with: its text differs`,
  });
  writeFileSync(normalize, before);
  expect((await resumed(reward as Run)).result.step).toBe(4);
});

it('says which setting names the new place of what was moved', async () => {
  await begin(dpo as Run, { ...dpoDefaults, ...started, model, data: pairs });
  for (const [setting, path] of Object.entries({ model, data: pairs })) {
    renameSync(path, `${path}.moved`);
    await expect(resumed(dpo as Run)).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
      message: `${path} does not exist, and the run in ${out} reads it again`,
      remedy: `if it was moved, name its new place with \`${setting}\``,
    });
    renameSync(`${path}.moved`, path);
  }
});

it('pretrain refuses a folder within its text, whose files it would read', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a.txt'), 'some text');
  const link = join(temporaryFolder(), 'link');
  symlinkSync(folder, link);
  for (const name of [join(folder, 'run'), join(link, 'new', 'run')]) {
    const found = pretrain({ data: folder, model: 'tiny', steps: 1, out: name });
    await expect(found).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: `\`out\` ${name} lies in ${folder}, so its own files would be read as text`,
    });
  }
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('a changed reward function may go on, with a warning', async () => {
  const settings = { ...grpoDefaults, ...started, ...rollout, model, data: models.data, rewardFn };
  await begin(grpo as Run, settings);
  writeFileSync(rewardFn, 'export default () => 1;');
  const { result, warnings } = await resumed(grpo as Run);
  expect(result.step).toBe(4);
  expect(warnings.filter((text) => text.includes('has changed since the run began'))).toHaveLength(1);
});

it.each([
  ['reward', reward as Run, rewardDefaults],
  ['dpo', dpo as Run, dpoDefaults],
] as const)('%s does not go on with as many other rows', async (_, run, defaults) => {
  await begin(run, { ...defaults, ...started, model, data: pairs });
  writeFileSync(pairs, readFileSync(pairs, 'utf8').replaceAll('blue', 'then'));
  await expect(resumed(run)).rejects.toMatchObject({
    code: 'ERR_MISMATCH',
    message: 'the run had other rows, or settings that read them in another way',
  });
});

it('grpo does not go on with as many other prompts', async () => {
  const data = join(temporaryFolder(), 'prompts.jsonl');
  cpSync(models.data, data);
  await begin(grpo as Run, { ...grpoDefaults, ...started, ...rollout, model, data, reward: judge });
  writeFileSync(data, readFileSync(data, 'utf8').replaceAll('blue', 'then'));
  await expect(resumed(grpo as Run)).rejects.toMatchObject({ code: 'ERR_MISMATCH' });
});

it('pretraining into its own text is refused, and a preset is no folder', async () => {
  const text = temporaryFolder();
  writeFileSync(join(text, 'a.txt'), 'blue then red. '.repeat(50));
  await expect(pretrain({ data: text, model: 'tiny', steps: 1, out: text })).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: expect.stringContaining('`data`') as string,
  });
  expect(readdirSync(text)).toEqual(['a.txt']);
});

it('a packaged corpus is no folder either', async () => {
  const [folder, before] = [temporaryFolder(), process.cwd()];
  mkdirSync(join(folder, 'clean'));
  process.chdir(folder);
  const found = await pretrain({ data: 'clean', model: 'absent', steps: 1, out: 'clean' })
    .catch((error: unknown) => error)
    .finally(() => process.chdir(before));
  expect(found).toMatchObject({ message: expect.stringContaining('absent') as string });
});

it('a run of an older version, without digests, goes on and gets them', async () => {
  await begin(dpo as Run, { ...dpoDefaults, ...started, model, data: pairs });
  const path = join(out, 'inputs.json');
  const digests = readFileSync(path, 'utf8');
  rmSync(path);
  await resumed(dpo as Run);
  expect(readFileSync(path, 'utf8')).toBe(digests);
  writeFileSync(path, '{"version": 1}');
  await expect(resumed(dpo as Run)).rejects.toMatchObject({ code: 'ERR_FILE_DAMAGED' });
});

it('a run that fails before its first checkpoint leaves no digests', async () => {
  const options = { ...dpoDefaults, ...started, model, data: pairs, context: 2 };
  const found = await dpo({ ...options, out } as Parameters<typeof dpo>[0]).catch((error: unknown) => error);
  expect(found).toMatchObject({ code: 'ERR_ARGUMENT' });
  expect(existsSync(join(out, 'inputs.json'))).toBe(false);
});

describe('a digest', () => {
  const mebibyte = 2 ** 20;
  const whole = 4 * mebibyte;

  it('covers every byte of a file, and of a large one the header, samples and the end', async () => {
    const path = join(temporaryFolder(), 'weights');
    writeFileSync(path, '');
    truncateSync(path, 40 * mebibyte);
    const size = 40 * mebibyte;
    const changedAt = async (at: number, limit: number) => {
      const before = await fileDigest(path, limit);
      const bytes = readFileSync(path);
      bytes[at] = 1;
      writeFileSync(path, bytes);
      const after = await fileDigest(path, limit);
      bytes[at] = 0;
      writeFileSync(path, bytes);
      return before !== after;
    };
    for (const at of [0, mebibyte - 1, 16 * mebibyte, 32 * mebibyte + 5, size - 1]) {
      expect(await changedAt(at, whole)).toBe(true);
    }
    expect(await changedAt(3 * mebibyte, whole)).toBe(false);
    expect(await changedAt(3 * mebibyte, size)).toBe(true);
    const before = await fileDigest(path, whole);
    truncateSync(path, size - 1);
    expect(await fileDigest(path, whole)).not.toBe(before);
  });

  it('of a missing file is an error that names it', async () => {
    const path = join(temporaryFolder(), 'none');
    await expect(fileDigest(path)).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });
});
