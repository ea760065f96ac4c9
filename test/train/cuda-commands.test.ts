/**
 * The commands that test/train/cuda-pipeline.test.ts leaves out, as processes with --device cuda.
 * They are compared with the CPU where the task has one right answer, and with a second run where
 * results are sampled. Part of vitest.cuda.config.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { athanor, lastLineJson } from '../helpers/cli.ts';
import { expectSameRun, runWhole } from '../helpers/killed-run.ts';
import { maxError } from '../helpers/reference.ts';
import { type RlModels, writeRlModels } from '../helpers/rl-models.ts';
import { jsonl, logged, runSft, sftDefaults } from '../helpers/stages.ts';

/**
 * Of losses and gradient norms: bf16 has 8 bits, and rounds each activation of both devices in
 * its own order.
 */
const TOLERANCE = 2 ** -6;
const facts = { sky: 'Blue.', rose: 'Red.', snow: 'White.' };
const question = (thing: string) => `Colour of ${thing}?`;
const rows = Object.entries(facts).map(([thing, completion]) => ({ prompt: question(thing), completion }));
const pairs = rows.map(({ prompt, completion }) => ({ prompt, chosen: completion, rejected: 'Hello!' }));

let root: string;
let models: RlModels;
/** Has learned the facts, on the CPU. */
let assistant: string;
let questions: string;
let comparisons: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-cuda-commands-'));
  native.setDevice('cpu');
  models = await writeRlModels(root, { heads: 1, kvHeads: 1, headDim: 64, layers: 1 });
  questions = jsonl(root, 'questions.jsonl', rows);
  comparisons = jsonl(root, 'comparisons.jsonl', pairs);
  assistant = join(root, 'assistant');
  const learning = { ...sftDefaults, data: questions, model: models.model, out: assistant };
  await runSft({ ...learning, steps: 100, lr: 5e-3 });
  native.setDevice('cuda');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function result(device: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await athanor(...args, '--device', device, '--dtype', 'bf16', '--json');
  expect(code, stderr).toBe(0);
  return lastLineJson(stdout);
}

const few = [
  '--dtype',
  'bf16',
  '--warmup-steps',
  '0',
  '--lr',
  '1e-3',
  '--batch-size',
  '2',
  '--validation-split',
  '0',
];

describe('training', () => {
  const stages: Record<string, () => string[]> = {
    'sft --lora-rank': () => ['sft', '--data', questions, '--lora-rank', '4', '--sample-tokens', '1'],
    'dpo --param-dtype bf16': () => ['dpo', '--data', comparisons, '--param-dtype', 'bf16'],
    'dpo --lora-rank': () => ['dpo', '--data', comparisons, '--lora-rank', '4', '--gradient-checkpointing'],
  };
  it.each(Object.keys(stages))('%s learns as on the CPU', async (stage) => {
    const command = [...stages[stage]!(), '--model', assistant, ...few, '--steps', '4'];
    const outs = ['cpu', 'cuda'].map((device) => join(root, `${stage.replaceAll(' ', '')}-${device}`));
    await runWhole([...command, '--device', 'cpu'], outs[0]!);
    await runWhole([...command, '--device', 'cuda'], outs[1]!);
    for (const field of ['loss', 'grad_norm']) {
      const [wanted, got] = outs.map((out) => logged(out, field));
      expect(got).toHaveLength(4);
      const scale = Math.max(...wanted!);
      expect(maxError(got!, wanted!), field).toBeLessThan(TOLERANCE * scale);
      expect(new Set(wanted).size, field).toBe(4);
    }
  });

  it('grpo gives the same bits each time', async () => {
    const reward = join(root, 'reward.mjs');
    writeFileSync(reward, 'export default (prompt, response) => response.length;');
    const command = [
      ...['grpo', '--model', models.model, '--data', models.data, '--reward-fn', reward, '--device', 'cuda'],
      ...[
        '--rollout-size',
        '4',
        '--num-generations',
        '4',
        '--batch-size',
        '2',
        '--iterations',
        '2',
        '--max-response-length',
        '5',
      ],
      ...[
        '--max-prompt-length',
        '40',
        '--eval-prompts',
        '1',
        '--lr',
        '1e-3',
        '--warmup-steps',
        '0',
        '--lora-rank',
        '4',
        '--missing-eos',
        'none',
      ],
    ];
    const outs = [join(root, 'grpo-1'), join(root, 'grpo-2')] as const;
    await runWhole(command, outs[0]);
    await runWhole(command, outs[1]);
    expectSameRun(outs[1], outs[0]);
    expect(new Set(logged(outs[0], 'grad_norm')).size).toBeGreaterThan(2);
  });
});

describe('what was learned on the CPU', () => {
  it('is what generate and chat say', async () => {
    const model = ['--model', assistant, '--temperature', '0', '--max-tokens', '12'];
    const asked = Object.keys(facts).map(question);
    const written = await result('cuda', 'generate', ...asked, '--chat', ...model);
    const texts = (written.completions as { text: string }[]).map(({ text }) => text);
    expect(texts).toEqual(Object.values(facts));
    const said = await result('cuda', 'chat', ...model, '--message', asked[1]!);
    expect((said.turns as { answer: string }[]).map((turn) => turn.answer)).toEqual(['Red.']);
  });

  it('is what eval measures', async () => {
    const right = await result(
      'cuda',
      'eval',
      '--model',
      assistant,
      '--questions',
      questions,
      '--max-tokens',
      '12',
    );
    expect(right).toMatchObject({ exact_match: 1, questions: 3 });
    const inText = [
      'eval',
      '--model',
      assistant,
      '--data',
      models.text,
      '--context',
      '32',
      '--max-tokens',
      '96',
    ];
    const [wanted, got] = [await result('cpu', ...inText), await result('cuda', ...inText)];
    expect((got.val_loss as number) / (wanted.val_loss as number)).toBeCloseTo(1, 2);
  });

  it('is drawn from by generate --best-of, the same answers each time', async () => {
    const best = () =>
      result(
        'cuda',
        ...['generate', question('sky'), '--chat', '--model', models.model, '--reward', models.reward],
        ...['--best-of', '3', '--max-tokens', '6', '--seed', '4'],
      );
    const [first, second] = [await best(), await best()];
    expect(second.completions).toEqual(first.completions);
    const [{ reward, rewards }] = first.completions as [{ reward: number; rewards: number[] }];
    expect(new Set(rewards).size).toBe(3);
    expect(rewards).toContain(reward);
  });
});
