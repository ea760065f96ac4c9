/** Times the filters on documents that are in memory, with one thread. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { readCorpus } from '../data/corpus/corpus.ts';
import type { TextFilter } from '../data/filters/filter.ts';
import { createFilters } from '../data/filters/presets.ts';
import { TextMeasures } from '../data/filters/text-measures.ts';
import { WordTable } from '../data/filters/words/word-table.ts';
import { runPython } from './peer.ts';

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

/** Documents of at most `documentBytes` bytes from a file, folder or packaged corpus. */
export async function benchTexts(
  source: string,
  documentBytes: number,
  mostBytes: number,
): Promise<string[]> {
  const texts: string[] = [];
  let bytes = 0;
  for await (const item of readCorpus([source], { partBytes: Math.max(documentBytes, 1024) })) {
    if (!('document' in item)) continue;
    const { text } = item.document;
    for (let start = 0; start < text.length && bytes < mostBytes; start += documentBytes) {
      const part = text.slice(start, start + documentBytes);
      texts.push(part);
      bytes += Buffer.byteLength(part);
    }
    if (bytes >= mostBytes) break;
  }
  if (texts.length === 0)
    throw new AthanorError('ERR_ARGUMENT', `${source} holds no text`, 'name other text');
  return texts;
}

/** Times one recipe. The first round, in which the words are new, does not count. */
export async function timeFilters(
  recipe: readonly string[],
  texts: readonly string[],
  repeats: number,
): Promise<FilterTiming> {
  const filters = await createFilters(recipe);
  const table = new WordTable();
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
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

/**
 * The same rules in datatrove, on the same texts: MB per second of processor time, and documents
 * that it kept. Throws ERR_STATE when python3 (or $ATHANOR_PYTHON) has no datatrove.
 */
export function timeDatatrove(texts: readonly string[], repeats: number) {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    const file = join(folder, 'texts.jsonl');
    writeFileSync(file, texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
    const result = runPython('bench-datatrove.py', [file, String(repeats)], {
      name: 'datatrove',
      remedy:
        'pip install datatrove==0.10.0 spacy==3.8.16 in a virtual environment and set ATHANOR_PYTHON to its python3',
    });
    const { mb_per_cpu_second, kept } = result;
    if (typeof mb_per_cpu_second !== 'number' || typeof kept !== 'number') {
      throw new AthanorError(
        'ERR_STATE',
        'datatrove did not run: it gave no figures',
        'see scripts/bench-datatrove.py',
      );
    }
    return { mb_per_cpu_second, kept };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
