/** Times the filters on documents that are in memory, with one thread. */
import type { TextFilter } from '../data/filters/filter.ts';
import { createFilters } from '../data/filters/presets.ts';
import { TextMeasures } from '../data/filters/text-measures.ts';
import { WordTable } from '../data/filters/words/word-table.ts';
import { bytesOf } from './data-texts.ts';

/** What is timed: each filter alone, FineWeb's rules together, and these after the language. */
export const filterBenchRecipes: readonly (readonly string[])[] = [
  ['gopher-repetition'],
  ['gopher-quality'],
  ['c4:terminal-punctuation=off'],
  ['c4'],
  ['fineweb'],
  ['gopher-dolma'],
  ['language'],
  ['pii'],
  ['gopher-repetition', 'gopher-quality', 'c4:terminal-punctuation=off', 'fineweb'],
  ['fineweb-pipeline'],
];
/** The recipe that the peer runs too. */
export const PEER_RECIPE = 8;

export interface FilterTiming {
  /** The recipe, and each of its filters with its share of the time. */
  recipe: string;
  shares: Record<string, number>;
  /** Of the fastest repeat. A MB is a million bytes of UTF-8. */
  mb_per_second: number;
  /** By the processor time of the repeat that took least, with garbage collection. */
  mb_per_cpu_second: number;
  kept: number;
}

/** Times one recipe. The first round, in which the words are new, does not count. */
export async function timeFilters(
  recipe: readonly string[],
  texts: readonly string[],
  repeats: number,
): Promise<FilterTiming> {
  const filters = await createFilters(recipe);
  for (const filter of filters) await filter.load?.();
  const table = new WordTable();
  const bytes = bytesOf(texts);
  let [seconds, cpuSeconds, kept] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0];
  let spent: number[] = [];
  for (let round = 0; round <= repeats; round++) {
    const start = performance.now();
    const cpu = process.cpuUsage();
    const run = pass(filters, texts, table);
    const { user, system } = process.cpuUsage(cpu);
    const wall = (performance.now() - start) / 1000;
    kept = run.kept;
    if (round === 0) continue;
    cpuSeconds = Math.min(cpuSeconds, (user + system) / 1e6);
    if (wall < seconds) spent = run.spent;
    seconds = Math.min(seconds, wall);
  }
  const total = spent.reduce((a, b) => a + b, 0);
  return {
    recipe: recipe.join(','),
    shares: Object.fromEntries(filters.map(({ name }, i) => [name, spent[i]! / total])),
    mb_per_second: bytes / 1e6 / seconds,
    mb_per_cpu_second: bytes / 1e6 / cpuSeconds,
    kept,
  };
}

/** One round, with the milliseconds that each filter took. */
function pass(filters: readonly TextFilter[], texts: readonly string[], table: WordTable) {
  const spent = filters.map(() => 0);
  let kept = 0;
  for (const text of texts) {
    table.trim();
    let measures = new TextMeasures(text, table);
    let rejected = false;
    for (let i = 0; i < filters.length && !rejected; i++) {
      const start = performance.now();
      const result = filters[i]!.apply(measures);
      spent[i]! += performance.now() - start;
      rejected = typeof result !== 'string';
      if (typeof result === 'string' && result !== measures.text) measures = new TextMeasures(result, table);
    }
    if (!rejected) kept++;
  }
  return { spent, kept };
}
