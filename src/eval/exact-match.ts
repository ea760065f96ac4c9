/**
 * Whether an answer names the right thing: words are compared, not characters, case, accents or
 * punctuation.
 */

/** Lower case, without accents, words apart by one space: "São Tomé!" is "sao tome". */
export function normalizeAnswer(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Whether these words stand in the text in this order, next to each other. */
export function namesAnswer(response: string, answer: string): boolean {
  return names(wordsOf(response), wordsOf(answer));
}

/**
 * Right is a response that names the answer and none of the other `values` it could have given. One
 * that says more than the answer must name `about`, what was asked about: "The capital of Norway is
 * Paris" answers no question about France. A value that is part of the right one ("Guinea" of
 * "Equatorial Guinea") or of `about` is no other answer.
 */
export function isCorrect(
  response: string,
  answer: string,
  values: readonly string[] = [],
  about = '',
): boolean {
  return new AnswerRule(values).isCorrect(response, answer, about);
}

/**
 * The rule of `isCorrect` for many answers: it makes the words of its values once, and not for
 * every answer again.
 */
export class AnswerRule {
  readonly #values: readonly Words[];

  constructor(values: readonly string[]) {
    this.#values = values.map(wordsOf);
  }

  isCorrect(response: string, answer: string, about = ''): boolean {
    const [said, right, topic] = [wordsOf(response), wordsOf(answer), wordsOf(about)];
    if (said === right) return true;
    if (about !== '' && !names(said, topic)) return false;
    // "The capital of Singapore is …" names Singapore before it has answered.
    if (timesNamed(said, right) < (names(topic, right) ? 2 : 1)) return false;
    return !this.#values.some((value) => names(said, value) && !names(right, value) && !names(topic, value));
  }
}

/** A normalized text between two spaces, so that whole words are found in it. */
type Words = string;

function wordsOf(text: string): Words {
  return ` ${normalizeAnswer(text)} `;
}

function names(text: Words, sought: Words): boolean {
  return text.includes(sought);
}

function timesNamed(text: Words, sought: Words): number {
  // Words are apart by two spaces, so that neighbours do not share one.
  const doubled = (words: Words) => ` ${words.trim().replaceAll(' ', '  ')} `;
  return doubled(text).split(doubled(sought)).length - 1;
}
