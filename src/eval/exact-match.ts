/**
 * Whether an answer names the right thing. Whole words are compared; case, accents and punctuation
 * do not matter.
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

/** Whether these words stand in the text in this order, next to each other. */
export function namesAnswer(response: string, answer: string): boolean {
  return ` ${normalizeAnswer(response)} `.includes(` ${normalizeAnswer(answer)} `);
}

/**
 * Whether a response names the answer and none of the other values that it could have given. A
 * response that says more than the answer must also name the subject of the question: "The capital
 * of Norway is Paris" answers no question about France.
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
  if (normalizeAnswer(response) === normalizeAnswer(answer)) return true;
  if (about !== '' && !namesAnswer(response, about)) return false;
  // "The capital of Singapore is …" names Singapore before it has answered.
  if (timesNamed(response, answer) < (namesAnswer(about, answer) ? 2 : 1)) return false;
  return !values.some(
    (value) => namesAnswer(response, value) && !namesAnswer(answer, value) && !namesAnswer(about, value),
  );
}

function timesNamed(response: string, answer: string): number {
  // With two spaces between words, two matches side by side do not share a space.
  const doubled = (text: string) => ` ${normalizeAnswer(text).replaceAll(' ', '  ')} `;
  return doubled(response).split(doubled(answer)).length - 1;
}
