/** Rows that a chat template refuses, in every stage and in eval: bad rows like others. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunConsole } from '../../src/comm/run-context.ts';
import { preferenceAccuracy } from '../../src/eval/preference-accuracy.ts';
import { questionAccuracy } from '../../src/eval/questions.ts';
import { winRate } from '../../src/eval/win-rate.ts';
import type { RunEvent } from '../../src/train/loop/run-events.ts';
import { dpo } from '../../src/train/preference/dpo.ts';
import { reward } from '../../src/train/preference/reward.ts';
import { grpo } from '../../src/train/rl/grpo.ts';
import { ppo } from '../../src/train/rl/ppo.ts';
import { sft } from '../../src/train/sft/run.ts';
import { type RlModels, writeRlModels } from '../helpers/rl-models.ts';
import {
  dpoDefaults,
  grpoDefaults,
  jsonl,
  ppoDefaults,
  rewardDefaults,
  sftDefaults,
} from '../helpers/stages.ts';

let root: string;
let models: RlModels;
let runs = 0;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-refused-'));
  models = await writeRlModels(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const question = (i: number) => `Name a colour. ${i}`;
const answers = { completion: 'Blue.', chosen: 'Blue.', rejected: 'Red, then.' };
/** The default template takes no turns of tools. */
const toolPrompt = [
  { role: 'user', content: 'Look it up.' },
  { role: 'assistant', content: 'I will.', tool_calls: [{ function: { name: 'look', arguments: {} } }] },
  { role: 'tool', content: 'Blue.' },
];

function rows(good: number): string {
  const taken = Array.from({ length: good }, (_, i) => ({ prompt: question(i), ...answers }));
  const all = [...taken.slice(0, 1), { prompt: toolPrompt, ...answers }, ...taken.slice(1)];
  return jsonl(root, `rows-${good}.jsonl`, all);
}

interface Hooks {
  console: RunConsole;
  onEvent: (event: RunEvent) => void;
}
const folders = () => ({ model: models.model, reward: models.reward });
type Settings = { data: string; onBadLine: 'skip' | 'fail'; out: string };
const stages: [string, (settings: Settings, hooks: Hooks) => Promise<unknown>][] = [
  ['sft', (given, hooks) => sft({ ...sftDefaults, model: models.model, steps: 1, ...given }, hooks)],
  ['reward', (given, hooks) => reward({ ...rewardDefaults, model: models.model, steps: 1, ...given }, hooks)],
  [
    'reward with other instructions to normalize on',
    (given, hooks) => {
      const data = jsonl(root, 'pairs.jsonl', [{ prompt: question(0), ...answers }]);
      const other = { ...given, data, normalize: given.data };
      return reward({ ...rewardDefaults, model: models.model, steps: 1, ...other }, hooks);
    },
  ],
  ['dpo', (given, hooks) => dpo({ ...dpoDefaults, model: models.model, steps: 1, ...given }, hooks)],
  ['ppo', (given, hooks) => ppo({ ...ppoDefaults, ...folders(), steps: 1, evalPrompts: 1, ...given }, hooks)],
  [
    'grpo',
    (given, hooks) => grpo({ ...grpoDefaults, ...folders(), steps: 1, evalPrompts: 1, ...given }, hooks),
  ],
  [
    'eval --questions',
    ({ data, onBadLine }, { console }) =>
      questionAccuracy(models.model, data, { ...answering, onBadLine, console }),
  ],
  [
    'eval --against --questions',
    ({ data, onBadLine }, { console }) =>
      winRate(models.model, models.model, { questions: data }, { ...answering, onBadLine, console }),
  ],
  [
    'eval --against --prompts',
    ({ data, onBadLine }, { console }) => {
      const judge = { prompts: data, reward: models.reward };
      return winRate(models.model, models.model, judge, { ...answering, onBadLine, console });
    },
  ],
  [
    'eval --comparisons',
    ({ data, onBadLine }, { console }) =>
      preferenceAccuracy(models.reward, data, { dtype: 'f32', onBadLine, console }),
  ],
];
const answering = { dtype: 'f32', maxTokens: 4, temperature: 0, batchSize: 4, seed: 0 } as const;

describe.each(stages)('%s', (_, run) => {
  const out = () => join(root, `run-${++runs}`);
  const hooks = () => {
    const said: string[] = [];
    const say = (text: string) => said.push(text);
    const onEvent = (event: RunEvent) => {
      if (event.type === 'note') say(event.text);
    };
    return { said, console: { note: say, warn: say }, onEvent };
  };

  it('leaves a row out that the template refuses, and names it', async () => {
    const { said, ...listeners } = hooks();
    const data = rows(8);
    await run({ data, onBadLine: 'skip', out: out() }, listeners);
    const refused = `left out 1 row (refused 1); the first of each: ${data}:2: refused by the chat template (the chat template refused the messages: unknown role tool`;
    expect(said.join('\n')).toContain(refused);
  });

  it('ends with the row where it is to fail', async () => {
    const data = rows(8);
    const given = { data, onBadLine: 'fail', out: out() } as const;
    await expect(run(given, hooks())).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/rows-8\.jsonl:2: the chat template refused .*unknown role tool/),
    });
  });

  it('says why when no row is left', async () => {
    const data = rows(0);
    const given = { data, onBadLine: 'skip', out: out() } as const;
    await expect(run(given, hooks())).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/rows-0\.jsonl:1: the chat template refused .*unknown role tool/),
    });
  });
});
