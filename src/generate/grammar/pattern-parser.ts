/**
 * Reads regular expressions. The syntax is that of ECMAScript with the flag u; what no automaton
 * can do, or not in bounded size, is refused by name.
 */
import { AthanorError } from '../../base/errors.ts';
import { quoted } from '../../base/json.ts';

/** Code points, as ranges that ascend and do not touch. */
export type Characters = readonly (readonly [first: number, last: number])[];

export type Expression =
  | { kind: 'characters'; set: Characters }
  | { kind: 'sequence'; items: readonly Expression[] }
  | { kind: 'choice'; items: readonly Expression[] }
  | { kind: 'repeat'; item: Expression; least: number; most: number };

const LAST = 0x10ffff;
/** Everything but halves of surrogate pairs. */
const EVERY: Characters = [
  [0, 0xd7ff],
  [0xe000, LAST],
];
const DIGIT: Characters = [[0x30, 0x39]];
const WORD: Characters = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACE: Characters = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: Characters = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

const MAX_LENGTH = 1024;
const MAX_REPEAT = 1024;

export function union(sets: readonly Characters[]): Characters {
  const ranges = sets.flat().sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

function complement(set: Characters): Characters {
  const out: [number, number][] = [];
  let next = 0;
  for (const [first, last] of union([set, [[0xd800, 0xdfff]]])) {
    if (first > next) out.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) out.push([next, LAST]);
  return out;
}

/** Reads a pattern. */
export class PatternParser {
  readonly #pattern: string;
  readonly #text: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#text = [...pattern];
    if (this.#text.length > MAX_LENGTH) this.#fail(`has over ${MAX_LENGTH} characters`);
  }

  /** The strings that the pattern is found in. */
  parse(): Expression {
    const found = this.#choice(true);
    if (this.#at < this.#text.length) this.#fail(`has ${quoted(this.#peek)} without its beginning`);
    return found;
  }

  get #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #fail(problem: string): never {
    throw new AthanorError('ERR_ARGUMENT', `the pattern ${quoted(this.#pattern)} ${problem}`);
  }

  #take(text: string): boolean {
    if (this.#text.slice(this.#at, this.#at + text.length).join('') !== text) return false;
    this.#at += text.length;
    return true;
  }

  #choice(isOutermost: boolean): Expression {
    const items = [this.#sequence(isOutermost)];
    while (this.#take('|')) items.push(this.#sequence(isOutermost));
    return items.length === 1 ? items[0]! : { kind: 'choice', items };
  }

  /** An alternative. The outermost ones are found anywhere, unless ^ and $ say otherwise. */
  #sequence(isOutermost: boolean): Expression {
    const anything: Expression = {
      kind: 'repeat',
      item: { kind: 'characters', set: EVERY },
      least: 0,
      most: Number.POSITIVE_INFINITY,
    };
    const items: Expression[] = [];
    if (isOutermost && !this.#take('^')) items.push(anything);
    let isEnded = false;
    while (this.#peek !== undefined && this.#peek !== '|' && this.#peek !== ')') {
      if (isEnded) this.#fail('has $ in another place than the end');
      if (isOutermost && this.#take('$')) isEnded = true;
      else items.push(this.#term());
    }
    if (isOutermost && !isEnded) items.push(anything);
    return { kind: 'sequence', items };
  }

  #term(): Expression {
    const item = this.#atom();
    const quantifier = this.#quantifier();
    if (!quantifier) return item;
    // A lazy quantifier accepts the same strings.
    this.#take('?');
    return { kind: 'repeat', item, ...quantifier };
  }

  #quantifier(): { least: number; most: number } | undefined {
    if (this.#take('*')) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#take('+')) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#take('?')) return { least: 0, most: 1 };
    if (!this.#take('{')) return undefined;
    const least = this.#number();
    let most = least;
    if (this.#take(',')) most = this.#peek === '}' ? Number.POSITIVE_INFINITY : this.#number();
    if (!this.#take('}') || most < least) this.#fail('has a repetition that is not valid');
    if (least > MAX_REPEAT || (most > MAX_REPEAT && most < Number.POSITIVE_INFINITY)) {
      this.#fail(`repeats over ${MAX_REPEAT} times`);
    }
    return { least, most };
  }

  #number(): number {
    let digits = '';
    while (/^[0-9]$/.test(this.#peek ?? '')) digits += this.#text[this.#at++];
    if (digits === '' || digits.length > 9) this.#fail('has a repetition that is not valid');
    return Number(digits);
  }

  #atom(): Expression {
    const character = this.#text[this.#at++]!;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'characters', set: this.#class() };
      case '.':
        return { kind: 'characters', set: complement(LINE_ENDS) };
      case '\\':
        return { kind: 'characters', set: this.#escape(false) };
      case '^':
        return this.#fail('has ^ in another place than the beginning');
      case '$':
        return this.#fail('has $ in another place than the end');
    }
    if ('*+?{}]'.includes(character)) this.#fail(`has ${quoted(character)} without something before it`);
    return { kind: 'characters', set: single(this.#codePoint(character)) };
  }

  #codePoint(character: string): number {
    const point = character.codePointAt(0)!;
    if (point >= 0xd800 && point <= 0xdfff) this.#fail('has half of a surrogate pair');
    return point;
  }

  #group(): Expression {
    if (this.#take('?')) {
      if (this.#take('<')) {
        if (this.#peek === '=' || this.#peek === '!') this.#fail('looks behind, which is not supported');
        const end = this.#text.indexOf('>', this.#at);
        if (end < 0) this.#fail('has a group without an end');
        this.#at = end + 1;
      } else if (this.#peek === '=' || this.#peek === '!') {
        this.#fail('looks ahead, which is not supported');
      } else if (!this.#take(':')) {
        this.#fail('has a group of a kind that is not supported');
      }
    }
    const inner = this.#choice(false);
    if (!this.#take(')')) this.#fail('has a group without an end');
    return inner;
  }

  #class(): Characters {
    const isNegated = this.#take('^');
    const sets: Characters[] = [];
    while (!this.#take(']')) {
      const first = this.#member();
      if (this.#peek === '-' && this.#text[this.#at + 1] !== ']' && this.#text[this.#at + 1] !== undefined) {
        ++this.#at;
        const last = this.#member();
        const [from, to] = [onlyOf(first), onlyOf(last)];
        if (from === undefined || to === undefined || to < from) this.#fail('has a range that is not valid');
        sets.push([[from, to]]);
      } else {
        sets.push(first);
      }
    }
    const set = union(sets);
    return isNegated ? complement(set) : withoutSurrogates(set);
  }

  #member(): Characters {
    const character = this.#text[this.#at++];
    if (character === undefined) return this.#fail('has a class without an end');
    return character === '\\' ? this.#escape(true) : single(this.#codePoint(character));
  }

  #escape(isInClass: boolean): Characters {
    const character = this.#text[this.#at++];
    if (character === undefined) return this.#fail('ends in a backslash');
    switch (character) {
      case 'd':
        return DIGIT;
      case 'D':
        return complement(DIGIT);
      case 'w':
        return WORD;
      case 'W':
        return complement(WORD);
      case 's':
        return SPACE;
      case 'S':
        return complement(SPACE);
      case 'x':
        return single(this.#hex(2));
      case 'u':
        return single(this.#unicode());
    }
    if (character === '0' && !/^[0-9]$/.test(this.#peek ?? '')) return single(0);
    if (/^[0-9k]$/.test(character)) this.#fail('refers to a group, which is not supported');
    if (character === 'b' && isInClass) return single(8);
    if (/^[bB]$/.test(character)) this.#fail('looks for the ends of words, which is not supported');
    if (/^[pP]$/.test(character)) this.#fail('has a class \\p, which is not supported');
    if (character === 'c' && /^[A-Za-z]$/.test(this.#peek ?? '')) {
      return single(this.#text[this.#at++]!.charCodeAt(0) % 32);
    }
    if (Object.hasOwn(CONTROLS, character)) return single(CONTROLS[character]!);
    if ('^$\\.*+?()[]{}|/'.includes(character) || (isInClass && character === '-')) {
      return single(character.charCodeAt(0));
    }
    return this.#fail(`has the escape ${quoted(`\\${character}`)}, which is not valid`);
  }

  #hex(digits: number): number {
    const text = this.#text.slice(this.#at, this.#at + digits).join('');
    if (!/^[0-9a-fA-F]+$/.test(text) || text.length !== digits) this.#fail('has an escape that is not valid');
    this.#at += digits;
    return Number.parseInt(text, 16);
  }

  #unicode(): number {
    let point: number;
    if (this.#take('{')) {
      const end = this.#text.indexOf('}', this.#at);
      if (end < 0 || end - this.#at > 6) this.#fail('has an escape that is not valid');
      point = this.#hex(end - this.#at);
      ++this.#at;
    } else {
      point = this.#hex(4);
      if (point >= 0xd800 && point <= 0xdbff && this.#take('\\u')) {
        point = 0x10000 + (point - 0xd800) * 0x400 + (this.#hex(4) - 0xdc00);
      }
    }
    if (point > LAST || (point >= 0xd800 && point <= 0xdfff)) this.#fail('has an escape that is not valid');
    return point;
  }
}

function single(point: number): Characters {
  return [[point, point]];
}

function onlyOf(set: Characters): number | undefined {
  const [range] = set;
  return set.length === 1 && range![0] === range![1] ? range![0] : undefined;
}

function withoutSurrogates(set: Characters): Characters {
  return complement(complement(set));
}
