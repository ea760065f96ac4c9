/**
 * Every stage refuses a wrong setting before it reads any data: the data here is damaged, and an
 * error about it would come first.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../../src/cli/commands.ts';
import { buildProgram } from '../../../src/cli/program.ts';
import type { SettingRule } from '../../../src/train/loop/setting-rules.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { kto } from '../../../src/train/preference/kto.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { dpoRules, ktoRules, rewardRules } from '../../../src/train/preference/rules.ts';
import { pretrainRules } from '../../../src/train/pretrain/rules.ts';
import { pretrain } from '../../../src/train/pretrain/run.ts';
import { grpo } from '../../../src/train/rl/grpo.ts';
import { ppo } from '../../../src/train/rl/ppo.ts';
import { grpoRules, ppoRules } from '../../../src/train/rl/rules.ts';
import { sftRules } from '../../../src/train/sft/rules.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { writeIds } from '../../data/corpus/corpora.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { suiteFolder } from '../../helpers/cli.ts';
import { jsonl } from '../../helpers/stages.ts';

const root = suiteFolder();
const model = join(root, 'model');
const out = join(root, 'run');
const shards = join(root, 'shards');
let damaged: string;
beforeAll(async () => {
  (await writeChatModel(model, { contextLength: 64 })).dispose();
  mkdirSync(shards);
  writeIds(shards, { train: [200], validation: [5] }).close();
  damaged = jsonl(root, 'damaged.jsonl', ['{"prompt":', '{"text": 3}']);
});

type Run = (settings: never) => Promise<unknown>;
interface Case {
  run: Run;
  rules: Readonly<Record<string, SettingRule>>;
  /** Settings that are right, as far as nothing is read. */
  good: () => object;
  /** Settings that do not fit together, or name what is not there, and the message. */
  wrong: [settings: () => object, message: RegExp][];
}

const absent = join(root, 'absent');
const written = (name: string, text: string) => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};
const rollouts = () => ({ reward: undefined, rewardFn: () => 1, maxPromptLength: 8, maxResponseLength: 8 });
const tuning: Case['wrong'] = [
  [() => ({ data: undefined }), /`data` is missing/],
  [() => ({ data: absent }), /absent does not exist/],
  [() => ({ model: undefined }), /`model` is missing/],
  [() => ({ model: absent }), /absent does not exist/],
  [() => ({ model: root }), /config\.json/],
  [() => ({ dtype: 'f32', paramDtype: 'bf16' }), /`paramDtype` bf16 needs activations in bf16/],
  [() => ({ stepz: 3 }), /there is no setting stepz/],
  [() => ({ loraRank: 99_999 }), /`loraRank` 99999 exceeds \d+, the width of the model/],
  [() => ({ baseDtype: 'nf4' }), /weights in nf4 \(`baseDtype`\) do not train, and `loraRank` is 0/],
];
const epochs: Case['wrong'] = [
  ...tuning,
  [() => ({ context: 65 }), /`context` 65 exceeds the context of 64/],
  [() => ({ patience: 2, validationSplit: 0 }), /`patience` 2 waits .* `validationSplit` is 0/],
  [() => ({ patience: 2, evalEvery: 0 }), /`patience` 2 waits .* `evalEvery` is 0/],
];
const rl: Case['wrong'] = [
  ...tuning,
  [() => ({ rewardFn: undefined }), /exactly one of `reward` and `rewardFn`/],
  [() => ({ reward: model }), /exactly one of `reward` and `rewardFn`/],
  [() => ({ rewardFn: undefined, reward: absent }), /absent does not exist/],
  [() => ({ rewardFn: undefined, reward: model }), /is a language model, not a reward model/],
  [() => ({ rewardFn: absent }), /absent does not exist/],
  [() => ({ rewardFn: written('none.js', 'export const x = 1') }), /exports no reward function/],
  [() => ({ rewardFn: written('broken.js', 'export default (') }), /broken\.js does not load/],
  [() => ({ rolloutSize: 6, numGenerations: 4 }), /does not divide into groups of 4/],
  [() => ({ rolloutSize: 12, numGenerations: 4, batchSize: 8 }), /does not divide into minibatches of 8/],
  [() => ({ maxPromptLength: 60 }), /exceed the context of 64/],
];

const cases: Record<string, Case> = {
  pretrain: {
    run: pretrain,
    rules: pretrainRules,
    good: () => ({ steps: 1, model: 'tiny' }),
    wrong: [
      [() => ({ data: undefined }), /`data` is missing/],
      [() => ({ data: absent }), /absent does not exist/],
      [() => ({ data: '-' }), /training does not read standard input/],
      [() => ({ data: join(root, 'model/model.safetensors') }), /not a kind of file that can be read/],
      [() => ({ steps: undefined }), /exactly one of `steps`, `tokens` and `time`/],
      [() => ({ tokens: 1 }), /exactly one of `steps`, `tokens` and `time`/],
      [() => ({ model: 'gtp2' }), /gtp2/],
      [() => ({ model }), /the data has a vocabulary of 4096 and the model in .* one of \d+/],
      [() => ({ model, vocabSize: 300, context: 65 }), /`context` 65 exceeds the context of 64/],
      [() => ({ dtype: 'f32', paramDtype: 'bf16' }), /`paramDtype` bf16 needs activations in bf16/],
      [() => ({ stepz: 3 }), /there is no setting stepz/],
    ],
  },
  sft: {
    run: sft,
    rules: sftRules,
    good: () => ({}),
    wrong: [...epochs, [() => ({ samplePrompt: ['a '.repeat(99)] }), /a `samplePrompt` of \d+ tokens/]],
  },
  reward: {
    run: reward,
    rules: rewardRules,
    good: () => ({}),
    wrong: [...epochs, [() => ({ normalize: absent }), /absent does not exist/]],
  },
  dpo: { run: dpo, rules: dpoRules, good: () => ({}), wrong: epochs },
  kto: { run: kto, rules: ktoRules, good: () => ({}), wrong: epochs },
  ppo: {
    run: ppo,
    rules: ppoRules,
    good: () => ({ ...rollouts(), valueInit: 'head' }),
    wrong: [
      ...rl,
      [() => ({ valueInit: 'reward' }), /no reward model that the value model could start from/],
      [() => ({ valueInit: absent }), /absent does not exist/],
      [() => ({ ptxData: root }), /not a folder of token shards/],
      [() => ({ ptxData: shards }), /made with another tokenizer than the policy's/],
    ],
  },
  grpo: { run: grpo, rules: grpoRules, good: rollouts, wrong: rl },
};

const settingsOf = ({ good }: Case) => ({ data: damaged, model, onBadLine: 'fail', ...good(), out });

async function refusal({ run }: Case, settings: object): Promise<{ code: string; message: string }> {
  const error = await run(settings as never).catch((thrown: unknown) => thrown);
  expect(existsSync(out), 'nothing is written').toBe(false);
  return error as { code: string; message: string };
}

/** Values that no setting of their kind takes. */
const nonsense = [Number.NaN, -1, '', 'nonsense', [''], {}];

describe.each(Object.keys(cases))('%s', (stage) => {
  const of = cases[stage]!;

  it('reads its data if all settings are right, so that the tests below say something', async () => {
    const { onBadLine, ...settings } = settingsOf(of);
    const strict = stage === 'pretrain' ? settings : { ...settings, onBadLine };
    const error = await of.run(strict as never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: expect.stringMatching(/damaged\.jsonl|no usable|no document/) });
    if (existsSync(out)) expect(readdirSync(out)).toEqual([]);
  });

  it.each(Object.keys(of.rules))('refuses a wrong `%s` before any data is read', async (key) => {
    const { expects } = of.rules[key]!;
    const wrong = nonsense.filter((value) => !expects.accepts(value));
    expect(wrong.length).toBeGreaterThan(0);
    for (const value of wrong) {
      const { onBadLine: _, ...settings } = settingsOf(of);
      const error = await refusal(of, { ...settings, [key]: value });
      expect(error).toMatchObject({ code: 'ERR_OPTION' });
      expect(error.message).toMatch(new RegExp(`^\`${key}\` expects ${expects.text.slice(0, 5)}`));
    }
  });

  it.each(of.wrong.map(([settings, message]) => [message, settings] as const))(
    'refuses before any data is read: %s',
    async (message, settings) => {
      const { onBadLine, ...right } = settingsOf(of);
      const strict = stage === 'pretrain' ? right : { ...right, onBadLine };
      expect((await refusal(of, { ...strict, ...settings() })).message).toMatch(message);
    },
  );

  it('takes the same values as its command', async () => {
    const { module } = await buildProgram([stage], commands);
    const numbers = [
      -1,
      0,
      0.25,
      0.5,
      0.75,
      1,
      1.5,
      2,
      3,
      256,
      257,
      1e-7,
      1e10,
      1e39,
      2 ** 24 + 1,
      2 ** 52 + 1,
    ];
    for (const [key, { expects }] of Object.entries(of.rules)) {
      const option = module!.options[key];
      expect(option, key).toBeDefined();
      // The command line has times in words, and the one of training from a second on.
      if (key === 'time' || key === 'rewardTimeout' || !option) continue;
      if (option.kind === 'number') {
        const differing = numbers.filter(
          (value) => (option.parse(String(value)) !== undefined) !== expects.accepts(value),
        );
        expect(differing, key).toEqual([]);
      }
      for (const word of option.words ?? []) {
        expect(expects.accepts(option.kind === 'list' ? [word] : word), `${key} ${word}`).toBe(true);
      }
      const { default: value } = option;
      if (value !== undefined) expect(expects.accepts(value), `default of ${key}`).toBe(true);
    }
  });
});
