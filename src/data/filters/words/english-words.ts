/**
 * English words as spaCy's tokenizer divides them (`spacy.blank("en")` of 3.8), which is what
 * datatrove 0.10 counts. A text is cut at white space, and each chunk is divided by itself. The
 * time is linear in the length of the chunk, which spaCy's is not.
 */
import {
  CURRENCIES,
  DIVIDED_WORDS,
  ICONS,
  LETTERS,
  LOWER,
  PUNCTUATION,
  QUOTES,
  SINGLE_WORDS,
  UNITS,
  UPPER,
} from './english-rules.ts';
import { isUrl } from './url.ts';

const ELLIPSES = ['\\.\\.+', '…'];
const HYPHENS = '-|–|—|--|---|——|~';
const quotes = [...QUOTES];

const prefixes = [
  '§',
  '%',
  '=',
  '—',
  '–',
  '\\+(?![0-9])',
  ...PUNCTUATION,
  ...ELLIPSES,
  ...quotes,
  ...CURRENCIES,
];
const PREFIX = new RegExp(`^(?:${prefixes.join('|')}|[${ICONS}])`, 'u');

const beforeDot = `0-9${LOWER}%²\\-\\+`;
const suffixes = [
  ...PUNCTUATION,
  ...ELLIPSES,
  ...quotes,
  `[${ICONS}]`,
  ...["'s", "'S", '’s', '’S', '—', '–'],
  '(?<=[0-9])\\+',
  '(?<=°[FfCcKk])\\.',
  `(?<=[0-9])(?:${CURRENCIES.join('|')})`,
  `(?<=[0-9])(?:${UNITS.join('|')})`,
  // spaCy puts the alternatives of punctuation into a class of characters, so | counts as one.
  `(?<=[${beforeDot}${PUNCTUATION.join('|')}(?:${QUOTES})])\\.`,
  `(?<=[${UPPER}][${UPPER}])\\.`,
];
const SUFFIX = new RegExp(`(?:${suffixes.join('|')})$`, 'u');

const infixes = [
  ...ELLIPSES,
  `[${ICONS}]`,
  '(?<=[0-9])[+\\-*^](?=[0-9\\-])',
  `(?<=[${LOWER}${QUOTES}])\\.(?=[${UPPER}${QUOTES}])`,
  `(?<=[${LETTERS}]),(?=[${LETTERS}])`,
  `(?<=[${LETTERS}0-9])(?:${HYPHENS})(?=[${LETTERS}])`,
  `(?<=[${LETTERS}0-9])[:<>=/](?=[${LETTERS}])`,
];
const INFIX = new RegExp(infixes.join('|'), 'gu');

/** No prefix or suffix but a row of dots is longer, together with what stands before a suffix. */
const AFFIX_CHARS = 16;
/** Characters that no infix has, nor an address without any other. */
const MAY_BE_DIVIDED = /[^A-Za-z0-9'"’_!?;()[\]{}]/;
const ONLY_LETTERS = /^[A-Za-z]+$/;
const LETTER_END = /[A-Za-z]$/;
const DIGIT_OR_APOSTROPHE = /[0-9'’]/;

const special = new Map<string, readonly string[]>([
  ...SINGLE_WORDS.map((word): [string, string[]] => [word, [word]]),
  ...DIVIDED_WORDS.map((word): [string, string[]] => [word.replaceAll('|', ''), word.split('|')]),
]);
const LONGEST_SPECIAL = Math.max(...[...special.keys()].map((text) => text.length));

/** A special text that the rules divide. Where its parts are neighbours, they become it again. */
interface Rejoined {
  readonly parts: readonly string[];
  readonly text: string;
}

/** By their first part. */
const rejoined = new Map<string, Rejoined[]>();
for (const text of special.keys()) {
  if (prefixLength(text) === 0 && suffixLength(text) === 0 && text.search(INFIX) < 0) continue;
  const parts = divide(text, false);
  rejoined.set(parts[0]!, [...(rejoined.get(parts[0]!) ?? []), { parts, text }]);
}

/** The words of a text without white space. Together they are the text. */
export function englishWords(chunk: string): readonly string[] {
  const whole = specialWords(chunk, 0, chunk.length);
  if (whole) return whole;
  if (ONLY_LETTERS.test(chunk)) return [chunk];
  return rejoin(divide(chunk, true));
}

function specialWords(text: string, start: number, end: number): readonly string[] | undefined {
  return end - start > LONGEST_SPECIAL ? undefined : special.get(text.slice(start, end));
}

function divide(text: string, withSpecial: boolean): readonly string[] {
  let start = 0;
  let end = text.length;
  const words: string[] = [];
  const after: string[] = [];
  const isSpecial = (from: number, to: number) =>
    withSpecial && to > from && specialWords(text, from, to) !== undefined;
  for (let last = -1; start < end && end - start !== last; ) {
    if (isSpecial(start, end)) break;
    last = end - start;
    const prefix = prefixLength(text.slice(start, end));
    if (prefix > 0 && isSpecial(start + prefix, end)) {
      words.push(text.slice(start, start + prefix));
      start += prefix;
      break;
    }
    const suffix = suffixLength(text.slice(start + prefix, end));
    if (suffix > 0 && isSpecial(start, end - suffix)) {
      after.push(text.slice(end - suffix, end));
      end -= suffix;
      break;
    }
    if (prefix > 0) words.push(text.slice(start, start + prefix));
    if (suffix > 0) after.push(text.slice(end - suffix, end));
    start += prefix;
    end -= suffix;
  }
  if (start < end) divideMiddle(text.slice(start, end), withSpecial, words);
  for (let i = after.length - 1; i >= 0; i--) words.push(after[i]!);
  return words;
}

/** Appends the words of a text that has no prefixes and suffixes any more. */
function divideMiddle(text: string, withSpecial: boolean, words: string[]): void {
  const known = withSpecial && specialWords(text, 0, text.length);
  if (known) {
    words.push(...known);
    return;
  }
  if (!MAY_BE_DIVIDED.test(text) || isUrl(text)) {
    words.push(text);
    return;
  }
  let start = 0;
  INFIX.lastIndex = 0;
  for (let match = INFIX.exec(text); match !== null; match = INFIX.exec(text)) {
    if (match.index === 0) continue;
    if (match.index > start) words.push(text.slice(start, match.index));
    words.push(match[0]);
    start = match.index + match[0].length;
  }
  if (start < text.length) words.push(text.slice(start));
}

function prefixLength(text: string): number {
  if (ONLY_LETTERS.test(text.slice(0, 1)) && !text.startsWith('$', 1) && !text.startsWith('US$')) return 0;
  if (text.startsWith('..')) return dotsFrom(text);
  return PREFIX.exec(text.slice(0, AFFIX_CHARS))?.[0].length ?? 0;
}

function dotsFrom(text: string): number {
  let length = 0;
  while (text[length] === '.') length++;
  return length;
}

function suffixLength(text: string): number {
  if (text.endsWith('..')) {
    let start = text.length;
    while (text[start - 1] === '.') start--;
    return text.length - start;
  }
  const tail = text.slice(-AFFIX_CHARS);
  if (LETTER_END.test(tail) && !DIGIT_OR_APOSTROPHE.test(tail)) return 0;
  return SUFFIX.exec(tail)?.[0].length ?? 0;
}

/** Puts special texts together again: the longest first, then the first. */
function rejoin(words: readonly string[]): readonly string[] {
  const found: { start: number; end: number; text: string }[] = [];
  for (let start = 0; start < words.length; start++) {
    for (const { parts, text } of rejoined.get(words[start]!) ?? []) {
      if (!parts.every((part, i) => words[start + i] === part)) continue;
      found.push({ start, end: start + parts.length, text });
    }
  }
  if (found.length === 0) return words;
  found.sort((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start);
  const taken = new Set<number>();
  const replaced = new Map<number, { end: number; text: string }>();
  for (const { start, end, text } of found) {
    if (!taken.has(start) && !taken.has(end - 1)) replaced.set(start, { end, text });
    for (let i = start; i < end; i++) taken.add(i);
  }
  const result: string[] = [];
  for (let i = 0; i < words.length; ) {
    const span = replaced.get(i);
    if (span) result.push(...special.get(span.text)!);
    else result.push(words[i]!);
    i = span?.end ?? i + 1;
  }
  return result;
}
