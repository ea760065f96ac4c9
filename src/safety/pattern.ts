/**
 * Patterns: regular expressions without what needs backtracking, so that the time of a search grows
 * with the text alone. A pattern is compiled for folded text: it ignores case, and letters with
 * accents are compared as letters and marks.
 */
import { type FoldingOptions, foldedPoints, isBorder } from './folding.ts';
import type { OnMatch, StreamMatcher } from './matcher.ts';

type Instruction =
  | { kind: 'point'; point: number }
  | { kind: 'class'; test(point: number): boolean }
  | { kind: 'split'; to: number[] }
  | { kind: 'assert'; holds(before: number | undefined, after: number | undefined): boolean }
  | { kind: 'match' };

/** A part of a pattern before it is laid out: `add` lays it out once, and may be called again. */
type Part = (program: Instruction[]) => void;

const MOST_INSTRUCTIONS = 2000;
const MOST_REPEATS = 1000;
const MOST_LENGTH = 1000;
/** Points of a text whose classes are kept, which a hostile text would else fill with Unicode. */
const MOST_KEPT = 4096;

/** A pattern of a policy. */
export interface ListedPattern {
  pattern: Pattern;
  /** Its number. */
  entry: number;
  /** Whether text that may become a match is held back. */
  holds: boolean;
}

/** What is wrong with a pattern. */
export class PatternError extends Error {}

export class Pattern {
  readonly program: readonly Instruction[];
  readonly #first: readonly number[];

  /** Throws PatternError. */
  constructor(source: string, options?: FoldingOptions) {
    if (source.length > MOST_LENGTH) throw new PatternError(`it has over ${MOST_LENGTH} characters`);
    const program: Instruction[] = [];
    new PatternParser(source, options).parse()(program);
    add(program, { kind: 'match' });
    this.program = program;
    this.#first = reachable(program);
    if (this.#first.some((at) => program[at]!.kind === 'match')) {
      throw new PatternError('it matches a text without characters');
    }
  }

  /** Whether a match can begin with a point. */
  beginsWith(point: number): boolean {
    return this.#first.some((at) => accepts(this.program[at]!, point));
  }
}

/** The patterns of a policy. */
export class PatternList {
  readonly patterns: readonly ListedPattern[];
  /** By point, the patterns whose matches can begin with it, as far as it was asked. */
  readonly #beginning = new Map<number, readonly number[]>();

  constructor(patterns: readonly ListedPattern[]) {
    this.patterns = patterns;
  }

  /** Indices of the patterns whose matches can begin with a point. */
  beginning(point: number): readonly number[] {
    const kept = this.#beginning.get(point);
    if (kept) return kept;
    const found = this.patterns.flatMap(({ pattern }, index) => (pattern.beginsWith(point) ? [index] : []));
    if (this.#beginning.size < MOST_KEPT) this.#beginning.set(point, found);
    return found;
  }
}

function add(program: Instruction[], instruction: Instruction): void {
  if (program.length >= MOST_INSTRUCTIONS) throw new PatternError('its repetitions make it too large');
  program.push(instruction);
}

/** Instructions that take a point, or match, before any point is taken. */
function reachable(program: readonly Instruction[]): number[] {
  const seen = new Set<number>();
  const walk = [0];
  const found: number[] = [];
  for (let at = walk.pop(); at !== undefined; at = walk.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const instruction = program[at]!;
    if (instruction.kind === 'split') walk.push(...instruction.to);
    else if (instruction.kind === 'assert') walk.push(at + 1);
    else found.push(at);
  }
  return found;
}

function accepts(instruction: Instruction, point: number): boolean {
  if (instruction.kind === 'point') return instruction.point === point;
  return instruction.kind === 'class' && instruction.test(point);
}

/** One text. A pattern costs nothing where no match of it is on its way or can begin. */
export class PatternMatcher implements StreamMatcher {
  readonly #list: PatternList;
  readonly #onMatch: OnMatch;
  /** By index, as far as a match has begun. */
  readonly #runs = new Map<number, PatternRun>();
  /** Runs with a match on its way. */
  #open: ReadonlySet<PatternRun> = new Set();
  #before: number | undefined;

  constructor(list: PatternList, onMatch: OnMatch) {
    this.#list = list;
    this.#onMatch = onMatch;
  }

  get openFrom(): number | undefined {
    let from: number | undefined;
    for (const { openFrom = Infinity } of this.#open) from = Math.min(from ?? Infinity, openFrom);
    return from === Infinity ? undefined : from;
  }

  take(point: number, start: number): void {
    const beginning = this.#list.beginning(point);
    if (beginning.length > 0 || this.#open.size > 0) this.#step(point, start, beginning);
    this.#before = point;
  }

  end(): void {
    for (const run of this.#open) run.step(this.#before, undefined, undefined);
    this.#open = new Set();
  }

  #step(point: number, start: number, beginning: readonly number[]): void {
    const begun = new Set(beginning.map((index) => this.#run(index)));
    for (const run of this.#open) if (!begun.has(run)) run.step(this.#before, point, undefined);
    for (const run of begun) run.step(this.#before, point, start);
    this.#open = new Set([...this.#open, ...begun].filter(({ isOpen }) => isOpen));
  }

  #run(index: number): PatternRun {
    const kept = this.#runs.get(index);
    if (kept) return kept;
    const made = new PatternRun(this.#list.patterns[index]!, this.#onMatch);
    this.#runs.set(index, made);
    return made;
  }
}

/** One text and one pattern (Thompson, 1968; Pike's machine). */
class PatternRun {
  readonly #pattern: Pattern;
  readonly #onMatch: () => void;
  readonly #holds: boolean;
  /** Places in the program that wait for the next point, with the place where each began. */
  #waiting: { at: number; from: number }[] = [];
  /** By instruction, the number of the step in which it was reached. */
  readonly #reached: Int32Array;
  #steps = 0;
  #before: number | undefined;

  constructor({ pattern, entry, holds }: ListedPattern, onMatch: OnMatch) {
    this.#pattern = pattern;
    this.#onMatch = () => onMatch(entry);
    this.#holds = holds;
    this.#reached = new Int32Array(pattern.program.length);
  }

  get isOpen(): boolean {
    return this.#waiting.length > 0;
  }

  get openFrom(): number | undefined {
    return this.#holds ? this.#waiting[0]?.from : undefined;
  }

  /**
   * @param point the next one; undefined at the end of the text
   * @param begin where a match begins that begins with the point; undefined: none does
   */
  step(before: number | undefined, point: number | undefined, begin: number | undefined): void {
    ++this.#steps;
    this.#before = before;
    const next: { at: number; from: number }[] = [];
    for (const { at, from } of this.#waiting) this.#follow(at, from, point, next);
    if (begin !== undefined) this.#follow(0, begin, point, next);
    this.#waiting = next;
  }

  /** Goes from an instruction over all that take no point, and lets the others take it. */
  #follow(
    first: number,
    from: number,
    point: number | undefined,
    next: { at: number; from: number }[],
  ): void {
    const walk = [first];
    for (let at = walk.pop(); at !== undefined; at = walk.pop()) {
      if (this.#reached[at] === this.#steps) continue;
      this.#reached[at] = this.#steps;
      const instruction = this.#pattern.program[at]!;
      if (instruction.kind === 'split') walk.push(...instruction.to);
      else if (instruction.kind === 'assert') {
        if (instruction.holds(this.#before, point)) walk.push(at + 1);
      } else if (instruction.kind === 'match') this.#onMatch();
      else if (point !== undefined && accepts(instruction, point)) next.push({ at: at + 1, from });
    }
  }
}

const CLASS_ESCAPES: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  w: '\\p{L}\\p{M}\\p{N}_',
  s: '\\s',
  S: '\\S',
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };
const NOT_BUILT: readonly [RegExp, string][] = [
  [/^\(\?[=!]/, 'lookahead'],
  [/^\(\?<[=!]/, 'lookbehind'],
  [/^\(\?>/, 'an atomic group'],
  [/^\(\?[^:<]/, 'a group with flags'],
  [/^\\([1-9]|k<)/, 'a reference to a group'],
];

class PatternParser {
  readonly #source: string;
  readonly #options: FoldingOptions | undefined;
  #at = 0;
  #depth = 0;

  constructor(source: string, options: FoldingOptions | undefined) {
    this.#source = source;
    this.#options = options;
  }

  parse(): Part {
    const part = this.#alternatives();
    if (this.#at < this.#source.length) throw new PatternError('a ) has no ( before it');
    return part;
  }

  #alternatives(): Part {
    const parts = [this.#sequence()];
    while (this.#skip('|')) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : alternation(parts);
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at]!))
      parts.push(this.#repeated());
    return (program) => {
      for (const part of parts) part(program);
    };
  }

  #repeated(): Part {
    const part = this.#atom();
    const match = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})([?+]?)/.exec(this.#rest);
    if (!match) return part;
    const [all, sign, least, comma, most, mode] = match;
    if (mode === '+') throw new PatternError('possessive repetition is not supported');
    this.#at += all.length;
    if (/^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(this.#rest))
      throw new PatternError('a repetition is repeated: use (?:…)');
    if (sign !== undefined) return repeat(part, sign === '+' ? 1 : 0, sign === '?' ? 1 : Infinity);
    const from = Number(least);
    const to = comma === undefined ? from : most === '' ? Infinity : Number(most);
    if (from > MOST_REPEATS || (Number.isFinite(to) && to > MOST_REPEATS)) {
      throw new PatternError(`it repeats more than ${MOST_REPEATS} times`);
    }
    if (to < from) throw new PatternError(`{${from},${to}} ends before it begins`);
    return repeat(part, from, to);
  }

  get #rest(): string {
    return this.#source.slice(this.#at);
  }

  #skip(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #atom(): Part {
    const rest = this.#rest;
    for (const [form, name] of NOT_BUILT) {
      if (form.test(rest)) throw new PatternError(`${name} is not supported: it has no bound of time`);
    }
    if (/^[*+?]/.test(rest)) throw new PatternError(`there is nothing before ${rest[0]} to repeat`);
    if (rest[0] === '(') return this.#group();
    if (rest[0] === '[') return this.#class();
    if (this.#skip('.')) return classOf('[^\\n\\r\\u2028\\u2029]');
    if (this.#skip('^')) return assertion((before) => before === undefined);
    if (this.#skip('$')) return assertion((_, after) => after === undefined);
    if (rest[0] === '\\') return this.#escape();
    const character = String.fromCodePoint(rest.codePointAt(0)!);
    this.#at += character.length;
    return literal(character, this.#options);
  }

  #group(): Part {
    const opening = /^\((?:\?:|\?<\w+>)?/.exec(this.#rest)![0];
    this.#at += opening.length;
    if (++this.#depth > 50) throw new PatternError('its groups are nested over 50 levels deep');
    const part = this.#alternatives();
    --this.#depth;
    if (!this.#skip(')')) throw new PatternError('a ( has no ) behind it');
    return part;
  }

  #escape(): Part {
    const [all, character] = /^\\([\s\S]?)/u.exec(this.#rest)!;
    if (!character) throw new PatternError('it ends with \\');
    const property = /^\\[pP]\{[^}]*\}/.exec(this.#rest);
    if (property) {
      this.#at += property[0].length;
      return classOf(`[${property[0]}]`);
    }
    const code = /^\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\})/.exec(this.#rest);
    if (code) {
      this.#at += code[0].length;
      const point = Number.parseInt(code[1] ?? code[2] ?? code[3]!, 16);
      if (point > 0x10ffff) throw new PatternError(`${code[0]} is no character`);
      return literal(String.fromCodePoint(point), this.#options);
    }
    this.#at += all.length;
    if (character === 'b') return assertion((before, after) => isWordBorder(before, after));
    if (character === 'B') return assertion((before, after) => !isWordBorder(before, after));
    if (character === 'W') return classOf('[^\\p{L}\\p{M}\\p{N}_]');
    if (CLASS_ESCAPES[character] !== undefined) return classOf(`[${CLASS_ESCAPES[character]}]`);
    if (CONTROLS[character] !== undefined) {
      return literal(String.fromCodePoint(CONTROLS[character]), this.#options);
    }
    if (/[a-zA-Z0-9]/.test(character)) throw new PatternError(`\\${character} is not supported`);
    return literal(character, this.#options);
  }

  /** A class in brackets. Node compiles it, since one of its characters alone cannot run away. */
  #class(): Part {
    const form = /^\[\^?(?:\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\[\s\S]|[^\]\\])*\]/u.exec(this.#rest);
    if (!form) throw new PatternError('a [ has no ] behind it');
    const [text] = form;
    this.#at += text.length;
    const plain = text.replace(/\\(?:[pP]\{[^}]*\}|[\s\S])/gu, '');
    if (/\\W/.test(text)) throw new PatternError('\\W within brackets is not supported');
    for (const character of plain.slice(1, -1)) {
      const [point, ...others] = foldedPoints(character, this.#options);
      const folded = point === undefined || others.length > 0 ? '' : String.fromCodePoint(point);
      if (folded === character || folded === character.toLowerCase()) continue;
      throw new PatternError(
        `${text} has ${character}, which has another form in texts: write (?:…|${character})`,
      );
    }
    return classOf(text.replace(/\\[dDwsS]/g, (form) => CLASS_ESCAPES[form[1]!]!));
  }
}

/** A border of a word where one side is a word. */
function isWordBorder(before: number | undefined, after: number | undefined): boolean {
  const isWordPoint = (point: number | undefined) =>
    point !== undefined && /[\p{L}\p{M}\p{N}]/u.test(String.fromCodePoint(point));
  return (isWordPoint(before) || isWordPoint(after)) && isBorder(before, after);
}

function literal(character: string, options: FoldingOptions | undefined): Part {
  const points = foldedPoints(character, options);
  if (points.length === 0) throw new PatternError('it has a character that is ignored in texts');
  return (program) => {
    for (const point of points) add(program, { kind: 'point', point });
  };
}

/** @param source a class of JavaScript */
function classOf(source: string): Part {
  let test: RegExp;
  try {
    test = new RegExp(`^${source}$`, 'iu');
  } catch {
    throw new PatternError(`${source} is no class of characters`);
  }
  const kept = new Map<number, boolean>();
  const holds = (point: number) => {
    let result = kept.get(point);
    if (result === undefined) {
      result = test.test(String.fromCodePoint(point));
      if (kept.size < MOST_KEPT) kept.set(point, result);
    }
    return result;
  };
  return (program) => add(program, { kind: 'class', test: holds });
}

function assertion(holds: (before: number | undefined, after: number | undefined) => boolean): Part {
  return (program) => add(program, { kind: 'assert', holds });
}

function alternation(parts: readonly Part[]): Part {
  return (program) => {
    const split = { kind: 'split' as const, to: [] as number[] };
    const ends: { to: number[] }[] = [];
    add(program, split);
    for (const part of parts) {
      split.to.push(program.length);
      part(program);
      const end = { kind: 'split' as const, to: [] as number[] };
      ends.push(end);
      add(program, end);
    }
    for (const end of ends) end.to.push(program.length);
  };
}

function repeat(part: Part, least: number, most: number): Part {
  return (program) => {
    for (let i = 0; i < least; ++i) part(program);
    if (most === Infinity) {
      const split = { kind: 'split' as const, to: [program.length + 1] };
      const start = program.length;
      add(program, split);
      part(program);
      add(program, { kind: 'split', to: [start] });
      split.to.push(program.length);
      return;
    }
    const splits: { to: number[] }[] = [];
    for (let i = least; i < most; ++i) {
      const split = { kind: 'split' as const, to: [program.length + 1] };
      splits.push(split);
      add(program, split);
      part(program);
    }
    for (const split of splits) split.to.push(program.length);
  };
}
