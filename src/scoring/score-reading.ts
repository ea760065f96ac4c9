/**
 * Where a reward model reads an answer. A model scores the last token of a sequence, so a sequence
 * is cut behind the token to score. The place is that of transformers and TRL, which render a
 * dialogue with the chat template and read its last token that is not padding.
 */
import { concatInts } from '../base/concat.ts';
import type { ScoreReading } from '../nn/scoring-model.ts';
import type { ChatTemplate, EncodedDialogue } from '../text/chat-template.ts';

/** A rendered dialogue up to the token that the model scores, `[n]`. */
export function readDialogue(dialogue: EncodedDialogue, reading: ScoreReading): Int32Array {
  if (reading.token === 'end') return throughAnswer(dialogue);
  return withoutPadding(dialogue.tokens, reading);
}

/** A dialogue up to the token that ends its last answer, `[n]`. */
export function throughAnswer({ tokens, supervised }: EncodedDialogue): Int32Array {
  return tokens.slice(0, supervised.lastIndexOf(1) + 1);
}

/** Reads answers that were drawn as tokens as it would read their messages. */
export class DrawnAnswerReader {
  readonly #stops: ReadonlySet<number>;
  readonly #ending: Int32Array;
  readonly #reading: ScoreReading;

  /**
   * @param template of the reward model
   * @param stops the tokens that end a drawn answer. Default: those of the template
   */
  constructor(template: ChatTemplate, reading: ScoreReading, stops: readonly number[] = template.stopTokens) {
    this.#stops = new Set(stops);
    this.#ending = template.ending;
    this.#reading = reading;
  }

  /**
   * A prompt with a drawn answer, up to the token to score, `[n]`. An answer that was cut at the
   * limit has no end, and its last token is scored.
   */
  read(tokens: Int32Array): Int32Array {
    const isCut = !this.#stops.has(tokens.at(-1)!);
    if (isCut || this.#reading.token === 'end' || this.#ending.length === 0) return tokens;
    return withoutPadding(concatInts([tokens.subarray(0, -1), this.#ending]), this.#reading);
  }
}

/**
 * What to tell the user about a reward model that reads another token than transformers does for
 * the same messages; undefined if it reads the same.
 */
export function readingWarning(
  folder: string,
  reading: ScoreReading,
  { ending }: ChatTemplate,
): string | undefined {
  if (reading.token === 'last' || withoutPadding(ending, reading).length === 1) return undefined;
  return `the reward model in ${folder} reads the token that ends an answer, but transformers reads the last token that the chat template writes, so their scores differ: train it again with athanor reward`;
}

function withoutPadding(tokens: Int32Array, { padTokenId }: ScoreReading): Int32Array {
  let end = tokens.length;
  while (end > 1 && tokens[end - 1] === padTokenId) end -= 1;
  return tokens.subarray(0, end);
}
