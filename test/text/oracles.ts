/** The three published vocabularies, each with the tiktoken encoder that is its oracle. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { get_encoding, type Tiktoken, type TiktokenEncoding } from 'tiktoken';
import { expect } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import type { SplitPattern } from '../../src/text/vocabulary.ts';

const require = createRequire(import.meta.url);

export interface Oracle {
  name: TiktokenEncoding;
  pattern: SplitPattern;
  specialTokens: Record<string, number>;
}

export const oracles: readonly Oracle[] = [
  { name: 'r50k_base', pattern: 'gpt2', specialTokens: { '<|endoftext|>': 50256 } },
  {
    name: 'cl100k_base',
    pattern: 'gpt4',
    specialTokens: {
      '<|endoftext|>': 100257,
      '<|fim_prefix|>': 100258,
      '<|fim_middle|>': 100259,
      '<|fim_suffix|>': 100260,
      '<|endofprompt|>': 100276,
    },
  },
  {
    name: 'o200k_base',
    pattern: 'gpt4o',
    specialTokens: { '<|endoftext|>': 199999, '<|endofprompt|>': 200018 },
  },
];

export const rankFile = (oracle: Oracle) => require.resolve(`gpt-tokenizer/data/${oracle.name}.tiktoken`);

const loaded = new Map<string, { ours: Tokenizer; theirs: Tiktoken }>();

export function load(oracle: Oracle): { ours: Tokenizer; theirs: Tiktoken } {
  let pair = loaded.get(oracle.name);
  if (!pair) {
    const ours = Tokenizer.fromTiktoken(rankFile(oracle), oracle.pattern, oracle.specialTokens);
    pair = { ours, theirs: get_encoding(oracle.name) };
    loaded.set(oracle.name, pair);
  }
  return pair;
}

/** Fails with the text of the first difference, short enough to read. */
export function expectSameIds(actual: ArrayLike<number>, expected: ArrayLike<number>, text: string): void {
  let i = 0;
  while (i < expected.length && actual[i] === expected[i]) i++;
  if (i === expected.length && actual.length === expected.length) return;
  const from = Math.max(0, i - 3);
  const show = (ids: ArrayLike<number>) =>
    Array.from(ids)
      .slice(from, i + 5)
      .join(' ');
  expect.fail(
    `ids differ at ${i}: ${show(actual)} but expected ${show(expected)}, in ${JSON.stringify(text.slice(0, 200))}`,
  );
}

const scripts = dirname(dirname(require.resolve('typescript/package.json')));

/**
 * Text files of the installed packages: English, Markdown, code, some of it with typographic quotes
 * and CR LF.
 */
export function realTexts(limit = 60): { path: string; text: string }[] {
  const files: { path: string; text: string }[] = [];
  for (const name of readdirSync(scripts).sort()) {
    const folder = join(scripts, name);
    if (name.startsWith('.') || !statSync(folder).isDirectory()) continue;
    for (const file of readdirSync(folder).sort()) {
      if (!/^(readme|licen[cs]e|changelog|history|thirdparty)/i.test(file)) continue;
      const path = join(folder, file);
      if (files.length < limit && statSync(path).isFile())
        files.push({ path, text: readFileSync(path, 'utf8') });
    }
  }
  return files;
}
