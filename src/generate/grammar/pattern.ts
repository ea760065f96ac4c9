/**
 * Regular expressions as automata. A pattern is never run as a RegExp: it is read here, and becomes
 * a deterministic automaton in bounded time, or it is refused. The syntax is that of ECMAScript
 * with the flag u. What no automaton can do, or not in bounded size, is refused by name.
 */
import { AthanorError } from '../../base/errors.ts';
import { quoted } from '../../base/json.ts';
import { afterRest, escapeOf, LEADS, type Rest } from './json-text.ts';
import { automaton, type Budget, type Edge, type Node } from './terminal.ts';

/** Code points, as ranges that ascend and do not touch. */
type Characters = readonly (readonly [first: number, last: number])[];

type Expression =
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

function union(sets: readonly Characters[]): Characters {
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
class Parser {
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

/** A state of the automaton of characters that may be in many places at the same time. */
interface Place {
  readonly ways: { set: Characters; to: Place }[];
  readonly empty: Place[];
}

/** The places of an expression, after Thompson. */
class Places {
  readonly all: Place[] = [];
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(): Place {
    this.#budget.spend(4);
    const place: Place = { ways: [], empty: [] };
    this.all.push(place);
    return place;
  }

  /** Adds the ways of an expression that begins at a place. Returns the place where it ends. */
  append(expression: Expression, from: Place): Place {
    switch (expression.kind) {
      case 'characters': {
        const to = this.add();
        from.ways.push({ set: expression.set, to });
        return to;
      }
      case 'sequence':
        return expression.items.reduce((at, item) => this.append(item, at), from);
      case 'choice': {
        const end = this.add();
        for (const item of expression.items) {
          const begin = this.add();
          from.empty.push(begin);
          this.append(item, begin).empty.push(end);
        }
        return end;
      }
      case 'repeat':
        return this.#repeat(expression, from);
    }
  }

  #repeat({ item, least, most }: Expression & { kind: 'repeat' }, from: Place): Place {
    let at = from;
    for (let i = 0; i < least; ++i) at = this.append(item, at);
    const end = this.add();
    if (most === Number.POSITIVE_INFINITY) {
      const loop = this.add();
      at.empty.push(loop);
      this.append(item, loop).empty.push(loop);
      loop.empty.push(end);
      return end;
    }
    at.empty.push(end);
    for (let i = least; i < most; ++i) {
      at = this.append(item, at);
      at.empty.push(end);
    }
    return end;
  }
}

/** A state of the deterministic automaton: its places, and where characters lead. */
interface State {
  readonly id: number;
  readonly accepts: boolean;
  readonly moves: { set: Characters; to: State }[];
}

/** Makes the automaton of characters deterministic. */
function deterministic(expression: Expression, budget: Budget): State {
  const places = new Places(budget);
  const start = places.add();
  const end = places.append(expression, start);
  const numbers = new Map(places.all.map((place, i) => [place, i]));
  const states = new Map<string, State>();
  const queue: { state: State; members: ReadonlySet<Place> }[] = [];
  const stateOf = (members: Set<Place>): State => {
    for (const place of members) {
      budget.spend(1);
      for (const next of place.empty) members.add(next);
    }
    const key = [...members]
      .map((place) => numbers.get(place)!)
      .sort((a, b) => a - b)
      .join(' ');
    let state = states.get(key);
    if (state === undefined) {
      state = { id: states.size, accepts: members.has(end), moves: [] };
      states.set(key, state);
      queue.push({ state, members });
    }
    return state;
  };
  const first = stateOf(new Set([start]));
  for (let i = 0; i < queue.length; ++i) {
    const { state, members } = queue[i]!;
    state.moves.push(...movesOf(members, stateOf, budget));
  }
  return first;
}

function movesOf(
  members: ReadonlySet<Place>,
  stateOf: (members: Set<Place>) => State,
  budget: Budget,
): State['moves'] {
  const ways = [...members].flatMap((place) => place.ways);
  // Where the ways begin and end; between two such points all characters have the same ways.
  const points = new Map<number, { enter: Place[]; leave: Place[] }>();
  const pointOf = (at: number) => {
    const known = points.get(at) ?? { enter: [], leave: [] };
    points.set(at, known);
    return known;
  };
  for (const { set, to } of ways) {
    budget.spend(set.length);
    for (const [first, last] of set) {
      pointOf(first).enter.push(to);
      pointOf(last + 1).leave.push(to);
    }
  }
  const active = new Map<Place, number>();
  const sets = new Map<State, [number, number][]>();
  const ordered = [...points].sort((a, b) => a[0] - b[0]);
  ordered.forEach(([at, { enter, leave }], i) => {
    for (const place of leave) active.set(place, active.get(place)! - 1);
    for (const place of enter) active.set(place, (active.get(place) ?? 0) + 1);
    for (const [place, count] of active) if (count === 0) active.delete(place);
    if (active.size === 0) return;
    budget.spend(active.size);
    const to = stateOf(new Set(active.keys()));
    const known = sets.get(to) ?? [];
    known.push([at, ordered[i + 1]![0] - 1]);
    sets.set(to, known);
  });
  return [...sets].map(([to, set]) => ({ set: union([set]), to }));
}

/** Bytes that are still to come: ranges, one per byte. */
type Bytes = readonly (readonly [first: number, last: number])[];

/** The spellings of some characters in a JSON string. Each character has one. */
function spellings(set: Characters): Bytes[] {
  const out: Bytes[] = [];
  for (const [first, last] of set) {
    for (let point = first; point <= Math.min(last, 0x5c); ++point) {
      const escaped = escapeOf(point);
      if (escaped !== undefined) addSpelling(out, [...Buffer.from(escaped)]);
    }
    for (const [from, to] of [
      [0x20, 0x21],
      [0x23, 0x5b],
      [0x5d, 0x7f],
    ] as const) {
      if (first <= to && last >= from) out.push([[Math.max(first, from), Math.min(last, to)]]);
    }
    if (last >= 0x80) out.push(...utf8Ranges(Math.max(first, 0x80), last));
  }
  return out;
}

/** Adds an escape. Those that differ in their last byte alone are one: \u0010 to \u0019. */
function addSpelling(out: Bytes[], bytes: readonly number[]): void {
  const beginning = bytes.slice(0, -1).map((byte) => [byte, byte] as const);
  const last = bytes.at(-1)!;
  const before = out.at(-1) ?? [];
  const [from, to] = before.at(-1) ?? [-1, -1];
  const isAlike = bytes.length === 6 && to === last - 1 && String(before.slice(0, -1)) === String(beginning);
  if (isAlike) out[out.length - 1] = [...beginning, [from, last]];
  else out.push([...beginning, [last, last]]);
}

/** By the number of bytes after the second: the bits of the character in a lead byte. */
const LEAD_MASK: readonly number[] = [0x1f, 0x0f, 0x07];

/** The UTF-8 of a range of characters from 0x80 on. */
function utf8Ranges(first: number, last: number): Bytes[] {
  const out: Bytes[] = [];
  for (const [firstLead, lastLead, rest] of LEADS) {
    const bits = 6 * (rest.more + 1);
    const mask = (1 << bits) - 1;
    for (let lead = firstLead; lead <= lastLead; ++lead) {
      const base = (lead & LEAD_MASK[rest.more]!) << bits;
      const [from, to] = [Math.max(first, base), Math.min(last, base + mask)];
      if (from > to) continue;
      for (const tail of tails(from & mask, to & mask, rest)) {
        const before = out.at(-1);
        const [firstByte = [-1, -1], ...others] = before ?? [];
        const isAlike = firstByte[1] === lead - 1 && String(others) === String(tail);
        if (isAlike) out[out.length - 1] = [[firstByte[0], lead], ...tail];
        else out.push([[lead, lead], ...tail]);
      }
    }
  }
  return out;
}

/** The continuation bytes of the numbers from `low` to `high`. */
function tails(low: number, high: number, rest: Rest): Bytes[] {
  const shift = 6 * rest.more;
  const [first, last] = [0x80 | (low >> shift), 0x80 | (high >> shift)];
  const from = Math.max(first, rest.first);
  const to = Math.min(last, rest.last);
  const after = afterRest(rest);
  if (!after) return from <= to ? [[[from, to]]] : [];
  const mask = (1 << shift) - 1;
  const out: Bytes[] = [];
  for (let byte = from; byte <= to; ) {
    const lowest = byte === first ? low & mask : 0;
    let end = byte;
    const isWhole = (one: number) => (one > first || (low & mask) === 0) && one < last;
    if (isWhole(byte)) while (end < to && isWhole(end + 1)) ++end;
    const highest = end === last ? high & mask : mask;
    for (const tail of tails(lowest, highest, after)) out.push([[byte, end], ...tail]);
    byte = end + 1;
  }
  return out;
}

/** Where the automaton of bytes is: at a state, or inside a character. */
interface ByteState {
  phase: 'before' | 'inside' | 'after';
  state: State;
  /** Inside a character: the bytes that may come, and where they lead. */
  pending: readonly { bytes: Bytes; to: State }[];
}

const QUOTE = 0x22;

/**
 * JSON strings in which the pattern is found; undefined when there is none. Throws ERR_ARGUMENT for
 * a pattern that is not valid, not supported, or too large.
 */
export function patternStrings(pattern: string, budget: Budget): Node | undefined {
  const first = deterministic(new Parser(pattern).parse(), budget);
  const inside = (state: State): ByteState => ({ phase: 'inside', state, pending: [] });
  function* edges({ phase, state, pending }: ByteState): Iterable<Edge<ByteState>> {
    if (phase === 'after') return;
    if (phase === 'before') {
      yield [QUOTE, QUOTE, inside(first)];
      return;
    }
    const begins = pending.length === 0;
    const ways = begins
      ? state.moves.flatMap(({ set, to }) => spellings(set).map((bytes) => ({ bytes, to })))
      : pending;
    budget.spend(ways.length);
    if (begins && state.accepts) yield [QUOTE, QUOTE, { phase: 'after', state, pending: [] }];
    const cuts = new Set(ways.flatMap(({ bytes }) => [bytes[0]![0], bytes[0]![1] + 1]));
    const ordered = [...cuts].sort((a, b) => a - b);
    for (let i = 0; i + 1 < ordered.length; ++i) {
      const [from, to] = [ordered[i]!, ordered[i + 1]! - 1];
      const fitting = ways.filter(({ bytes }) => bytes[0]![0] <= from && to <= bytes[0]![1]);
      budget.spend(1 + (ways.length >> 2));
      if (fitting.length === 0) continue;
      const [one] = fitting;
      if (one!.bytes.length === 1) yield [from, to, inside(one!.to)];
      else {
        const rest = fitting.map((way) => ({ bytes: way.bytes.slice(1), to: way.to }));
        yield [from, to, { phase: 'inside', state, pending: rest }];
      }
    }
  }
  return automaton<ByteState>(
    {
      start: { phase: 'before', state: first, pending: [] },
      key: ({ phase, state, pending }) =>
        pending.length === 0 ? `${phase} ${state.id}` : pending.map(wayKey).join(';'),
      accepts: ({ phase }) => phase === 'after',
      edges,
    },
    budget,
  );
}

function wayKey({ bytes, to }: { bytes: Bytes; to: State }): string {
  return `${bytes.map(([first, last]) => `${first}-${last}`).join(',')}>${to.id}`;
}
