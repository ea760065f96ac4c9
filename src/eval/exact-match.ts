/** Whether an answer names the right thing: words are compared, not characters, case, accents or punctuation. */

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
  return ` ${normalizeAnswer(response)} `.includes(` ${normalizeAnswer(answer)} `);
}

/**
 * Right is a response that names the answer and no other of the values it could have given; one that says more than the
 * answer must name `about`, what was asked about, for "The capital of Norway is Paris" answers no question about France. A
 * value that is part of the right one ("Guinea" of "Equatorial Guinea") or of `about` is no other answer.
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
  // Words are apart by two spaces, so that neighbours do not share one.
  const doubled = (text: string) => ` ${normalizeAnswer(text).replaceAll(' ', '  ')} `;
  return doubled(response).split(doubled(answer)).length - 1;
}
