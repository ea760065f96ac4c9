/**
 * Decides whether an answer names the right thing. It compares whole words; case, accents and
 * punctuation do not matter.
 */

/** Lower case, no accents, one space between words: "São Tomé!" becomes "sao tome". */
export function normalizeAnswer(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Whether the words of the answer occur in the text, in order and next to each other. */
export function namesAnswer(response: string, answer: string): boolean {
  return names(wordsOf(response), wordsOf(answer));
}

/**
 * Whether a response names the right answer and no other possible value. A response that says more
 * than the answer must also name the subject of the question: "The capital of Norway is Paris"
 * answers no question about France.
 *
 * @param values possible answers; one that is part of the right answer ("Guinea" of "Equatorial
 *   Guinea") or of the subject does not count as another
 * @param about subject of the question
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
 * The rule of `isCorrect` for many answers: it splits the values into words once, not per answer.
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

/** A normalized text with a space at each end, so that whole words can be found in it. */
type Words = string;

function wordsOf(text: string): Words {
  return ` ${normalizeAnswer(text)} `;
}

function names(text: Words, sought: Words): boolean {
  return text.includes(sought);
}

function timesNamed(text: Words, sought: Words): number {
  // Words are separated by two spaces, so that neighbours do not share one.
  const doubled = (words: Words) => ` ${words.trim().replaceAll(' ', '  ')} `;
  return doubled(text).split(doubled(sought)).length - 1;
}
