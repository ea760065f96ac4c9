import { expect, it } from 'vitest';
import { FilterChain } from '../../../src/data/filters/filter-documents.ts';
import {
  addMeasure,
  measureCounts,
  measureEdges,
  mergedMeasures,
} from '../../../src/data/filters/measures.ts';

const document = (text: string) => ({ id: '', source: '', text });

it('count texts in bins whose border is the threshold', () => {
  for (const threshold of [0.01, 0.3, 1, 3, 50, 100_000]) {
    const counts = measureCounts('rule', threshold);
    const edges = measureEdges(counts);
    const border = edges.findIndex((edge) => Math.abs(edge / threshold - 1) < 1e-9);
    expect(border).toBeGreaterThan(0);
    addMeasure(counts, threshold, true);
    addMeasure(counts, threshold * 0.999, false);
    expect(counts.kept[border]).toBe(1);
    expect(counts.rejected[border - 1]).toBe(1);
    for (const value of [0, 1e-9, threshold * 1e9]) addMeasure(counts, value, true);
    expect(counts.kept[0]).toBe(2);
    expect(counts.kept.at(-1)).toBe(1);
    for (const [i, edge] of edges.slice(0, -1).entries()) {
      const one = measureCounts('rule', threshold);
      addMeasure(one, (edge + edges[i + 1]!) / 2, true);
      expect(one.kept[i]).toBe(1);
    }
  }
});

it('are those of the texts that came to a rule', async () => {
  const chain = await FilterChain.create(['length:min-words=3:max-words=5']);
  for (const text of ['one', 'one two', 'one two three', 'a b c d e f', 'a b c d'])
    chain.apply(document(text));
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const rows = chain.measures.map(({ rule, threshold, kept, rejected }) => [
    rule,
    threshold,
    sum(kept),
    sum(rejected),
  ]);
  expect(rows).toEqual([
    ['length.min-characters', 1, 5, 0],
    ['length.max-characters', 10_000_000, 5, 0],
    ['length.min-words', 3, 3, 2],
    ['length.max-words', 5, 2, 1],
  ]);
});

it('of parts of a corpus are added, whatever rules a part came to', async () => {
  const texts = ['one', 'one two', 'one two three', 'a b c d e f', 'a b c d'];
  const recipe = ['length:min-words=3:max-words=5'];
  const whole = await FilterChain.create(recipe);
  for (const text of texts) whole.apply(document(text));
  const parts = await Promise.all(
    texts.map(async (text) => {
      const chain = await FilterChain.create(recipe);
      chain.apply(document(text));
      return chain.measures;
    }),
  );
  const byRule = (rows: { rule: string }[]) => rows.sort((a, b) => (a.rule < b.rule ? -1 : 1));
  expect(byRule(mergedMeasures(parts))).toEqual(byRule(whole.measures));
});
