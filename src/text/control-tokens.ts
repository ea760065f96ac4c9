/**
 * Keeps control tokens apart from text that merely spells them: the template writes control tokens,
 * messages cannot. All that the template writes itself is marked: each character other than
 * letters, digits and spaces that occurs in a control token is exchanged for one that stands for
 * it. A spelling is a control token where all such characters are marked. So a template may put a
 * role of a message between its own `<|` and `|>`, and a message that says `<|end|>` says just
 * that.
 */
import { AthanorError } from '../base/errors.ts';
import { quoted } from '../base/json.ts';
import type { Marks } from './jinja/marks.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Marks are halves of surrogate pairs, which are in no text that is UTF-8. */
const FIRST_MARK = 0xdc00;
const LAST_MARK = 0xdfff;

/** Letters, digits and spaces: a message may contribute them to a control token. */
const word = /^[\p{L}\p{M}\p{N}_\s]$/u;

/** A regular expression of names that are much longer would exceed the limits of V8. */
const LONGEST_NAME = 1024;

/** The control tokens of one tokenizer, and the marks of its templates. */
export class ControlTokens implements Marks {
  readonly characters: string;
  readonly #tokenizer: Tokenizer;
  /** The mark of each unit of text that has one. */
  readonly #marks = new Map<string, string>();
  readonly #units = new Map<string, string>();
  /** Control tokens as the template writes them; undefined where there are none. */
  readonly #written: string | undefined;
  /** What is marked in text of the template. */
  readonly #marked: RegExp | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    const names = [...tokenizer.specialTokens.keys()].sort((a, b) => b.length - a.length);
    checkLength(names[0] ?? '');
    for (const name of names) {
      Array.from(name).forEach((character, i, all) => {
        const isEnd = i === 0 || i === all.length - 1;
        if (isEnd || !word.test(character)) this.#addMark(character);
      });
    }
    this.characters = [...this.#units.keys()].join('');
    if (names.length === 0) return;
    this.#written = names.map((name) => this.#writtenForm(name)).join('|');
    // Characters that are not words are marked everywhere, words at an end only in whole spellings.
    const whole = names.filter((name) => {
      const all = Array.from(name);
      return word.test(all[0]!) || word.test(all.at(-1)!);
    });
    const single = Array.from(new Set(names.join(''))).filter((character) => !word.test(character));
    this.#marked = new RegExp([...whole, ...single].map(escapeForRegExp).join('|'), 'gu');
  }

  #addMark(character: string): void {
    for (const unit of character.split('')) {
      const mark = String.fromCharCode(FIRST_MARK + this.#marks.size);
      if (this.#marks.has(unit) || mark.charCodeAt(0) > LAST_MARK) continue;
      this.#marks.set(unit, mark);
      this.#units.set(mark, unit);
    }
  }

  #markOf(character: string): string {
    return character
      .split('')
      .map((unit) => this.#marks.get(unit) ?? unit)
      .join('');
  }

  /** A regular expression of a control token in which all that must be marked is. */
  #writtenForm(name: string): string {
    return Array.from(name)
      .map((character, i, all) => {
        const isEnd = i === 0 || i === all.length - 1;
        const marked = this.#markOf(character);
        if (isEnd || !word.test(character)) return escapeForRegExp(marked);
        const plain = escapeForRegExp(character);
        return marked === character ? plain : `(?:${plain}|${marked})`;
      })
      .join('');
  }

  mark(text: string): string {
    if (this.#marked === undefined) return text;
    return text.replace(this.#marked, (found) =>
      Array.from(found)
        .map((character, i, all) => {
          const isEnd = i === 0 || i === all.length - 1;
          return isEnd || !word.test(character) ? this.#markOf(character) : character;
        })
        .join(''),
    );
  }

  plain(text: string): string {
    if (!/\p{Surrogate}/u.test(text)) return text;
    return text.replace(/\p{Surrogate}/gu, (mark) => this.#units.get(mark) ?? mark);
  }

  whole(text: string): string {
    const plain = this.plain(text);
    if (plain === text) return text;
    const parts: string[] = [];
    let end = 0;
    for (const { index, length } of this.find(text)) {
      parts.push(plain.slice(end, index), text.slice(index, index + length));
      end = index + length;
    }
    return parts.join('') + plain.slice(end);
  }

  /** The ids of a rendered text. */
  encode(text: string): Int32Array {
    const places: number[] = [];
    let at = 0;
    let bytes = 0;
    for (const { token, index, length } of this.find(text)) {
      const begin = bytes + Buffer.byteLength(this.plain(text.slice(at, index)));
      at = index + length;
      bytes = begin + Buffer.byteLength(token);
      places.push(begin, bytes, this.#tokenizer.specialTokens.get(token)!);
    }
    return this.#tokenizer.encodeMarked(this.plain(text), Int32Array.from(places));
  }

  /** The control tokens that the template wrote into a rendered text, with their places. */
  *find(text: string): Generator<{ token: string; index: number; length: number }> {
    if (this.#written === undefined) return;
    for (const { 0: found, index } of text.matchAll(new RegExp(this.#written, 'gu'))) {
      yield { token: this.plain(found), index, length: found.length };
    }
  }
}

function checkLength(longest: string): void {
  if (longest.length <= LONGEST_NAME) return;
  throw new AthanorError(
    'ERR_FORMAT',
    `the special token ${quoted(longest)} has ${longest.length} characters; chat templates know at most ${LONGEST_NAME}`,
    'use a tokenizer with shorter special tokens',
  );
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
