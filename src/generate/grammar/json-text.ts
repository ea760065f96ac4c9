/**
 * JSON strings as automata over bytes. They are well-formed UTF-8: what a token begins in the
 * middle of a character, the next one ends.
 */
import { automaton, type Budget, type Edge, Node, type Terminal } from './terminal.ts';

/** Bytes still to come in a character: the range of the next one, and how many follow it. */
export interface Rest {
  readonly first: number;
  readonly last: number;
  readonly more: number;
}

/** The lead bytes of characters of several bytes, and what comes after them. */
export const LEADS: readonly (readonly [first: number, last: number, rest: Rest])[] = [
  [0xc2, 0xdf, { first: 0x80, last: 0xbf, more: 0 }],
  [0xe0, 0xe0, { first: 0xa0, last: 0xbf, more: 1 }],
  [0xe1, 0xec, { first: 0x80, last: 0xbf, more: 1 }],
  // Halves of surrogate pairs are no characters.
  [0xed, 0xed, { first: 0x80, last: 0x9f, more: 1 }],
  [0xee, 0xef, { first: 0x80, last: 0xbf, more: 1 }],
  [0xf0, 0xf0, { first: 0x90, last: 0xbf, more: 2 }],
  [0xf1, 0xf3, { first: 0x80, last: 0xbf, more: 2 }],
  [0xf4, 0xf4, { first: 0x80, last: 0x8f, more: 2 }],
];

/** The bytes of a character of several bytes that begins at an index; 0 where there is none. */
export function characterLength(bytes: Uint8Array, at: number): number {
  const lead = LEADS.find(([first, last]) => bytes[at]! >= first && bytes[at]! <= last);
  let length = 1;
  for (let rest: Rest | undefined = lead?.[2]; rest; rest = afterRest(rest)) {
    const byte = bytes[at + length++];
    if (byte === undefined || byte < rest.first || byte > rest.last) return 0;
  }
  return lead ? length : 0;
}

/** Whether a byte is a character by itself that needs no escape. */
export function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH;
}

export function afterRest({ more }: Rest): Rest | undefined {
  return more === 0 ? undefined : { first: 0x80, last: 0xbf, more: more - 1 };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bytes that are a character by themselves in a JSON string. */
const PLAIN: readonly (readonly [number, number])[] = [
  [0x20, QUOTE - 1],
  [QUOTE + 1, BACKSLASH - 1],
  [BACKSLASH + 1, 0x7f],
];
const DIGITS = [0x30, 0x39] as const;

/** Where a string is, apart from its length. */
type Phase =
  | { readonly at: 'before' | 'inside' | 'after' | 'escape' }
  | { readonly at: 'character'; readonly rest: Rest }
  /** In the digits of `\uXXXX`: how many are to come, and whether a half of a pair is possible. */
  | { readonly at: 'digits'; readonly left: number; readonly surrogate: boolean };

interface PhaseEdge {
  readonly first: number;
  readonly last: number;
  readonly to: Phase;
  /** Whether a character begins. */
  readonly begins: boolean;
}

function phaseEdges(phase: Phase): PhaseEdge[] {
  const inside: Phase = { at: 'inside' };
  const edge = (first: number, last: number, to: Phase, begins = false) => ({ first, last, to, begins });
  const hex = (left: number, ranges: readonly (readonly [number, number])[], surrogate = false) =>
    ranges.map(([first, last]) => edge(first, last, left === 0 ? inside : { at: 'digits', left, surrogate }));
  switch (phase.at) {
    case 'before':
      return [edge(QUOTE, QUOTE, inside)];
    case 'inside':
      return [
        edge(QUOTE, QUOTE, { at: 'after' }),
        edge(BACKSLASH, BACKSLASH, { at: 'escape' }, true),
        ...PLAIN.map(([first, last]) => edge(first, last, inside, true)),
        ...LEADS.map(([first, last, rest]) => edge(first, last, { at: 'character', rest }, true)),
      ];
    case 'character': {
      const rest = afterRest(phase.rest);
      return [edge(phase.rest.first, phase.rest.last, rest ? { at: 'character', rest } : inside)];
    }
    case 'escape':
      return [
        ...[...Buffer.from('"\\/bfnrt')].map((byte) => edge(byte, byte, inside)),
        edge(0x75, 0x75, { at: 'digits', left: 4, surrogate: false }),
      ];
    case 'digits':
      if (phase.left === 4) {
        // d and D begin the halves of pairs, d8 to df. The others of d are whole characters.
        const most = [DIGITS, [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]] as const;
        return [
          ...hex(3, most),
          ...hex(
            3,
            [
              [0x44, 0x44],
              [0x64, 0x64],
            ],
            true,
          ),
        ];
      }
      if (phase.surrogate) return hex(2, [[0x30, 0x37]]);
      return hex(phase.left - 1, [DIGITS, [0x41, 0x46], [0x61, 0x66]]);
    case 'after':
      return [];
  }
}

function phaseKey(phase: Phase): string {
  if (phase.at === 'character') return `c${phase.rest.first}.${phase.rest.last}.${phase.rest.more}`;
  return phase.at === 'digits' ? `d${phase.left}${phase.surrogate}` : phase.at;
}

/** States of strings that are kept. They are many where a long string counts its characters. */
const MAX_STATES = 4096;

/** The strings of a number of characters, counted as code points. States are made as needed. */
export class JsonStrings {
  readonly #states = new Map<string, StringState>();
  /** By phase: the edge of each byte. */
  readonly #edges = new Map<string, Map<number, PhaseEdge>>();
  /** The first state of strings of these lengths. */
  readonly start: Terminal;

  constructor(least = 0, most = Number.POSITIVE_INFINITY) {
    this.start = this.state({ at: 'before' }, least, most);
  }

  state(phase: Phase, least: number, most: number): StringState {
    const key = `${phaseKey(phase)} ${least} ${most}`;
    let state = this.#states.get(key);
    if (state === undefined) {
      if (this.#states.size >= MAX_STATES) this.#states.clear();
      state = new StringState(this, phase, least, most);
      this.#states.set(key, state);
    }
    return state;
  }

  edge(phase: Phase, byte: number): PhaseEdge | undefined {
    const key = phaseKey(phase);
    let edges = this.#edges.get(key);
    if (edges === undefined) {
      edges = new Map();
      for (const edge of phaseEdges(phase)) {
        for (let one = edge.first; one <= edge.last; ++one) edges.set(one, edge);
      }
      this.#edges.set(key, edges);
    }
    return edges.get(byte);
  }
}

class StringState implements Terminal {
  readonly #all: JsonStrings;
  readonly #phase: Phase;
  /** Characters that must still come, and that may. */
  readonly #least: number;
  readonly #most: number;

  constructor(strings: JsonStrings, phase: Phase, least: number, most: number) {
    this.#all = strings;
    this.#phase = phase;
    this.#least = least;
    this.#most = most;
  }

  get accepts(): boolean {
    return this.#phase.at === 'after';
  }

  get goesOn(): boolean {
    return this.#phase.at !== 'after';
  }

  get room(): number | undefined {
    return this.#phase.at === 'inside' ? this.#most : undefined;
  }

  step(byte: number): StringState | undefined {
    const edge = this.#all.edge(this.#phase, byte);
    if (edge === undefined) return undefined;
    const { to, begins } = edge;
    if (begins && this.#most === 0) return undefined;
    if (to.at === 'after' && this.#least > 0) return undefined;
    if (!begins) return this.#all.state(to, this.#least, this.#most);
    return this.#all.state(to, Math.max(0, this.#least - 1), this.#most - 1);
  }

  keyWithin(bytes: number): string {
    const least = Math.min(this.#least, bytes + 1);
    return `${phaseKey(this.#phase)} ${least} ${Math.min(this.#most, bytes + 1)}`;
  }
}

/** A key that is none of these. It has no escapes, so that it has one spelling only. */
export function otherKeys(names: readonly string[], budget: Budget): Node | undefined {
  interface Place {
    phase: 'before' | 'inside' | 'after';
    rest?: Rest | undefined;
    /** What was read so far as the beginning of names, if it is one. */
    name?: Node | undefined;
  }
  const root = new Node();
  for (const name of names) {
    let node = root;
    for (const byte of Buffer.from(name)) {
      budget.spend(1);
      const next = node.next.get(byte) ?? new Node();
      node.next.set(byte, next);
      node = next;
    }
    node.accepts = true;
  }
  const ids = new Map<Node, number>();
  const idOf = (node: Node | undefined) => {
    if (node === undefined) return '';
    if (!ids.has(node)) ids.set(node, ids.size);
    return ids.get(node)!;
  };
  function* inside({ rest, name }: Place): Iterable<Edge<Place>> {
    const ranges: (readonly [number, number, Rest | undefined])[] =
      rest !== undefined
        ? [[rest.first, rest.last, afterRest(rest)]]
        : [...PLAIN.map(([first, last]) => [first, last, undefined] as const), ...LEADS];
    for (const [first, last, then] of ranges) {
      // Bytes that go on with a name have states of their own.
      for (let begin = first; begin <= last; ) {
        const next = name?.next.get(begin);
        let end = begin;
        if (next === undefined) while (end < last && !name?.next.has(end + 1)) ++end;
        yield [begin, end, { phase: 'inside', rest: then, name: next }];
        begin = end + 1;
      }
    }
    if (rest === undefined && !name?.accepts) yield [QUOTE, QUOTE, { phase: 'after' }];
  }
  return automaton<Place>(
    {
      start: { phase: 'before' },
      key: ({ phase, rest, name }) =>
        `${phase} ${rest ? `${rest.first}.${rest.last}.${rest.more}` : ''} ${idOf(name)}`,
      accepts: ({ phase }) => phase === 'after',
      room: ({ phase, rest, name }) =>
        phase === 'inside' && !rest && !name ? Number.POSITIVE_INFINITY : undefined,
      edges: (place) => {
        if (place.phase === 'after') return [];
        if (place.phase === 'inside') return inside(place);
        return [[QUOTE, QUOTE, { phase: 'inside', name: root }]];
      },
    },
    budget,
  );
}

/** How a character is written in a string: its escape, where it needs one. */
export function escapeOf(codePoint: number): string | undefined {
  if (codePoint >= 0x20 && codePoint !== QUOTE && codePoint !== BACKSLASH) return undefined;
  return JSON.stringify(String.fromCharCode(codePoint)).slice(1, -1);
}
