/**
 * A reward model from people who disagree. The example makes comparisons from the VADER lexicon, in
 * which each word has ten ratings, and computes how well anything could predict them. Run it with
 *
 *     npm run example rater-disagreement FOLDER
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RatedTerm, ratedTerms } from 'athanor';

const PROMPT = 'Say something positive.';
const WORDS_A_ROW = 6;
/** The ratings of a word, of ten, that are trained on, and those that are predicted. */
export const TRAINED = [0, 1, 2, 3, 4, 5, 6, 7];
export const UNSEEN = [8, 9];

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

/**
 * Words of at least three letters. Words with the same beginning fall on one side, because
 * "abandon" would give "abandoned" away.
 */
export function splitWords(terms: readonly RatedTerm[], share: number, seed: number) {
  const words = terms.filter(({ term }) => /^[a-z]{3,}$/.test(term));
  const random = randomOf(seed);
  const stems = new Map(words.map(({ term }) => [term.slice(0, 4), 0]));
  for (const stem of stems.keys()) stems.set(stem, random());
  const isHeldOut = ({ term }: RatedTerm) => stems.get(term.slice(0, 4))! < share;
  return { train: words.filter((word) => !isHeldOut(word)), heldOut: words.filter(isHeldOut) };
}

/** Rows for `athanor reward`: a few words in the order of one rater. Equal ratings are ties. */
export function rankings(
  words: readonly RatedTerm[],
  raters: readonly number[],
  count: number,
  seed: number,
) {
  const random = randomOf(seed);
  return Array.from({ length: count }, () => {
    const rater = raters[Math.floor(raters.length * random())]!;
    const chosen = Array.from({ length: WORDS_A_ROW }, () => words[Math.floor(words.length * random())]!);
    return {
      prompt: PROMPT,
      completions: chosen.map(({ term }) => term),
      scores: chosen.map(({ ratings }) => ratings[rater]!),
    };
  });
}

/**
 * An unseen rater gives two words an order, or a tie. Among the pairs with an order: how often one
 * other rater has the same order (`oneOther`), and how often the sum of the eight others has it
 * (`eightOthers`), which a reward model that knew them could reach. A tie counts half there.
 */
export function ceilings(words: readonly RatedTerm[], draws: number, seed: number) {
  const random = randomOf(seed);
  const oneOf = <T>(list: readonly T[]) => list[Math.floor(list.length * random())]!;
  const total = { pairs: 0, oneOther: 0, eightOthers: 0 };
  for (let i = 0; i < draws; ++i) {
    const [a, b] = [oneOf(words).ratings, oneOf(words).ratings];
    const [rater, other] = [oneOf(UNSEEN), oneOf(TRAINED)];
    const leads = a.map((rating, r) => rating - b[r]!);
    const order = Math.sign(leads[rater]!);
    const agrees = (lead: number) => (lead === 0 ? 0.5 : Number(Math.sign(lead) === order));
    if (order === 0) continue;
    total.pairs += 1;
    total.oneOther += agrees(leads[other]!);
    total.eightOthers += agrees(TRAINED.reduce((sum, r) => sum + leads[r]!, 0));
  }
  const { pairs, oneOther, eightOthers } = total;
  return { ties: 1 - pairs / draws, oneOther: oneOther / pairs, eightOthers: eightOthers / pairs };
}

export async function writeComparisons(folder: string) {
  const { train, heldOut } = splitWords(await ratedTerms(), 0.2, 1);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, rows: readonly object[]) =>
    writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  write('train.jsonl', rankings(train, TRAINED, 8000, 2));
  write('unseen-raters.jsonl', rankings(train, UNSEEN, 600, 3));
  write('unseen-words.jsonl', rankings(heldOut, UNSEEN, 600, 4));
  return { words: train.length, unseenWords: heldOut.length, ...ceilings(train, 200_000, 5) };
}

if (import.meta.filename === process.argv[1]) {
  console.log(await writeComparisons(process.argv[2] ?? 'ratings'));
}
