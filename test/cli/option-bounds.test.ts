/** What an option accepts, the library and the engine accept: the ends of every range are tried. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandEntry } from '../../src/cli/commands.ts';
import { commands } from '../../src/cli/commands.ts';
import type { OptionSpec } from '../../src/cli/options.ts';
import { generate } from '../../src/generate/generate.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { pretrain } from '../../src/train/pretrain/run.ts';
import { type RlModels, writeRlModels } from '../helpers/rl-models.ts';
import {
  dpoDefaults,
  grpoDefaults,
  jsonl,
  ktoDefaults,
  ppoDefaults,
  rewardDefaults,
  runDpo,
  runGrpo,
  runKto,
  runPpo,
  runReward,
  runSft,
  sftDefaults,
} from '../helpers/stages.ts';

let root: string;
let models: RlModels;
let rows: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-bounds-'));
  models = await writeRlModels(root);
  const answers = { completion: 'Blue.', chosen: 'Blue.', rejected: 'Red, then.' };
  rows = jsonl(
    root,
    'rows.jsonl',
    Array.from({ length: 12 }, (_, i) => ({ prompt: `Name a colour. ${i}`, ...answers })),
  );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function optionsOf(command: string): Promise<Record<string, OptionSpec<unknown>>> {
  return (await (commands[command] as CommandEntry).load()).options;
}

const small = '-1e9 -1 0 1e-44 1e-9 1e-6 1e-3 1 257'.split(' ');
/** For options that have an upper bound. */
const large = '1e9 1e6 1e3 1 0.9999999 0.5 0.49'.split(' ');

/** The first of these that the option takes. */
function taken(spec: OptionSpec<unknown>, candidates: readonly string[]): number | undefined {
  return candidates
    .map((text) => spec.parse(text) as number | undefined)
    .find((value) => value !== undefined);
}

/**
 * Values at one end of the range of each option that is a fraction, not a size or a number of
 * steps.
 */
async function ends(command: string, candidates: readonly string[]): Promise<Record<string, number>> {
  const bounded = Object.entries(await optionsOf(command)).filter(([, spec]) => {
    const isFraction = spec.kind === 'number' && /^(0 or )?a number/.test(spec.expected);
    return isFraction && (candidates === small || spec.parse('1e12') === undefined);
  });
  const values = bounded.map(([key, spec]) => [key, taken(spec, candidates)]);
  expect(values.length).toBeGreaterThan(1);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

let runs = 0;
const stages: Record<string, (ends: Record<string, number>, out: string) => Promise<unknown>> = {
  pretrain: (given, out) => {
    const sizes = { steps: 1, batchSize: 2, context: 16, evalTokens: 64, sampleTokens: 1 };
    return pretrain({ ...sizes, data: models.text, model: 'tiny', dtype: 'f32', ...given, out });
  },
  sft: (given, out) => {
    const start = { model: models.model, data: rows, steps: 1, loraRank: 2 };
    return runSft({ ...sftDefaults, ...start, ...given, out });
  },
  reward: (given, out) => {
    return runReward({ ...rewardDefaults, model: models.model, data: rows, steps: 1, ...given, out });
  },
  dpo: (given, out) => {
    return runDpo({ ...dpoDefaults, model: models.model, data: rows, steps: 1, ...given, out });
  },
  kto: (given, out) => {
    return runKto({ ...ktoDefaults, model: models.model, data: rows, steps: 1, ...given, out });
  },
  ppo: (given, out) => {
    const { text, ...folders } = models;
    return runPpo({ ...ppoDefaults, ...folders, ptxData: text, steps: 1, ...given, out });
  },
  grpo: (given, out) => {
    const { text: _, ...folders } = models;
    return runGrpo({ ...grpoDefaults, ...folders, steps: 1, ...given, out });
  },
};

describe.each(Object.keys(stages))('athanor %s', (command) => {
  it.each([
    ['small', small],
    ['large', large],
  ])('is given %s values that all layers take', async (_, candidates) => {
    const given = await ends(command, candidates);
    await stages[command]!(given, join(root, `run-${++runs}`));
  });
});

describe('sampling', () => {
  const model = new Gpt(presetConfig('tiny'), { seed: 1 });
  afterAll(() => model.dispose());

  it.each(['generate', 'chat', 'eval', 'grpo'])(
    'options of %s give settings that can be drawn with',
    async (command) => {
      const options = await optionsOf(command);
      const names = ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'seed'];
      for (const key of names.filter((name) => name in options)) {
        const candidates = [...small, ...large, '1e-7', '1e-320', '1e39', '1e300', '4503599627370496'];
        for (const text of [...candidates, '9007199254740991']) {
          const value = options[key]!.parse(text);
          if (value === undefined) continue;
          const drawn = generate(model, [[1, 2]], { maxTokens: 3, [key]: value });
          await expect(drawn, `--${key} ${text}`).resolves.toHaveLength(1);
        }
      }
    },
  );

  // transformers 5.18 takes 0 as well and keeps one token; vLLM asks for more than 0.
  it('with top-p 0 takes the likeliest token', async () => {
    const settings = { maxTokens: 8, seed: 5 };
    const likeliest = await generate(model, [[1, 2], [7]], { ...settings, temperature: 0 });
    const drawn = await generate(model, [[1, 2], [7]], { ...settings, temperature: 1.5, topP: 0 });
    expect(drawn.map(({ tokens }) => [...tokens])).toEqual(likeliest.map(({ tokens }) => [...tokens]));
  });
});

it.each([
  ['temperature', '1e-7', /expects 0 or a number of at least 0\.000001/],
  ['repetitionPenalty', '0', /between 0\.000001 and 1000000/],
  ['topP', '-0.1', /between 0 and 1/],
])('--%s %s is refused before any work', async (key, text, message) => {
  const spec = (await optionsOf('generate'))[key]!;
  expect(spec.parse(text)).toBeUndefined();
  expect(`expects ${spec.expected}`).toMatch(message);
});

it('tokenizers are trained with the smallest vocabulary that is accepted', async () => {
  const group = commands.tokenizer as { commands: Record<string, CommandEntry> };
  const { vocabSize } = (await group.commands.train!.load()).options;
  const least = taken(vocabSize!, ['1', '255', '256', '257'])!;
  const trained = await Tokenizer.train(['some text'], {
    vocabSize: least,
    specialTokens: ['<|endoftext|>'],
  });
  expect(trained.vocabSize).toBe(least);
});
