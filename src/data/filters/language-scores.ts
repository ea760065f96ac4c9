/**
 * The scores of eld, bit by bit, in a third of its time: its tables are one map and one array, and
 * not objects of objects.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AthanorError } from '../../base/errors.ts';

interface Tables {
  /** Codes of ISO 639-1. */
  languages: readonly string[];
  /** The places in `points` at which those of an n-gram begin. */
  ngrams: ReadonlyMap<string, number>;
  /** Per n-gram the number of languages, and for each its index and its points. */
  points: Uint8Array;
  /** The character that stands for a byte. */
  dictionary: readonly string[];
  /** What separates words. */
  separators: RegExp;
}

/** What a score in the tables is short of. */
const BASE = 53;
const SCALE = 25;
const MOST_CHARS = 1000;
/** Bytes after which a text ends at the next space, and at the next character. */
const [CUT_BYTES, LAST_BYTES] = [350, 380];
const MOST_WORD = 70;
/** Characters of a text that are looked at: eld reads no more than its first 350 to 380 bytes. */
const MOST = 340;
/** Places of pieces of a longer text. In scripts of several bytes the last ones are not read. */
const PIECES = [1 / 3, 2 / 3, 0, 1];
const PIECE = MOST / PIECES.length;

/** The sources of eld. Its exports have no way to the tables. */
function sourceFolder(): string {
  const folders = createRequire(import.meta.url).resolve.paths('eld') ?? [];
  const found = folders.map((folder) => join(folder, 'eld/src')).find((folder) => existsSync(folder));
  if (found !== undefined) return found;
  throw new AthanorError('ERR_FILE_MISSING', 'the package eld is not installed', 'run npm install');
}

async function loadTables(): Promise<Tables> {
  const folder = sourceFolder();
  const load = (name: string) => import(pathToFileURL(join(folder, name)).href);
  const { ngramsData } = (await load('ngrams/medium.js')) as {
    ngramsData: { languages: Record<string, string>; ngrams: Record<string, Record<string, number>> };
  };
  const { dictionary } = (await load('dictionary.js')) as { dictionary: string[] };
  const { separators } = (await load('regexPatterns.js')) as { separators: RegExp };
  const ngrams = new Map<string, number>();
  const points: number[] = [];
  for (const ngram in ngramsData.ngrams) {
    const start = points.push(0) - 1;
    ngrams.set(ngram, start);
    const own = ngramsData.ngrams[ngram]!;
    for (const language in own) points.push(Number(language), own[language]! + BASE);
    points[start] = (points.length - start - 1) / 2;
  }
  const languages = Object.values(ngramsData.languages);
  return { languages, ngrams, points: Uint8Array.from(points), dictionary, separators };
}

const tables = await loadTables();
const sums = new Float64Array(tables.languages.length);

/** The score, 0 to 1, of each language that is possible. */
export function languageScores(text: string): Record<string, number> {
  return eldScores(text.length <= MOST ? text : sample(text));
}

/** Pieces from all over a text: its beginning alone may be a menu. */
function sample(text: string): string {
  const last = text.length - PIECE;
  return PIECES.map((place) => piece(text, Math.floor(place * last))).join(' ');
}

function piece(text: string, start: number): string {
  return text.slice(start, start + PIECE);
}

/** The score, 0 to 1, of each language that is possible for a text, the best one first. */
export function eldScores(text: string): Record<string, number> {
  const ngrams = ngramsOf(wordsOf(text.slice(0, MOST_CHARS)));
  addPoints(ngrams);
  const scores: [string, number][] = [];
  for (let language = 0; language < sums.length; language++) {
    if (sums[language] === 0) continue;
    const mean = sums[language]! / ngrams.size;
    scores.push([tables.languages[language]!, mean / (mean + SCALE)]);
  }
  return Object.fromEntries(scores.sort(([, a], [, b]) => b - a));
}

function addPoints(ngrams: ReadonlySet<string>): void {
  const { points } = tables;
  sums.fill(0);
  for (const ngram of ngrams) {
    const start = tables.ngrams.get(ngram);
    if (start === undefined) continue;
    const end = start + 1 + 2 * points[start]!;
    for (let i = start + 1; i < end; i += 2) sums[points[i]!]! += points[i + 1]!;
  }
}

/** The words of the beginning of a text, with a character per byte of UTF-8. */
function wordsOf(given: string): string[] {
  const { dictionary, separators } = tables;
  const text = given.replace(separators, ' ').trim().toLowerCase();
  const words: string[] = [];
  let word = '';
  let bytes = 0;
  for (let i = 0; i < text.length && bytes <= LAST_BYTES; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 32) {
      if (word !== '') words.push(word);
      word = '';
      if (bytes > CUT_BYTES) break;
      bytes += 1;
    } else if (unit < 0x80) {
      word += text[i];
      bytes += 1;
    } else if (unit < 0x800) {
      word += dictionary[0xc0 | (unit >> 6)]! + dictionary[0x80 | (unit & 0x3f)]!;
      bytes += 2;
    } else if (unit < 0xd800 || unit >= 0xe000) {
      word += dictionary[0xe0 | (unit >> 12)]! + tail(dictionary, unit, 2);
      bytes += 3;
    } else {
      i += 1;
      const point = 0x10000 + (((unit & 0x3ff) << 10) | (text.charCodeAt(i) & 0x3ff));
      word += dictionary[0xf0 | (point >> 18)]! + tail(dictionary, point, 3);
      bytes += 4;
    }
  }
  if (word !== '') words.push(word);
  return words;
}

/** The last bytes of a character. */
function tail(dictionary: readonly string[], point: number, count: number): string {
  let bytes = '';
  for (let shift = 6 * (count - 1); shift >= 0; shift -= 6)
    bytes += dictionary[0x80 | ((point >> shift) & 0x3f)]!;
  return bytes;
}

/** Pieces of four bytes at every third, and the last four bytes. Spaces mark the ends of a word. */
function ngramsOf(words: readonly string[]): Set<string> {
  const ngrams = new Set<string>();
  for (const word of words) {
    const length = Math.min(word.length, MOST_WORD);
    let at = 0;
    for (; at + 4 < length; at += 3) ngrams.add((at === 0 ? ' ' : '') + word.substring(at, at + 4));
    ngrams.add(`${at === 0 ? ' ' : ''}${word.substring(length !== 3 ? length - 4 : 0)} `);
  }
  return ngrams;
}
