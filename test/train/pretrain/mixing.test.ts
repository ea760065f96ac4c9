/** Pretraining that reads its sources in given proportions. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MixPhase } from '../../../src/data/shards/mix.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { type MetricRecord, readMetrics } from '../../../src/report/metrics-log.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { type PretrainOptions, pretrain } from '../../../src/train/pretrain/run.ts';

let root: string;
let data: string;
let runs = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-mixing-'));
  const text = (name: string, count: number) => {
    const lines = Array.from(
      { length: count },
      (_, i) => `Line ${i} of the ${name}, which goes on a little.`,
    );
    const file = join(root, `${name}.jsonl`);
    writeFileSync(file, lines.map((line) => `${JSON.stringify({ text: line })}\n`).join(''));
    return { path: file, name };
  };
  data = join(root, 'shards');
  const sources = [text('web', 300), text('books', 60)];
  const common = { vocabSize: 300, validationSplit: 0.1, minChars: 1, onBadLine: 'skip' } as const;
  await prepareData({ ...common, sources, out: data, mix: { weights: { web: 1, books: 1 } } });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const small = { model: 'tiny', context: 16, batchSize: 2, dtype: 'f32', evalTokens: 64 } as const;

async function run(options: Partial<PretrainOptions>, stopAt = Number.POSITIVE_INFINITY) {
  const out = options.out ?? join(root, `run${++runs}`);
  const controller = new AbortController();
  const notes: string[] = [];
  const onEvent = (event: RunEvent) => {
    if (event.type === 'note') notes.push(event.text);
    if (event.type === 'step' && event.step === stopAt) controller.abort();
  };
  const all = options.resume ? { ...options, out } : { ...small, data, ...options, out };
  const result = await pretrain(all as PretrainOptions, { signal: controller.signal, onEvent });
  const { records } = readMetrics(out);
  return {
    result,
    out,
    notes,
    records,
    losses: records.filter(({ event }) => !event).map(({ loss }) => loss),
  };
}

/** Tokens by source, of the last evaluation. */
function tokensBySource(records: readonly MetricRecord[]): Record<string, unknown> {
  const rows = records.filter(({ event }) => event === 'source');
  return Object.fromEntries(rows.map(({ source, tokens }) => [String(source), tokens]));
}

describe('the mix of a run', () => {
  it('is that of the recipe, or of the settings, and the log has the tokens of each source', async () => {
    const ofRecipe = await run({ steps: 8 });
    expect(tokensBySource(ofRecipe.records)).toEqual({ web: 128, books: 128 });
    const own = await run({ steps: 8, mix: 'web=3,books=1' });
    expect(tokensBySource(own.records)).toEqual({ web: 192, books: 64 });
    expect(own.losses).not.toEqual(ofRecipe.losses);
    const report = readFileSync(join(own.out, 'report.html'), 'utf8');
    expect(report).toContain('Share of the tokens that were read, by source');
    expect(report).toContain('web=3,books=1');
    const natural = await run({ steps: 8, mix: 'natural' });
    expect(tokensBySource(natural.records)).toEqual({});
  });

  it('goes on after an interruption with the same bits', async () => {
    const mix: MixPhase[] = [
      { until: 0.5, weights: { web: 3, books: 1 } },
      { until: 1, weights: { books: 1 } },
    ];
    const whole = await run({ steps: 12, mix, seed: 3 });
    expect(tokensBySource(whole.records)).toEqual({ web: 144, books: 240 });
    const first = await run({ steps: 12, mix, seed: 3 }, 5);
    expect(first.result.interrupted).toBe(true);
    const rest = await run({ out: first.out, resume: true });
    expect(rest.losses).toEqual(whole.losses);
    expect(tokensBySource(rest.records)).toEqual({ web: 144, books: 240 });
    const weights = (out: string) => readFileSync(join(out, 'model.safetensors'));
    expect(weights(rest.out).equals(weights(whole.out))).toBe(true);
  });

  it('may change in a resumed run, which goes on where each source was', async () => {
    const first = await run({ steps: 4, mix: 'web=1,books=1' });
    const rest = await run({ out: first.out, resume: true, steps: 8, mix: 'books=1' });
    expect(tokensBySource(rest.records)).toEqual({ books: 192 });
  });

  it('of amounts says how long the run is, and what is read often', async () => {
    const { result, records, notes } = await run({ mix: 'books=5epochs,web=320tokens' });
    const read = tokensBySource(records);
    expect(read.web).toBe(320);
    expect(result.tokens).toBe(320 + Number(read.books));
    expect(notes.join()).toMatch(/the run reads books [45]\.\d+ times, web 0\.\d+ times/);
    expect(notes.join()).toMatch(/books: after 4 passes another one teaches less/);
  });
});

describe('a mix is refused', () => {
  const refused = (options: Partial<PretrainOptions>) =>
    expect(run(options)).rejects.toMatchObject({ code: 'ERR_OPTION' });

  it('for a source that the shards do not have', async () => {
    await expect(run({ steps: 1, mix: 'wed=1' })).rejects.toMatchObject({ remedy: 'did you mean web?' });
  });

  it('for phases of a run whose end is not known, and weights do not say how long a run is', async () => {
    const phases: MixPhase[] = [
      { until: 0.5, weights: { web: 1 } },
      { until: 1, weights: { books: 1 } },
    ];
    await refused({ time: 5, mix: phases });
    await refused({ mix: 'web=1' });
    await refused({ steps: 1, mix: 'web=much' });
    await refused({ steps: 1, mix: [{ until: 0.5, weights: { web: 1 } }] });
  });
});
