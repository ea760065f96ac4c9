/**
 * Words and phrases that a text must not have. The text is read once, whatever the length of the
 * list (Aho and Corasick 1975).
 */
import { AthanorError } from '../../base/errors.ts';
import { readText } from '../../base/files/read-file.ts';
import { type RuleSettings, type TextFilter, withSettings } from './filter.ts';

export const WORD_LIST_VERSION = '1';

/** Cells of the table: 4 bytes each. */
const MOST_CELLS = 1 << 27;
const WORD_CHARACTER = /[\p{L}\p{N}_]/u;

/**
 * The filter `word-list`. `file` has one word or phrase per line; case has no meaning. With
 * `whole-words` a word counts where no letter, digit or underscore stands beside it, as in C4's
 * list; switch it off for scripts without blanks. Throws ERR_OPTION without a file or without a
 * word in it, and the errors of reading.
 */
export function wordListFilter(settings: RuleSettings): TextFilter {
  const rules = withSettings('word-list', { file: '', 'max-hits': 0, 'whole-words': true }, settings);
  const file = String(rules.file);
  if (file === '')
    throw new AthanorError('ERR_OPTION', 'the filter word-list needs a file', 'write word-list:file=FILE');
  const words = readText(file)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (words.length === 0) throw new AthanorError('ERR_OPTION', `${file} has no words`, 'write one per line');
  const list = new WordList(words, rules['whole-words'] === true);
  const threshold = Number(rules['max-hits']);
  return {
    name: 'word-list',
    version: WORD_LIST_VERSION,
    rules,
    apply({ text }, note) {
      const { hits, first } = list.find(text);
      note?.('max-hits', threshold, hits, hits <= threshold);
      if (first === undefined || hits <= threshold) return text;
      return { rule: 'max-hits', value: hits, threshold, found: first };
    },
  };
}

/** An automaton that finds every word of a list. */
export class WordList {
  readonly #words: readonly string[];
  readonly #whole: boolean;
  /** By UTF-16 unit: its column, or 0 for a unit that no word has. */
  readonly #columns = new Uint16Array(1 << 16);
  readonly #width: number;
  /** By node and column: the next node. */
  readonly #next: Int32Array;
  /** By node: 1 + the number of the longest word that ends there. */
  readonly #word: Int32Array;
  /** By node: the next shorter node that ends a word, 0 for none. */
  readonly #shorter: Int32Array;

  constructor(words: readonly string[], wholeWords: boolean) {
    this.#words = [...new Set(words.map((word) => word.toLowerCase()))];
    this.#whole = wholeWords;
    let width = 1;
    let units = 1;
    for (const word of this.#words) {
      units += word.length;
      for (let i = 0; i < word.length; i++) this.#columns[word.charCodeAt(i)] ||= width++;
    }
    if (units * width > MOST_CELLS) {
      const what = `a word list of ${units} characters, ${width} of them different, is too long`;
      throw new AthanorError('ERR_OPTION', what, 'divide it, and name several filters');
    }
    this.#width = width;
    this.#next = new Int32Array(units * width);
    this.#word = new Int32Array(units);
    this.#shorter = new Int32Array(units);
    this.#build();
  }

  /** The number of words in the text, and the first of them. Words may overlap. */
  find(text: string): { hits: number; first: string | undefined } {
    const lower = text.toLowerCase();
    let node = 0;
    let hits = 0;
    let first: string | undefined;
    for (let i = 0; i < lower.length; i++) {
      node = this.#next[node * this.#width + this.#columns[lower.charCodeAt(i)]!]!;
      let ending = this.#word[node] === 0 ? this.#shorter[node]! : node;
      for (; ending !== 0; ending = this.#shorter[ending]!) {
        const word = this.#words[this.#word[ending]! - 1]!;
        if (this.#whole && !isWhole(lower, i + 1 - word.length, i + 1)) continue;
        hits++;
        first ??= word;
      }
    }
    return { hits, first };
  }

  #build(): void {
    const width = this.#width;
    let nodes = 1;
    this.#words.forEach((word, number) => {
      let node = 0;
      for (let i = 0; i < word.length; i++) {
        const cell = node * width + this.#columns[word.charCodeAt(i)]!;
        this.#next[cell] ||= nodes++;
        node = this.#next[cell]!;
      }
      this.#word[node] = number + 1;
    });
    this.#addFailures(nodes);
  }

  /** Nodes in order of depth; where a word does not go on, a shorter one may. */
  #addFailures(nodes: number): void {
    const width = this.#width;
    const failure = new Int32Array(nodes);
    const order = new Int32Array(nodes);
    let last = 1;
    for (let done = 0; done < last; done++) {
      const node = order[done]!;
      for (let column = 0; column < width; column++) {
        const child = this.#next[node * width + column]!;
        const other = node === 0 ? 0 : this.#next[failure[node]! * width + column]!;
        if (child === 0) {
          this.#next[node * width + column] = other;
          continue;
        }
        order[last++] = child;
        failure[child] = other;
        this.#shorter[child] = this.#word[other] === 0 ? this.#shorter[other]! : other;
      }
    }
  }
}

function isWhole(text: string, start: number, end: number): boolean {
  return !isWordAt(text, start - 1) && !isWordAt(text, end);
}

/** Whether the code point that has this UTF-16 unit is part of a word. */
function isWordAt(text: string, place: number): boolean {
  if (place < 0 || place >= text.length) return false;
  const low = (text.charCodeAt(place) & 0xfc00) === 0xdc00;
  const high = low && place > 0 && (text.charCodeAt(place - 1) & 0xfc00) === 0xd800;
  return WORD_CHARACTER.test(String.fromCodePoint(text.codePointAt(high ? place - 1 : place)!));
}
