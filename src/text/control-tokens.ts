/**
 * Control tokens that a template writes and that people cannot. Before rendering, what people say is guarded: wherever a
 * control token would begin in it, or could arise where it meets the template's own text, a character that nobody used
 * stands in between. After rendering, only unbroken spellings are control tokens, and the guards are taken out again.
 */
import { concatInts } from '../base/concat.ts';
import { AthanorError } from '../base/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Characters for private use: guards are two of those that are in no message. */
const FIRST_GUARD = 0xe000;
const GUARDS = 256;

/** Two characters that stand in no message. */
export interface Guards {
  /** After the first character of a spelled control token. */
  inside: string;
  /** At an end of a text that could be a part of one. */
  edge: string;
}

export class ControlTokens {
  readonly #tokenizer: Tokenizer;
  /** Spellings, longest first; undefined where there is none. */
  readonly #spellings: string | undefined;
  readonly #longest: number;
  /** Beginnings and ends of spellings that are not the whole. */
  readonly #beginnings = new Set<string>();
  readonly #ends = new Set<string>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    const names = [...tokenizer.specialTokens.keys()].sort((a, b) => b.length - a.length);
    this.#longest = names[0]?.length ?? 0;
    for (const name of names) {
      for (let i = 1; i < name.length; ++i) {
        this.#beginnings.add(name.slice(0, i));
        this.#ends.add(name.slice(i));
      }
    }
    this.#spellings = names.length > 0 ? names.map(escapeForRegExp).join('|') : undefined;
  }

  /** Throws ERR_ARGUMENT for texts that hold nearly every character that a guard could be. */
  guardsFor(texts: readonly string[]): Guards {
    const free: string[] = [];
    for (let i = 0; i < GUARDS && free.length < 2; ++i) {
      const candidate = String.fromCodePoint(FIRST_GUARD + i);
      if (!texts.some((text) => text.includes(candidate))) free.push(candidate);
    }
    const [inside, edge] = free;
    if (inside === undefined || edge === undefined) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the messages hold ${GUARDS - 1} or more different characters for private use`,
        'remove characters from U+E000 to U+E0FF',
      );
    }
    return { inside, edge };
  }

  guard(text: string, { inside, edge }: Guards): string {
    // Halves of surrogate pairs have no UTF-8: what the tokenizer would make of them, they become at once.
    const valid = text.replace(/\p{Surrogate}/gu, '\ufffd');
    if (this.#spellings === undefined) return valid;
    const broken = valid.replace(new RegExp(`(?=${this.#spellings})[^]`, 'gu'), `$&${inside}`);
    const before = this.#meets(this.#ends, (length) => valid.slice(0, length)) ? edge : '';
    const after = this.#meets(this.#beginnings, (length) => valid.slice(-length)) ? edge : '';
    return before + broken + after;
  }

  /** Some control token is spelled in the text. */
  isSpelledIn(text: string): boolean {
    return this.#spellings !== undefined && new RegExp(this.#spellings, 'u').test(text);
  }

  #meets(parts: ReadonlySet<string>, cut: (length: number) => string): boolean {
    for (let length = 1; length < this.#longest; ++length) if (parts.has(cut(length))) return true;
    return false;
  }

  /** Ids of a rendered text and its text without guards. */
  encode(text: string, guards: Guards): Int32Array {
    const pieces: ArrayLike<number>[] = [];
    const ordinary = (from: number, to: number) => {
      const said = withoutGuards(text.slice(from, to), guards);
      if (said !== '') pieces.push(this.#tokenizer.encode(said));
    };
    let at = 0;
    for (const match of this.find(text, guards)) {
      ordinary(at, match.index);
      pieces.push([this.#tokenizer.specialTokens.get(match[0])!]);
      at = match.index + match[0].length;
    }
    ordinary(at, text.length);
    return concatInts(pieces);
  }

  /** The control tokens that a template wrote. */
  find(text: string, { inside }: Guards): Iterable<RegExpExecArray> {
    if (this.#spellings === undefined) return [];
    return text.matchAll(new RegExp(`(?:${this.#spellings})(?!${inside})`, 'gu'));
  }
}

export function withoutGuards(text: string, { inside, edge }: Guards): string {
  return text.replaceAll(inside, '').replaceAll(edge, '');
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
