/** Texts by Python's measure: characters are code points, and white space is Unicode's. */

/** White space as a part of a character class. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const leading = new RegExp(`^[${SPACE}]+`);
const blank = new RegExp(`^[${SPACE}]+$`);
const space = new RegExp(`[${SPACE}]`);
const pairs = /[\ud800-\udbff][\udc00-\udfff]/;
const allPairs = /[\ud800-\udbff][\udc00-\udfff]/g;

/** Characters beyond U+FFFF take two units of a string. */
function hasPairs(text: string): boolean {
  return pairs.test(text);
}

export function length(text: string): number {
  return hasPairs(text) ? text.length - text.match(allPairs)!.length : text.length;
}

export function characters(text: string): string[] {
  return hasPairs(text) ? Array.from(text) : text.split('');
}

/** The characters from one index to another, both within the text. */
export function substring(text: string, start: number, stop: number): string {
  if (!hasPairs(text)) return text.slice(start, Math.max(start, stop));
  return Array.from(text).slice(start, Math.max(start, stop)).join('');
}

/** Negative before, 0 equal, positive behind, by code points. */
export function compare(left: string, right: string): number {
  const limit = Math.min(left.length, right.length);
  let i = 0;
  while (i < limit && left.charCodeAt(i) === right.charCodeAt(i)) ++i;
  if (i === limit) return left.length - right.length;
  const [a, b] = [left.charCodeAt(i), right.charCodeAt(i)];
  // Halves of pairs are characters beyond all others.
  const rank = (unit: number) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  return rank(a) - rank(b);
}

/** Without the characters of a set, or white space, at its ends. */
export function strip(text: string, chars: string | undefined, where: 'both' | 'left' | 'right'): string {
  if (chars === undefined) {
    let kept = text;
    if (where !== 'right') kept = kept.replace(leading, '');
    if (where !== 'left') kept = stripRight(kept);
    return kept;
  }
  const set = new Set(characters(chars));
  const all = characters(text);
  let [start, stop] = [0, all.length];
  if (where !== 'right') while (start < stop && set.has(all[start]!)) ++start;
  if (where !== 'left') while (stop > start && set.has(all[stop - 1]!)) --stop;
  return all.slice(start, stop).join('');
}

/** A regular expression would try every run of white space in the text. */
export function stripRight(text: string): string {
  let stop = text.length;
  while (stop > 0 && isSpaceAt(text, stop - 1)) --stop;
  return text.slice(0, stop);
}

export function isSpace(text: string): boolean {
  return blank.test(text);
}

function isSpaceAt(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  // Most characters are decided without the regular expression.
  if (unit > 0x20 && unit < 0x85) return false;
  return space.test(text[index]!);
}

/** split() without a separator; a negative limit of cuts is none. */
export function words(text: string, limit: number): string[] {
  const found: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpaceAt(text, at)) ++at;
    if (at === text.length) return found;
    if (limit >= 0 && found.length >= limit) return [...found, text.slice(at)];
    const start = at;
    while (at < text.length && !isSpaceAt(text, at)) ++at;
    found.push(text.slice(start, at));
  }
}

/** rsplit() without a separator. */
export function wordsFromRight(text: string, limit: number): string[] {
  const found: string[] = [];
  let at = text.length;
  for (;;) {
    while (at > 0 && isSpaceAt(text, at - 1)) --at;
    if (at === 0) return found.reverse();
    if (limit >= 0 && found.length >= limit) return [text.slice(0, at), ...found.reverse()];
    const stop = at;
    while (at > 0 && !isSpaceAt(text, at - 1)) --at;
    found.push(text.slice(at, stop));
  }
}

/** split(separator) and rsplit(separator) with a limit of cuts; a negative one is none. */
export function cut(text: string, separator: string, limit: number, fromRight = false): string[] {
  const parts = text.split(separator);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  if (!fromRight) return [...parts.slice(0, limit), parts.slice(limit).join(separator)];
  const kept = parts.length - limit;
  return [parts.slice(0, kept).join(separator), ...parts.slice(kept)];
}

export function replace(text: string, old: string, by: string, limit: number): string {
  if (limit < 0 && old !== '') return text.replaceAll(old, () => by);
  if (old !== '') return cut(text, old, limit).join(by);
  const all = ['', ...characters(text)];
  const last = limit < 0 ? all.length : Math.min(limit, all.length);
  return all.map((character, i) => (i < last ? `${character}${by}` : character)).join('');
}

const SEPARATORS = '\x1c-\x1e\x85\u2028\u2029';
const lineEnd = new RegExp(`\r\n|[\n\r\v\f${SEPARATORS}]`, 'g');

export function lines(text: string, keepEnds = false): string[] {
  const found: string[] = [];
  let at = 0;
  for (const { 0: end, index } of text.matchAll(lineEnd)) {
    found.push(text.slice(at, keepEnds ? index + end.length : index));
    at = index + end.length;
  }
  if (at < text.length) found.push(text.slice(at));
  return found;
}
