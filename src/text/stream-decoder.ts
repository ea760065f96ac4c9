import { AthanorError } from '../base/errors.ts';
import { TokenKind, tokenBytes, type Vocabulary } from './vocabulary.ts';

/**
 * Text from ids as they come. A character whose bytes are spread over tokens comes out with its last one; bytes that are
 * not UTF-8 become U+FFFD as TextDecoder makes them.
 */
export class StreamDecoder {
  readonly #vocabulary: Vocabulary;
  readonly #skipSpecial: boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(vocabulary: Vocabulary, skipSpecial = false) {
    this.#vocabulary = vocabulary;
    this.#skipSpecial = skipSpecial;
  }

  /** The text that this id completes, often empty. Throws ERR_ARGUMENT for an id that is no token. */
  push(id: number): string {
    const bytes = tokenBytes(this.#vocabulary, id);
    if (!bytes) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the id ${id} is not a token of this vocabulary of ${this.#vocabulary.kinds.length}`,
      );
    }
    if (this.#skipSpecial && this.#vocabulary.kinds[id] === TokenKind.special) return '';
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What is left: U+FFFD where the last character is incomplete, else nothing. The decoder may be used again. */
  end(): string {
    return this.#decoder.decode();
  }
}
