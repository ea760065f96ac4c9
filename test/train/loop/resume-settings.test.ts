/** What a resumed run may change, what it may not, and what it says about it. */
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { learningRate } from '../../../src/optim/schedule.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { pretrain } from '../../../src/train/pretrain/run.ts';
import { grpo } from '../../../src/train/rl/grpo.ts';
import { type SftOptions, sft } from '../../../src/train/sft/run.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { suiteFolder, temporaryFolder } from '../../helpers/cli.ts';
import {
  dpoDefaults,
  grpoDefaults,
  jsonl,
  logged,
  rewardDefaults,
  sftDefaults,
} from '../../helpers/stages.ts';

const root = suiteFolder();
const model = join(root, 'model');
const rows = Array.from({ length: 24 }, (_, i) => ({ prompt: `Name ${i}?`, completion: `Blue ${i}.` }));
const pairs = rows.map(({ prompt, completion }) => ({ prompt, chosen: completion, rejected: 'Red.' }));
let data: string;
beforeAll(async () => {
  (await writeChatModel(model, { contextLength: 64 })).dispose();
  data = jsonl(root, 'rows.jsonl', rows);
});
const cwd = process.cwd();
afterEach(() => process.chdir(cwd));

const settings = (): Omit<SftOptions, 'out'> => ({
  ...sftDefaults,
  model,
  data,
  steps: 4,
  schedule: 'linear',
  minLrRatio: 0,
});

/** Runs a stage and returns its texts for the user. */
function listening<Options, Result>(stage: (o: Options, h: object) => Promise<Result>) {
  return async (options: Options) => {
    const texts: string[] = [];
    const onEvent = (event: RunEvent) => {
      if (event.type === 'note' || event.type === 'warning') texts.push(`${event.type}: ${event.text}`);
    };
    return { result: await stage(options, { onEvent }), said: texts.join('\n') };
  };
}
const run = listening(sft);

async function begun(extra: Partial<SftOptions> = {}): Promise<string> {
  const out = join(temporaryFolder(), 'run');
  await sft({ ...settings(), ...extra, out });
  return out;
}

it.each([
  [3, '`zero` 3 has no effect on one rank, which has everything'],
  [2, '`zero` 2 has no effect on one rank, which has everything'],
  [1, undefined],
])('`zero` %i of one process is told of', async (zero, note) => {
  const out = join(temporaryFolder(), 'run');
  const { said } = await run({ ...settings(), steps: 1, zero, out });
  expect(said.split('\n').find((text) => text.includes('zero'))).toBe(note && `note: ${note}`);
});

const record = (out: string) =>
  JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as {
    settings: Record<string, unknown>;
    changes?: unknown[];
  };

describe('a longer run', () => {
  it('goes on from its end, on the schedule to the new end, and says so', async () => {
    const out = await begun();
    const { result, said } = await run({ out, resume: true, steps: 7 });
    expect(result).toMatchObject({ step: 7, totalSteps: 7, interrupted: false });
    const rates = logged(out, 'lr');
    expect(rates).toHaveLength(7);
    const options = { lr: 3e-3, schedule: 'linear', warmupSteps: 0, minLrRatio: 0, decayRatio: 0 } as const;
    expect(rates.slice(4)).toEqual([4, 5, 6].map((step) => learningRate(options, step, 7)));
    expect(said).toMatch(/note: resumed with `steps` 7 \(before: 4\)/);
    expect(said).toMatch(
      /ends at step 7 and not at step 4; .*schedule linear.* 1\.29e-3 instead of 0\.00e\+0/,
    );
    expect(record(out).settings.steps).toBe(7);
  });

  it('has the bits of a run that was that long from the start, where the rate does not depend on it', async () => {
    const constant = { schedule: 'constant' } as const;
    const out = await begun(constant);
    const { said } = await run({ out, resume: true, steps: 6 });
    expect(said).toMatch(/follows the schedule constant to that end$/m);
    const whole = await begun({ ...constant, steps: 6 });
    const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(out).equals(weights(whole))).toBe(true);
    expect(logged(out, 'loss')).toEqual(logged(whole, 'loss'));
  });

  it('may be asked for in another unit', async () => {
    const out = await begun();
    const { result } = await run({ out, resume: true, epochs: 8 });
    expect(result.step).toBeGreaterThan(4);
    expect(record(out).settings).not.toHaveProperty('steps');
    const again = await run({ out, resume: true, steps: result.step + 1 });
    expect(again.result.step).toBe(result.step + 1);
  });

  it('that ends before what is done is refused, and nothing is recorded', async () => {
    const out = await begun();
    await expect(sft({ out, resume: true, steps: 3 })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/has done 4 steps and would end at step 3/),
    });
    expect(record(out).settings.steps).toBe(4);
  });

  it('of tokens or seconds counts what was done before', async () => {
    const corpus = join(root, 'corpus.txt');
    writeFileSync(corpus, 'Name a colour. Blue. Red, then. '.repeat(200));
    const out = join(temporaryFolder(), 'run');
    const small = { model: 'tiny', vocabSize: 300, context: 16, batchSize: 2, dtype: 'f32' } as const;
    const first = await pretrain({ ...small, data: corpus, out, tokens: 96 });
    expect(first).toMatchObject({ step: 3, tokens: 96 });
    expect(await pretrain({ out, resume: true, tokens: 160 })).toMatchObject({ step: 5, tokens: 160 });
    const ended = await pretrain({ out, resume: true, time: 1e-6 });
    expect(ended).toMatchObject({ step: 5, totalSteps: 5 });
    expect(record(out).settings).toMatchObject({ time: 1e-6 });
  });
});

describe('a run at its end', () => {
  it('says so, and how to train on', async () => {
    const out = await begun();
    const { result, said } = await run({ out, resume: true });
    expect(result).toMatchObject({ step: 4, totalSteps: 4 });
    expect(said).toMatch(/note: the run is at its end, step 4 of 4, .* with more `steps`/);
  });
});

describe('other settings', () => {
  it('that do not decide the course change nothing but themselves', async () => {
    const out = await begun();
    const { said } = await run({ out, resume: true, saveEvery: 1, keepCheckpoints: 5, steps: 6 });
    expect(said).toMatch(/note: resumed with `saveEvery` 1 \(before: 0\), `keepCheckpoints` 5 \(before: 2\)/);
    expect(said).not.toMatch(/warning/);
    const { said: again } = await run({ out, resume: true, saveEvery: 1, lr: 3e-3 });
    expect(again).not.toMatch(/saveEvery|resumed with/);
  });

  it('that decide the bits take effect, with a warning, and stay for the next resumption', async () => {
    const out = await begun({ schedule: 'constant' });
    const { said } = await run({ out, resume: true, steps: 6, lr: 1e-3, batchSize: 3 });
    expect(said).toMatch(/warning: resumed with .*`batchSize` 3 \(before: 4\).* the bits differ/);
    expect(said).toMatch(/warning: .*`lr` 0\.001 \(before: 0\.003\)/);
    expect(logged(out, 'lr').slice(4)).toEqual([1e-3, 1e-3]);
    await sft({ out, resume: true, steps: 7 });
    expect(logged(out, 'lr').at(-1)).toBe(1e-3);
    expect(record(out).changes).toHaveLength(2);
  });

  it('of batches leave every other row of the epoch to read', async () => {
    const out = join(temporaryFolder(), 'run');
    const given = { ...rewardDefaults, model, data: jsonl(root, 'epoch.jsonl', pairs), out };
    await reward({ ...given, steps: 1, batchSize: 4, validationSplit: 0 });
    await reward({ out, resume: true, steps: 4, batchSize: 8 });
    expect(logged(out, 'pairs')).toEqual([4, 8, 8, 4]);
  });

  it('of batches, with a length in epochs, leave the rest of the epochs and no more', async () => {
    const out = join(temporaryFolder(), 'run');
    const given = { ...rewardDefaults, model, data: jsonl(root, 'rest.jsonl', pairs), out };
    await reward({ ...given, steps: 2, batchSize: 4, validationSplit: 0 });
    await reward({ out, resume: true, epochs: 1, batchSize: 8 });
    expect(logged(out, 'pairs')).toEqual([4, 4, 8, 8]);
    await reward({ out, resume: true, epochs: 2, batchSize: 16 });
    expect(logged(out, 'pairs').slice(4)).toEqual([16, 8]);
  });

  it('that were not given and have the value that the model implies are no changes', async () => {
    const out = await begun({ lr: undefined, context: undefined, schedule: 'constant' });
    const [lr] = logged(out, 'lr') as [number];
    const { said } = await run({ out, resume: true, steps: 6, lr, context: 64 });
    expect(said).not.toMatch(/warning|`lr`/);
    await expect(sft({ out, resume: true, context: 32 })).rejects.toThrow(/`context` from 64 to 32/);
    const { said: other } = await run({ out, resume: true, steps: 7, lr: lr / 2 });
    expect(other).toContain(`(before: ${lr})`);
  });

  it('that cannot change are refused together, each with its reason', async () => {
    const out = await begun();
    await expect(sft({ out, resume: true, seed: 9, loraRank: 4, lr: 1 })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(
        /cannot change `seed` from 3 to 9 \(the order .*\), nor `loraRank` from 0 to 4 \(the adapters/,
      ),
    });
    await expect(sft({ out, resume: true, batchSize: 0 })).rejects.toThrow(/`batchSize` expects a whole/);
    await expect(sft({ out, resume: true, saveEvry: 1 } as never)).rejects.toMatchObject({
      message: expect.stringMatching(/no setting saveEvry/),
      remedy: expect.stringMatching(/did you mean `saveEvery`/),
    });
  });
});

describe('run.json', () => {
  it('with a value that no run has is damaged, and a newer setting has its default', async () => {
    const out = await begun({ schedule: 'constant' });
    const { settings: saved, ...rest } = record(out);
    const write = (other: object) =>
      writeFileSync(join(out, 'run.json'), JSON.stringify({ ...rest, settings: { ...saved, ...other } }));
    for (const other of [{ batchSize: 'x' }, { lr: null }, { schedule: 'steep' }, { loraTargets: 'all' }]) {
      write(other);
      await expect(sft({ out, resume: true, steps: 5 })).rejects.toMatchObject({
        code: 'ERR_FILE_DAMAGED',
        message: expect.stringMatching(`the setting ${Object.keys(other)[0]} in `),
      });
    }
    write({ keepCheckpoints: undefined, device: 'cpu', threads: 3 });
    expect(await sft({ out, resume: true, steps: 5 })).toMatchObject({ step: 5 });
    expect(record(out).settings).toMatchObject({ keepCheckpoints: 2 });
    expect(record(out).settings).not.toHaveProperty('threads');
  });
});

describe('paths', () => {
  /** A run of relative paths, begun in a folder of its own. */
  async function relativeRun(): Promise<string> {
    const folder = temporaryFolder();
    cpSync(model, join(folder, 'model'), { recursive: true });
    jsonl(folder, 'rows.jsonl', rows);
    process.chdir(folder);
    const lora = { loraRank: 2, loraTargets: ['all'] } as const;
    await sft({ ...settings(), ...lora, model: 'model', data: 'rows.jsonl', out: 'runs/a' });
    return folder;
  }

  it('are found from another working folder', async () => {
    const folder = await relativeRun();
    process.chdir(root);
    expect(await sft({ out: join(folder, 'runs/a'), resume: true, steps: 5 })).toMatchObject({ step: 5 });
    process.chdir(join(folder, 'runs'));
    expect(await sft({ out: 'a', resume: true, steps: 6 })).toMatchObject({ step: 6 });
  });

  it('are found when all of them moved together', async () => {
    const folder = await relativeRun();
    process.chdir(root);
    const moved = join(temporaryFolder(), 'elsewhere');
    renameSync(folder, moved);
    mkdirSync(folder);
    expect(await sft({ out: join(moved, 'runs/a'), resume: true, steps: 5 })).toMatchObject({ step: 5 });
  });

  it('that moved alone are given again, and must have the same contents', async () => {
    const folder = await relativeRun();
    process.chdir(root);
    const out = join(folder, 'runs/a');
    renameSync(join(folder, 'rows.jsonl'), join(folder, 'moved.jsonl'));
    await expect(sft({ out, resume: true, steps: 5 })).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
    const { said } = await run({ out, resume: true, steps: 5, data: join(folder, 'moved.jsonl') });
    expect(said).toMatch(/note: resumed with .*`data` .*moved\.jsonl \(before: .*rows\.jsonl\)/);
    const other = jsonl(folder, 'other.jsonl', rows.slice(1));
    await expect(sft({ out, resume: true, data: other })).rejects.toMatchObject({ code: 'ERR_MISMATCH' });
    await expect(sft({ out, resume: true, data: join(folder, 'absent') })).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
  });

  it('to as many other rows are noticed by every stage', async () => {
    const stages = [
      { stage: reward, name: 'reward', defaults: rewardDefaults, other: { rejected: 'Green.' } },
      { stage: reward, name: 'margin', defaults: rewardDefaults, other: { margin: 2 } },
      { stage: dpo, name: 'dpo', defaults: dpoDefaults, other: { rejected: 'Green.' } },
    ] as const;
    for (const { stage, name, defaults, other } of stages) {
      const out = join(temporaryFolder(), name);
      const original = jsonl(root, `${name}.jsonl`, pairs);
      await stage({ ...defaults, model, data: original, out, steps: 1 });
      const changed = jsonl(root, `${name}-other.jsonl`, [{ ...pairs[0]!, ...other }, ...pairs.slice(1)]);
      await expect(stage({ out, resume: true, steps: 2, data: changed }), name).rejects.toMatchObject({
        code: 'ERR_MISMATCH',
        message: expect.stringMatching(/other rows/),
      });
    }
    const out = join(temporaryFolder(), 'grpo');
    const rewardFn = () => 1;
    const prompts = (extra: object) => rows.map(({ prompt }) => ({ prompt, ...extra }));
    const first = { ...grpoDefaults, model, rewardFn, steps: 1 };
    await grpo({ ...first, data: jsonl(root, 'p.jsonl', prompts({ answer: 1 })), out });
    const changed = jsonl(root, 'q.jsonl', prompts({ answer: 2 }));
    await expect(grpo({ out, resume: true, steps: 2, rewardFn, data: changed })).rejects.toThrow(
      /other rows/,
    );
    expect(await grpo({ out, resume: true, steps: 2, rewardFn, klCoef: 0.5 })).toMatchObject({ step: 2 });
  });

  it('in number of iterations, with other batches, leave the rest of the iterations', async () => {
    const out = join(temporaryFolder(), 'run');
    const rewardFn = () => 1;
    const data = jsonl(
      root,
      'prompts.jsonl',
      rows.map(({ prompt }) => ({ prompt })),
    );
    const sizes = { rolloutSize: 8, batchSize: 8, numGenerations: 4, iterations: 2, epochs: 1 };
    await grpo({ ...grpoDefaults, ...sizes, model, rewardFn, data, out, maxResponseLength: 4 });
    const more = { rewardFn, out, resume: true, iterations: 3, batchSize: 4 };
    expect(await grpo(more)).toMatchObject({ step: 4, totalSteps: 4 });
  });
});
