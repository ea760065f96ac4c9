/** White space, lines and lengths as Python counts them: the published rules are Python code. */

const ASCII_SPACE = new Uint8Array(128);
for (const code of [9, 10, 11, 12, 13, 28, 29, 30, 31, 32]) ASCII_SPACE[code] = 1;

/** `str.isspace` of one UTF-16 unit. */
export function isSpace(code: number): boolean {
  if (code < 128) return ASCII_SPACE[code] === 1;
  if (code === 0x85 || code === 0xa0) return true;
  if (code < 0x1680) return false;
  return (
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** `str.strip` */
export function strip(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charCodeAt(start))) start++;
  return stripEnd(start === 0 ? text : text.slice(start));
}

/** `str.lstrip` */
export function stripStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charCodeAt(start))) start++;
  return start === 0 ? text : text.slice(start);
}

/** `str.rstrip` */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python divides lines there
const OTHER_LINE_END = /[\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python divides lines there
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

/** `str.splitlines` */
export function splitLines(text: string): string[] {
  const lines = text.split(OTHER_LINE_END.test(text) ? LINE_END : '\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const SURROGATE = /[\ud800-\udbff]/;

/** `len`: the number of code points. */
export function codePoints(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let length = text.length;
  for (let i = 1; i < text.length; i++) {
    const low = (text.charCodeAt(i) & 0xfc00) === 0xdc00;
    if (low && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) length--;
  }
  return length;
}

/** The number of times that `part` stands in the text, without overlaps. */
export function occurrences(text: string, part: string): number {
  let count = 0;
  for (let i = text.indexOf(part); i >= 0; i = text.indexOf(part, i + part.length)) count++;
  return count;
}

/** `str.split` */
export function splitChunks(text: string): string[] {
  const chunks: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const start = i;
    while (i < text.length && !isSpace(text.charCodeAt(i))) i++;
    if (i > start) chunks.push(text.slice(start, i));
  }
  return chunks;
}
