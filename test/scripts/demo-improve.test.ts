/** `npm run demo:improve` at small size: the same program, with a tiny assistant. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { demoRound } from '../../scripts/lib/demo-improve/round.mjs';
import { randomNumbers } from '../../scripts/lib/demo-improve/users.mjs';
import * as athanor from '../../src/index.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { jsonl } from '../helpers/stages.ts';

const suite = suiteFolder();
const assistant = join(suite, 'assistant');

const words = ['big', 'old', 'new', 'wet', 'dry', 'hot', 'far', 'odd', 'red', 'shy'];
const things = ['sky', 'sea', 'hat', 'car', 'door', 'tree', 'cup', 'ball', 'book', 'shoe'];
const colours = ['red', 'blue', 'green', 'white'];
/** The colour is that of the thing, so that there is something to keep. */
const prompts = things.flatMap((thing, i) =>
  words.flatMap((word) =>
    ['Name a', 'Tell a', 'Say a'].map((ask) => ({
      ...{ text: `${ask} colour: ${word} ${thing}`, colour: colours[i % 4]! },
    })),
  ),
);
const random = randomNumbers(9);
const sides = prompts.map(({ text }) => ({ text, isUnseen: random() < 0.33 }));
const asks = sides.filter(({ isUnseen }) => !isUnseen).map(({ text }) => text);
const unseen = sides.filter(({ isUnseen }) => isUnseen).map(({ text }) => text);
/** Right answers, so that a round may not unlearn the colours. */
const right = prompts.map(({ text, colour }) => ({ prompt: text, completion: `it is ${colour}.` }));
const quality = jsonl(suite, 'quality.jsonl', right);

/** What people prefer, and what nothing else knows. */
const prefers = (text: string) => /^it is \w+\.$/.test(text);

// A model that has learned both ways to answer, each half of the time.
beforeAll(async () => {
  const base = join(suite, 'base');
  (await writeChatModel(base, { contextLength: 96 })).dispose();
  const style = randomNumbers(4);
  const rows = [...prompts, ...prompts].map(({ text, colour }) => ({
    ...{ prompt: text, completion: style() < 0.5 ? `${colour}.` : `it is ${colour}.` },
  }));
  await athanor.sft({
    ...{ out: assistant, model: base, data: jsonl(suite, 'rows.jsonl', rows), dtype: 'f32' },
    ...{ epochs: 4, batchSize: 16, lr: 5e-3, warmupSteps: 10, validationSplit: 0, packing: false },
    ...{ evalEvery: 0, saveEvery: 0, keepCheckpoints: 1, sampleTokens: 4 },
  });
}, 120_000);

const size = {
  ...{ assistant, asks, unseen, prefers, people: 24, each: 24, mistaken: 0.05, maxTokens: 12 },
  serve: { device: 'cpu', dtype: 'f32', threads: 1, batchSize: 16 },
} as const;
const improve = {
  dtype: 'f32',
  ...{ quality, maxTokens: 12, gatePrompts: 60 },
  rows: { nearDuplicate: 1, heldOut: 0.3 },
  stages: {
    dpo: { epochs: 2, batchSize: 8, lr: 3e-4, warmupSteps: 2 },
    judge: { epochs: 8, batchSize: 8, lr: 2e-3, warmupSteps: 2 },
  },
} as const;

async function round(name: string, more: object) {
  const folder = join(suite, name);
  rmSync(folder, { recursive: true, force: true });
  return demoRound(athanor, { ...size, folder, improve, seed: 1, ...more });
}

describe('a round of votes over HTTP', () => {
  // Seeds 1 to 5 pass. The gates of these have the most room, so they pass on other processors too.
  it.each([2, 4, 5])(
    'raises what people prefer on unseen prompts (seed %i)',
    async (seed) => {
      const { before, after, change, report, servedHash } = await round(`seed-${seed}`, { seed });
      expect(report.outcome, JSON.stringify(report.gates)).toBe('promoted');
      expect(servedHash).toBe(report.candidateHash);
      expect(before).toBeLessThan(0.7);
      expect(after).toBeGreaterThan(before);
      expect(change.low).toBeGreaterThan(0);
    },
    60_000,
  );

  it('with a flood of wrong votes is not led astray, by the limits or by the gates', async () => {
    const flood = 300;
    const limited = await round('flood', { flood });
    expect(limited.report.feedback.join('\n')).toMatch(
      /left out \d+ comparisons: the sender (has more votes than count|is against the majority)/,
    );
    expect(limited.change.low).toBeGreaterThan(-0.05);
    const rows = { ...improve.rows, floodLeast: 10_000, unreliableLeast: 10_000 };
    const open = await round('open', { flood, improve: { ...improve, rows } });
    expect(open.report.outcome).toBe('kept');
    expect(open.report.gates.some(({ status }) => status === 'fell')).toBe(true);
    expect(open.servedHash).toBe(open.report.servedHash);
  }, 120_000);
});
