/** The tokens of a vocabulary whose bytes are ASCII: each is a whole text, wherever it stands. */
import { TokenKind, tokenBytes, type Vocabulary } from './vocabulary.ts';

/** Their texts are made when they are first wanted. Most tokens of a text are among them. */
export class AsciiTokens {
  readonly #vocabulary: Vocabulary;
  /** By id: the text; `''` for an id that is no such token. */
  readonly #texts: (string | undefined)[] = [];

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** The text of a token that is ASCII and not special; else undefined. */
  textOf(id: number): string | undefined {
    this.#texts[id] ??= this.#make(id);
    return this.#texts[id] || undefined;
  }

  #make(id: number): string {
    const bytes = tokenBytes(this.#vocabulary, id);
    const isSpecial = this.#vocabulary.kinds[id] === TokenKind.special;
    if (!bytes || isSpecial || bytes.some((byte) => byte >= 0x80)) return '';
    return Buffer.from(bytes).toString('latin1');
  }
}
