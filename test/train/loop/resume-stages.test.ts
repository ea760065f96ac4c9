/**
 * SFT, reward model, classifier and DPO, killed and resumed several times, give the same bits as an
 * undisturbed run. Real processes, SIGKILL.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeChatModel } from '../../helpers/chat-model.ts';
import {
  expectSameRun,
  nameOf,
  newestStep,
  resume,
  runKilled,
  runWhole,
  signalWhen,
} from '../../helpers/killed-run.ts';
import { rng } from '../../helpers/reference.ts';

let root: string;
let model: string;

/** Sentences of a few words, so that they are distinct and have many lengths. */
function sentences(seed: number): () => string {
  const words = 'name a colour blue red then be brief another one hello'.split(' ');
  const random = rng(seed);
  const word = () => words[random.integer(words.length)]!;
  return () => `${Array.from({ length: 3 + random.integer(8) }, word).join(' ')}.`;
}

function write(name: string, count: number, row: (say: () => string) => object): string {
  const say = sentences(name.length);
  const path = join(root, name);
  writeFileSync(path, Array.from({ length: count }, () => JSON.stringify(row(say))).join('\n'));
  return path;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-resume-stages-'));
  model = join(root, 'model');
  (await writeChatModel(model, { contextLength: 128 })).dispose();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const common = () => [
  ...[
    '--model',
    model,
    '--validation-split',
    '0.2',
    '--eval-every',
    '6',
    '--save-every',
    '4',
    '--warmup-steps',
    '3',
  ],
  ...[
    '--keep-checkpoints',
    '3',
    '--grad-accum',
    '2',
    '--batch-size',
    '4',
    '--dtype',
    'bf16',
    '--threads',
    '2',
  ],
];

const stages: Record<string, { steps: number; command: () => string[] }> = {
  sft: {
    steps: 40,
    command: () => {
      const data = write('instructions.jsonl', 200, (say) => ({ prompt: say(), completion: say() }));
      const noise = [
        '--neftune-alpha',
        '5',
        '--sample-every',
        '10',
        '--sample-tokens',
        '8',
        '--patience',
        '9',
      ];
      return ['sft', '--data', data, '--param-dtype', 'bf16', ...noise, ...common(), '--steps', '40'];
    },
  },
  reward: {
    steps: 30,
    command: () => {
      const data = write('rankings.jsonl', 100, (say) => ({
        prompt: say(),
        completions: [say(), say(), say()],
      }));
      return ['reward', '--data', data, '--centering', '0.01', ...common(), '--steps', '30'];
    },
  },
  classifier: {
    steps: 30,
    command: () => {
      const data = write('labelled.jsonl', 200, (say) => {
        const text = say();
        return { text, label: text.length % 2 };
      });
      return ['safety', 'train', '--data', data, ...common(), '--steps', '30'];
    },
  },
  dpo: {
    steps: 30,
    command: () => {
      const data = write('pairs.jsonl', 100, (say) => ({ prompt: say(), chosen: say(), rejected: say() }));
      return ['dpo', '--data', data, '--lora-rank', '4', ...common(), '--steps', '30'];
    },
  },
  kto: {
    steps: 30,
    command: () => {
      const data = write('ratings.jsonl', 200, (say) => {
        const [prompt, completion] = [say(), say()];
        return { prompt, completion, label: completion.length % 2 === 0 };
      });
      return ['kto', '--data', data, ...common(), '--steps', '30'];
    },
  },
};

describe.each(Object.keys(stages))('R39: %s, killed and resumed, ends with the same bits', (stage) => {
  const { steps, command } = stages[stage]!;
  let whole: string;
  let wholeMs: number;
  beforeAll(async () => {
    whole = join(root, `${stage}-whole`);
    wholeMs = await runWhole(command(), whole);
    expect(newestStep(whole)).toBe(steps);
  });

  it('killed at random moments', async () => {
    const out = join(root, `${stage}-killed`);
    const kills = await runKilled(command(), out, { wholeMs, seed: 5, extra: ['--threads', '1'] });
    expect(kills).toBeGreaterThan(1);
    expectSameRun(out, whole);
  });

  it('killed within the steps after a checkpoint', async () => {
    const out = join(root, `${stage}-mid`);
    const { signal } = await signalWhen(command(), out, (records) => records.some(({ step }) => step >= 9));
    expect(signal).toBe('SIGKILL');
    const saved = newestStep(out)!;
    expect(saved).toBeGreaterThanOrEqual(8);
    expect(saved).toBeLessThan(steps);
    await resume(nameOf(command()), out);
    expectSameRun(out, whole);
  });
});
