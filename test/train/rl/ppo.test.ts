/** PPO from settings to a model folder, on the models and files of the command. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/checkpoint/gpt-folder.ts';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import type { PpoSettings } from '../../../src/train/rl/settings.ts';
import { athanor, lastLineJson } from '../../helpers/cli.ts';
import { expectSameBits, maxError } from '../../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../../helpers/rl-models.ts';
import { jsonl, logged, ppoDefaults, runPpo } from '../../helpers/stages.ts';

let root: string;
let models: RlModels;
let runs = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-ppo-'));
  models = await writeRlModels(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(settings: Partial<PpoSettings> = {}) {
  const out = join(root, `run-${++runs}`);
  const { model, reward, data } = models;
  const scored = settings.rewardFn === undefined ? { reward } : {};
  const result = await runPpo({ ...ppoDefaults, model, data, ...scored, ...settings, out });
  return { out, result };
}

const weightsOf = (folder: string) => readFileSync(join(folder, 'model.safetensors'));

function rewardFunction(source: string): string {
  const file = join(root, `reward-${++runs}.mjs`);
  writeFileSync(file, source);
  return file;
}

describe.each(['f32', 'bf16'] as const)('in %s', (dtype) => {
  it.each([
    ['a value model of its own', {}],
    ['a head on the policy', { valueInit: 'head' }],
    ['adapters on policy and reward model', { loraRank: 4 }],
  ] as [string, Partial<PpoSettings>][])(
    'R14: with %s, ratios are exactly 1 before the first update of each rollout, and logged with every step',
    async (_, settings) => {
      const { out, result } = await run({ dtype, temperature: 0.7, ...settings });
      expect(result.step).toBe(12);
      expect(logged(out, 'ratio_max_deviation')).toEqual(new Array(12).fill(0));
      expect(logged(out, 'approx_kl')[0]).toBe(0);
      expect(Math.max(...logged(out, 'approx_kl'))).toBeGreaterThan(0);
      expect(logged(out, 'kl').slice(0, 4)).toEqual([0, 0, 0, 0]);
      expect(result.kl).not.toBe(0);
      expect(weightsOf(out).equals(weightsOf(models.model))).toBe(false);
      loadModel(out).dispose();
      const report = readFileSync(join(out, 'report.html'), 'utf8');
      for (const title of [
        'Reward',
        'KL divergence',
        'Entropy',
        'Clipped',
        'Explained variance',
        'Response length',
      ])
        expect(report).toContain(`>${title}`);
    },
  );
});

it('R31: a coefficient of 0 gives the bits of no pretraining text, and another coefficient others', async () => {
  const without = weightsOf((await run()).out);
  expect(weightsOf((await run({ ptxData: models.text, ptxCoef: 0 })).out).equals(without)).toBe(true);
  const { out, result } = await run({ ptxData: models.text, ptxCoef: 0.5 });
  expect(weightsOf(out).equals(without)).toBe(false);
  expect(result.ptx_loss).toBeGreaterThan(3);
});

it('R40: what is saved is the moving average, in each checkpoint and at the end', async () => {
  const live = await run();
  const averaged = await run({ emaDecay: 0.9 });
  const parameters = (folder: string) => {
    const model = loadModel(folder);
    const values = model.tokenEmbedding.weight.toFloats();
    model.dispose();
    return values;
  };
  // Three rollouts at 0.9 leave most of the start; the run itself is the same.
  const [start, end, average] = [models.model, live.out, averaged.out].map(parameters) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  expect(logged(averaged.out, 'loss')).toEqual(logged(live.out, 'loss'));
  expect(maxError(average, start)).toBeLessThan(0.3 * maxError(end, start));
  expect(maxError(average, start)).toBeGreaterThan(0);
  expectSameBits(parameters(new CheckpointStore(averaged.out).latest()!.path), average);
});

it('scores responses relative to the others to their prompt, from values of exactly 0', async () => {
  const rewardFn = rewardFunction(
    'export default (prompt, response) => response.length % 3 + 100 * prompt.length;',
  );
  const settings: Partial<PpoSettings> = {
    numGenerations: 4,
    valueInit: 'head',
    rewardFn,
    missingEos: 'none',
  };
  const { out } = await run(settings);
  // Were the prompts' hundreds left in, the returns and with them the loss of values would be
  // in the thousands.
  expect(logged(out, 'value_loss')[0]).toBeLessThan(10);
  expect(logged(out, 'reward')[0]).toBeGreaterThan(100);
  await expect(run({ numGenerations: 3 })).rejects.toThrow(/does not divide into groups of 3/);
});

it('saves before it gives up on a reward function, and goes on from there with the same bits', async () => {
  let rowsLeft = Number.POSITIVE_INFINITY;
  const settings: Partial<PpoSettings> = {
    valueInit: 'head',
    saveEvery: 0,
    rewardFn: (_, response) => {
      rowsLeft -= 1;
      if (rowsLeft < 0) throw new Error('the service is down');
      return response.length;
    },
  };
  const undisturbed = await run(settings);
  // It fails within the third rollout.
  rowsLeft = 2 * ppoDefaults.rolloutSize! + 3;
  await expect(run(settings)).rejects.toThrow(
    /threw "the service is down" for the response .* to .*prompts\.jsonl:\d+/,
  );
  const out = join(root, `run-${runs}`);
  const steps = new CheckpointStore(out).latest()!.step;
  expect(steps).toBe((undisturbed.result.step / 3) * 2);
  rowsLeft = Number.POSITIVE_INFINITY;
  await runPpo({ out, resume: true, rewardFn: settings.rewardFn });
  expect(weightsOf(out).equals(weightsOf(undisturbed.out))).toBe(true);
});

it('tells why it failed, and not that the report cannot be written', async () => {
  const log = join(root, `run-${runs + 1}`, 'metrics.jsonl');
  const rewardFn = () => {
    rmSync(log, { force: true });
    throw new Error('the service is down');
  };
  await expect(run({ valueInit: 'head', rewardFn })).rejects.toThrow('the service is down');
});

it('evaluates on prompts that it never trains on', async () => {
  const asked: string[] = [];
  const { out } = await run({
    rewardFn: (prompt, response) => {
      asked.push(prompt);
      return response.length;
    },
    valueInit: 'head',
    evalPrompts: 5,
    evalEvery: 6,
    iterations: 6,
  });
  const evaluations = readMetrics(out).records.filter(({ event }) => event === 'evaluation');
  expect(evaluations.map(({ step }) => step)).toEqual([6, 12, 18, 24]);
  expect(
    evaluations.every(({ val_reward, val_kl }) => Number.isFinite(val_reward) && Number.isFinite(val_kl)),
  ).toBe(true);
  // 48 rollout responses over 19 prompts, and 4 times 5 others.
  expect(asked).toHaveLength(48 + 20);
  const counts = new Map<string, number>();
  for (const prompt of asked) counts.set(prompt, (counts.get(prompt) ?? 0) + 1);
  expect(counts.size).toBe(24);
  expect([...counts.values()].filter((count) => count === 4).length).toBeGreaterThanOrEqual(5);
});

describe('is refused', () => {
  it.each([
    ['no reward', { reward: undefined }, /exactly one of `reward` and `rewardFn`/],
    ['two rewards', { rewardFn: 'x.mjs', reward: 'y' }, /exactly one of `reward` and `rewardFn`/],
    [
      'a rollout that is no multiple of a minibatch',
      { rolloutSize: 6 },
      /6 responses does not divide into minibatches of 4/,
    ],
    [
      'more tokens than the context has',
      { maxPromptLength: 60 },
      /prompts of 60 tokens and responses of 8 exceed the context of 64/,
    ],
    ['no prompt that is short enough', { maxPromptLength: 2 }, /has no prompt of at most 2 tokens/],
  ] as [string, Partial<PpoSettings>, RegExp][])('%s', async (_, settings, message) => {
    await expect(run(settings)).rejects.toThrow(message);
  });

  it('a language model as the reward, and no start for the values', async () => {
    await expect(run({ reward: models.model })).rejects.toThrow(/is a language model, not a reward model/);
    const rewardFn = rewardFunction('export default () => 1');
    await expect(run({ rewardFn })).rejects.toThrow(/no reward model that the value model could start from/);
  });

  it('text of another tokenizer', async () => {
    const { writeIds } = await import('../../data/corpus/corpora.ts');
    const shards = mkdtempSync(join(root, 'ids-'));
    writeIds(shards, { train: [200], validation: [5] });
    await expect(run({ ptxData: shards })).rejects.toThrow(/made with another tokenizer than the policy's/);
  });
});

describe('R11: athanor ppo', () => {
  const args = (...more: string[]) => [
    ...['ppo', '--model', models.model, '--data', models.data, '--out', join(root, `cli-${++runs}`)],
    ...[
      '--rollout-size',
      '8',
      '--batch-size',
      '4',
      '--epochs',
      '1',
      '--iterations',
      '2',
      '--max-prompt-length',
      '40',
    ],
    ...['--max-response-length', '8', '--eval-prompts', '2', ...more],
  ];

  it.each(['--top-p', '--top-k', '--min-p', '--repetition-penalty'])('knows no %s', async (option) => {
    const { code, stderr } = await athanor(...args('--reward', models.reward, option, '0.9'));
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`unknown option .*${option}`));
  });

  it('R43: learns from a function of the rows, end to end, and says what the models take and what was left out', async () => {
    const file = rewardFunction(
      'export default async (prompt, response, { wanted }) => response.includes(wanted[0]) ? 1 : 0;',
    );
    const long = jsonl(root, 'long.jsonl', [
      ...readFileSync(models.data, 'utf8').split('\n'),
      { prompt: 'word '.repeat(50) },
      '{"prompt": ',
      { question: 'none' },
      { prompt: ' ' },
    ]);
    const { code, stderr, stdout } = await athanor(
      ...args('--reward-fn', file, '--value-init', 'head', '--data', long, '--json', '--ema-decay', '0.9'),
    );
    expect(stderr).not.toMatch(/error/);
    expect(code).toBe(0);
    expect(stderr).toMatch(/left out .*bad json.*bad row.*empty/);
    expect(stderr).toMatch(/1 prompts of more than 40 tokens left out/);
    expect(stderr).toMatch(/^step \d+ sample: ".+" -> ".*"$/m);
    expect(stderr).toMatch(/memory: policy .*, reference .*, value model .*, averaged weights .* in all/);
    expect(lastLineJson(stdout)).toMatchObject({ step: 4, ratio_max_deviation: 0 });
  });

  it('ends where the function fails, with the response', async () => {
    const file = rewardFunction('export default () => Number("none")');
    const { code, stderr } = await athanor(...args('--reward-fn', file, '--value-init', 'head'));
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /reward-\d+\.mjs returned NaN, not a finite number, for the response .* to .*prompts\.jsonl:\d+/,
    );
  });
});
