/**
 * Keeps control tokens apart from text that merely spells them: the template writes control tokens,
 * messages cannot. Before rendering, each message is guarded. A character that occurs in no message
 * is inserted wherever a control token would begin in the message, and at an end of the message
 * where it could complete one together with text of the template. After rendering, only spellings
 * without a guard inside are control tokens, and the guards are removed.
 */
import { concatInts } from '../base/concat.ts';
import { AthanorError } from '../base/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Guards are two of these characters for private use, chosen so that no message contains them. */
const FIRST_GUARD = 0xe000;
const GUARDS = 256;

/** Two characters that occur in no message. */
export interface Guards {
  /** Stands after the first character of a spelled control token. */
  inside: string;
  /** Stands at an end of a message that could be a part of a control token. */
  edge: string;
}

/** The control tokens of one tokenizer. */
export class ControlTokens {
  readonly #tokenizer: Tokenizer;
  /**
   * The spellings as alternatives of a regular expression, longest first; undefined where
   * there are none.
   */
  readonly #spellings: string | undefined;
  readonly #longest: number;
  /** Proper beginnings and proper ends of the spellings. */
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

  /**
   * Chooses guards that occur in none of the texts. Throws ERR_ARGUMENT for texts that contain
   * nearly all characters that could be guards.
   */
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

  /** Inserts the guards into a message. */
  guard(text: string, { inside, edge }: Guards): string {
    // Half of a surrogate pair has no UTF-8. The tokenizer would replace it too.
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

  /** The ids of a rendered text, without its guards. */
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

  /** The control tokens that the template wrote into a rendered text. */
  find(text: string, { inside }: Guards): Iterable<RegExpExecArray> {
    if (this.#spellings === undefined) return [];
    return text.matchAll(new RegExp(`(?:${this.#spellings})(?!${inside})`, 'gu'));
  }
}

/** Removes the guards from a text. */
export function withoutGuards(text: string, { inside, edge }: Guards): string {
  return text.replaceAll(inside, '').replaceAll(edge, '');
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
