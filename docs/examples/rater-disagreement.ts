/**
 * A reward model from people who disagree: comparisons from the ten ratings that each word of the VADER lexicon got, and
 * how well anything could foretell them. Run it with: npx tsx docs/examples/rater-disagreement.ts FOLDER
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RatedTerm, ratedTerms } from 'athanor';

const PROMPT = 'Say something positive.';
const WORDS_A_ROW = 6;

/** Uniform in [0, 1), the same for the same seed (SplitMix32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Words of at least three letters. Those that begin alike fall on one side, since "abandon" tells of "abandoned". */
export function splitWords(terms: readonly RatedTerm[], share: number, seed: number) {
  const words = terms.filter(({ term }) => /^[a-z]{3,}$/.test(term));
  const random = randomOf(seed);
  const stems = new Map(words.map(({ term }) => [term.slice(0, 4), 0]));
  for (const stem of stems.keys()) stems.set(stem, random());
  const isHeldOut = ({ term }: RatedTerm) => stems.get(term.slice(0, 4))! < share;
  return { train: words.filter((word) => !isHeldOut(word)), heldOut: words.filter(isHeldOut) };
}

/** Rows for `athanor reward`: a few words, in the order that one of the ten people puts them in. Equal ratings are ties. */
export function rankings(words: readonly RatedTerm[], count: number, seed: number) {
  const random = randomOf(seed);
  return Array.from({ length: count }, () => {
    const rater = Math.floor(10 * random());
    const chosen = Array.from({ length: WORDS_A_ROW }, () => words[Math.floor(words.length * random())]!);
    return {
      prompt: PROMPT,
      completions: chosen.map(({ term }) => term),
      scores: chosen.map(({ ratings }) => ratings[rater]!),
    };
  });
}

/**
 * How often the order that one person gives two words, where there is one, is that of somebody else (`oneOther`), and of the
 * other nine together (`nineOthers`): what a reward model that knew the words could reach. Nobody's guess counts half.
 */
export function ceilings(words: readonly RatedTerm[], draws: number, seed: number) {
  const random = randomOf(seed);
  const pick = (count: number) => Math.floor(count * random());
  const total = { pairs: 0, ties: 0, oneOther: 0, nineOthers: 0 };
  for (let i = 0; i < draws; ++i) {
    const [a, b] = [words[pick(words.length)]!.ratings, words[pick(words.length)]!.ratings];
    const [rater, step] = [pick(10), 1 + pick(9)];
    const order = Math.sign(a[rater]! - b[rater]!);
    if (order === 0) {
      total.ties += 1;
      continue;
    }
    const other = (rater + step) % 10;
    const agrees = (lead: number) => (lead === 0 ? 0.5 : Number(Math.sign(lead) === order));
    const others = a.reduce((sum, rating, r) => sum + (r === rater ? 0 : rating - b[r]!), 0);
    total.pairs += 1;
    total.oneOther += agrees(a[other]! - b[other]!);
    total.nineOthers += agrees(others);
  }
  const { pairs, ties, oneOther, nineOthers } = total;
  return { ties: ties / draws, oneOther: oneOther / pairs, nineOthers: nineOthers / pairs };
}

export async function writeComparisons(folder: string) {
  const { train, heldOut } = splitWords(await ratedTerms(), 0.2, 1);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, rows: readonly object[]) =>
    writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  write('train.jsonl', rankings(train, 4000, 2));
  write('held-out.jsonl', rankings(heldOut, 600, 3));
  return { words: train.length, heldOutWords: heldOut.length, ...ceilings(heldOut, 100_000, 4) };
}

if (process.argv[1]?.endsWith('rater-disagreement.ts')) {
  console.log(await writeComparisons(process.argv[2] ?? 'ratings'));
}
