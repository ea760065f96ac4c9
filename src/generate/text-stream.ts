/**
 * Turns the tokens of one request into text while they are drawn. It never splits a character, and
 * ends before a stop string or stop token. It knows neither the model nor the batch, so a server
 * can keep one per request: push() each token of the request, pass the piece on, and cancel the
 * request once `stopped` is set.
 */
import type { StreamDecoder } from '../text/stream-decoder.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Where the text ends, and what it leaves out. */
export interface TextStreamOptions {
  /** Ids that end the text; not part of it. */
  stopTokens?: readonly number[];
  /** Strings that end the text; not part of it. */
  stopStrings?: readonly string[];
  /** Leave special tokens out of the text. Default false. */
  skipSpecial?: boolean;
  /** Special tokens that stay in the text with `skipSpecial`. Default: none. */
  keepSpecial?: readonly string[];
}

/** The text of one request, token by token. */
export class TextStream {
  /** All pieces so far. */
  text = '';
  /** Whether a stop token or stop string has ended the text. Later tokens have no effect. */
  stopped = false;
  /** Text that may turn out to be the beginning of a stop string. */
  #held = '';
  readonly #decoder: StreamDecoder;
  readonly #stopTokens: readonly number[];
  readonly #stopStrings: readonly string[];

  constructor(tokenizer: Tokenizer, options: TextStreamOptions = {}) {
    const { stopTokens = [], stopStrings = [], skipSpecial = false, keepSpecial } = options;
    this.#decoder = tokenizer.stream({ skipSpecial, keepSpecial });
    this.#stopTokens = stopTokens;
    this.#stopStrings = stopStrings.filter((stop) => stop !== '');
  }

  /**
   * The piece of text that this token completes, often empty. Throws ERR_ARGUMENT for
   * a number that is no id.
   */
  push(token: number): string {
    if (this.stopped) return '';
    if (!this.#stopTokens.includes(token)) return this.#release(this.#decoder.push(token), false);
    const piece = this.end();
    this.stopped = true;
    return piece;
  }

  /** The last piece of text, after the last token. */
  end(): string {
    return this.stopped ? '' : this.#release(this.#decoder.end(), true);
  }

  #release(piece: string, isLast: boolean): string {
    if (this.#stopStrings.length === 0) {
      this.text += piece;
      return piece;
    }
    const pending = this.#held + piece;
    const stops = this.#stopStrings.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0);
    this.stopped = stops.length > 0;
    const heldBack = isLast || this.stopped ? 0 : this.#partialStop(pending);
    const end = this.stopped ? Math.min(...stops) : pending.length - heldBack;
    const ready = pending.slice(0, end);
    this.#held = this.stopped ? '' : pending.slice(end);
    this.text += ready;
    return ready;
  }

  /** Length of the longest suffix that begins a stop string. */
  #partialStop(text: string): number {
    let longest = 0;
    for (const stop of this.#stopStrings) {
      for (let n = Math.min(stop.length - 1, text.length); n > longest; --n) {
        if (text.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
