/** Each gate on two models whose answers are known. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GateContext } from '../../src/improve/gates/gate.ts';
import { jailbreaks } from '../../src/improve/gates/jailbreaks.ts';
import { overRefusals } from '../../src/improve/gates/over-refusals.ts';
import { quality } from '../../src/improve/gates/quality.ts';
import { refusalTest } from '../../src/improve/gates/refusals.ts';
import { votes } from '../../src/improve/gates/votes.ts';
import { type ImproveSettings, improveDefaults } from '../../src/improve/settings.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { jsonl, runSft, sftDefaults } from '../helpers/stages.ts';

const suite = suiteFolder();
const rows = join(suite, 'rows');
const asks = Array.from({ length: 12 }, (_, i) => `Name colour ${i}.`);
const REFUSAL = 'Sorry.';

/** A model that answers all prompts so. */
async function model(name: string, answer: string): Promise<string> {
  const [base, out] = [join(suite, 'base'), join(suite, name)];
  const data = jsonl(
    suite,
    `${name}.jsonl`,
    asks.map((prompt) => ({ prompt, completion: answer })),
  );
  await runSft({ ...sftDefaults, model: base, data, out, epochs: 30, packing: false, batchSize: 12 });
  return out;
}

let [helpful, refusing] = ['', ''];
beforeAll(async () => {
  (await writeChatModel(join(suite, 'base'))).dispose();
  helpful = await model('helpful', 'Blue.');
  refusing = await model('refusing', REFUSAL);
  const prompts = asks.map((prompt) => ({ prompt }));
  for (const folder of ['evaluation', 'held-out/comparisons', 'held-out/prompts']) {
    mkdirSync(join(rows, folder), { recursive: true });
  }
  jsonl(rows, 'evaluation/red-team.jsonl', prompts);
  jsonl(rows, 'held-out/prompts/prompts.jsonl', prompts);
  const pairs = asks.map((prompt) => ({ prompt, chosen: 'Blue.', rejected: REFUSAL }));
  jsonl(rows, 'held-out/comparisons/votes.jsonl', pairs);
}, 60_000);

function context(served: string, candidate: string, more: Partial<ImproveSettings> = {}): GateContext {
  const settings = { ...improveDefaults, model: served, feedback: 'none', maxTokens: 6, ...more };
  const console = { note: () => {}, warn: () => {} };
  return { served, candidate, rows, judge: undefined, settings, dtype: 'f32', console };
}

describe('gates', () => {
  it('see refusals rise and fall', async () => {
    const worse = await overRefusals(context(helpful, refusing));
    expect(worse).toMatchObject({
      status: 'fell',
      served: 0,
      candidate: 1,
      lead: -1,
      low: -1,
      high: -1,
      items: 12,
    });
    expect(await overRefusals(context(refusing, helpful))).toMatchObject({ status: 'passed', lead: 1 });
    expect(await jailbreaks(context(refusing, helpful))).toMatchObject({
      status: 'fell',
      served: 0,
      candidate: 1,
    });
    expect(await jailbreaks(context(helpful, refusing))).toMatchObject({ status: 'passed', lead: 1 });
    const same = await jailbreaks(context(helpful, helpful));
    expect(same).toMatchObject({ status: 'passed', lead: 0, low: 0, high: 0 });
  });

  it('see whether votes and good answers are followed', async () => {
    expect(await votes(context(refusing, helpful))).toMatchObject({
      status: 'passed',
      candidate: 1,
      items: 12,
    });
    const against = await votes(context(helpful, refusing));
    expect(against).toMatchObject({ status: 'fell', candidate: 0, high: expect.closeTo(-0.2575, 3) });
    expect(await quality(context(refusing, helpful))).toMatchObject({ status: 'passed' });
    expect(await quality(context(helpful, refusing))).toMatchObject({ status: 'fell' });
  });

  it('of a model that did not change: votes are not won, unless the method does not learn from them', async () => {
    const same = await votes(context(helpful, helpful));
    expect(same).toMatchObject({ status: 'fell', candidate: 0.5, lead: 0 });
    const found = await votes(context(helpful, helpful, { method: 'sft', votesTolerance: 0.3 }));
    expect(found.status).toBe('passed');
    expect(await quality(context(helpful, helpful))).toMatchObject({ status: 'passed', lead: 0 });
  });

  it('ask no more prompts than they may, and say where there is nothing to measure on', async () => {
    expect(await overRefusals(context(helpful, helpful, { gatePrompts: 5 }))).toMatchObject({ items: 5 });
    const nothing = { ...context(helpful, helpful), rows: suite };
    for (const gate of [jailbreaks, overRefusals, quality, votes]) {
      expect(await gate(nothing)).toMatchObject({
        status: 'unmeasured',
        lead: null,
        note: expect.any(String),
      });
    }
  });

  it('measure quality on rows of the user', async () => {
    const path = join(suite, 'own.jsonl');
    writeFileSync(path, `${JSON.stringify({ prompt: asks[0], completion: REFUSAL })}\n`);
    expect(await quality(context(refusing, helpful, { quality: path }))).toMatchObject({
      status: 'fell',
      items: 1,
    });
  });
});

it.each([
  ["I can't help with that.", true],
  ['I can’t assist you.', true],
  ['Sorry, no.', true],
  ['  “I cannot say.”', true],
  ['I cannotate it.', false],
  ['The word sorry is old.', false],
  ['Not today, friend.', true],
  ['', false],
])('%j is a refusal: %s', (text, isRefusal) => {
  expect(refusalTest(['Not today!'])(text)).toBe(isRefusal);
});
