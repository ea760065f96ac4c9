import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import {
  type RepeatedRunOptions,
  RepeatedRuns,
  withoutRepeatedRuns,
} from '../../../src/data/dedup/repeated-runs.ts';
import { native } from '../../../src/native/addon.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-runs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const threads = native.numThreads();
afterEach(() => native.setNumThreads(threads));

async function* documentsOf(texts: readonly string[]) {
  for (const [i, text] of texts.entries()) yield { id: `${i}`, text, source: 's' };
}

/** What is left of each text, in the second pass and in a third. */
async function leftOf(texts: readonly string[], options: RepeatedRunOptions): Promise<string[]> {
  const runs = new RepeatedRuns({ ...options, folder: root });
  for (const text of texts) runs.add(text);
  runs.finish();
  const passes: string[][] = [];
  for (let pass = 0; pass < 2; pass++) {
    const left: string[] = [];
    for await (const one of runs.shortened(documentsOf(texts), ({ text }) => text)) left.push(one.left.text);
    passes.push(left);
  }
  runs.close();
  expect(passes[1]).toEqual(passes[0]);
  expect(readdirSync(root)).toEqual([]);
  return passes[0]!;
}

/** The same by comparing all windows. */
function byAllWindows(texts: readonly string[], length: number): string[] {
  const all = texts.flatMap((text) => text.split(' '));
  const ends: number[] = [];
  for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.split(' ').length);
  const first = new Map<string, number>();
  const removed = new Set<number>();
  for (const [d, end] of ends.entries()) {
    for (let at = d === 0 ? 0 : ends[d - 1]!; at + length <= end; at++) {
      const window = all.slice(at, at + length).join(' ');
      const before = first.get(window);
      if (before === undefined) first.set(window, at);
      else for (let i = Math.max(at, before + length); i < at + length; i++) removed.add(i);
    }
  }
  return ends.map((end, d) => {
    const start = d === 0 ? 0 : ends[d - 1]!;
    return all
      .slice(start, end)
      .filter((_, i) => !removed.has(start + i))
      .join(' ');
  });
}

describe('repeated runs of words', () => {
  it('are those of a comparison of all windows, whatever the threads and the memory', async () => {
    let draws = 0;
    const draw = (below: number) => mix(8, draws++) % below;
    const letters = 'abcde';
    const blocks = Array.from({ length: 12 }, () =>
      Array.from({ length: 3 + draw(20) }, () => letters[draw(5)]!.repeat(1 + draw(3))).join(' '),
    );
    const texts = Array.from({ length: 120 }, () =>
      Array.from({ length: 1 + draw(5) }, () => blocks[draw(12)]!).join(` ${letters[draw(5)]} `),
    );
    const expected = byAllWindows(texts, 6);
    expect(expected.join('').length).toBeLessThan(texts.join('').length / 2);
    for (const [count, memoryBytes] of [
      [1, 1 << 20],
      [2, 1],
    ] as const) {
      native.setNumThreads(count);
      const left = await leftOf(texts, { words: 6, memoryBytes });
      expect(left.map((text) => text.trim())).toEqual(expected);
    }
  });

  it('are removed with their own spelling, and the rest keeps every byte', async () => {
    const run = 'One, two — “three” é four;\nfive 6,000 seven';
    const texts = [`Start. ${run}. End!`, `Other (again): ${run.toUpperCase()}… other\n\tend…`, run];
    const left = await leftOf(texts, { words: 7 });
    expect(left).toEqual([texts[0], 'Other (again): other\n\tend…', '']);
  });

  it('that overlap themselves stay once', async () => {
    const [left] = await leftOf(['word '.repeat(1000)], { words: 50 });
    expect(left).toBe('word '.repeat(50));
  });

  it('do not divide what has no spaces', async () => {
    const texts = [`${'©'.repeat(500)} a`, `b ${'©'.repeat(500)} c`];
    const left = await leftOf(texts, { words: 50 });
    expect(left).toEqual([texts[0], 'b c']);
  });

  it('leave short texts alone, and leave out documents without a rest', async () => {
    const line = Array.from({ length: 60 }, (_, i) => `w${'x'.repeat(i)}`).join(' ');
    const texts = ['short', line, 'short', `${line}`, ''];
    const left: string[] = [];
    for await (const { id } of withoutRepeatedRuns(() => documentsOf(texts))) left.push(id);
    expect(left).toEqual(['0', '1', '2']);
  });

  it('refuse other documents than were added, and options out of range', async () => {
    const runs = new RepeatedRuns({ words: 2, folder: root });
    runs.add('a b a b');
    runs.finish();
    const drain = async () => {
      for await (const _ of runs.shortened(documentsOf(['a b a b', 'c d']), ({ text }) => text));
    };
    await expect(drain()).rejects.toMatchObject({ code: 'ERR_STATE' });
    runs.close();
    expect(() => new RepeatedRuns({ words: 1 })).toThrow(/2 to 10000 words/);
    expect(() => new RepeatedRuns({ words: 0 })).toThrow(/words/);
  });
});
