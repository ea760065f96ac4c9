/**
 * Terminals: the parts of a grammar that need no stack. A terminal is a state of a deterministic
 * automaton over bytes. From every state that is kept the end can be reached, so a text that has
 * begun can always be finished.
 */
import { AthanorError } from '../../base/errors.ts';
import type { Expression } from './expression.ts';

export interface Terminal {
  /** Whether the text may end here. */
  readonly accepts: boolean;
  /** What follows when the text ends here, before what follows anyway. */
  readonly after?: Expression | undefined;
  /** Whether there is a byte that it goes on with. */
  readonly goesOn: boolean;
  /** The state after a byte; undefined where the byte does not fit. */
  step(byte: number): Terminal | undefined;
  /**
   * How many characters of text may follow in any way: not quotes, backslashes and controls. So
   * many tokens are known to fit without a look at their bytes. Default: unknown.
   */
  readonly room?: number | undefined;
  /** Terminals of equal keys allow the same texts of at most so many bytes. */
  keyWithin?(bytes: number): string;
}

/**
 * What a grammar may still take of time and memory. A schema comes from a client, so each loop that
 * depends on it spends some of this.
 */
export class Budget {
  #left: number;
  readonly #made: Map<string, Node | undefined>;

  constructor(units: number, made = new Map<string, Node | undefined>()) {
    this.#left = units;
    this.#made = made;
  }

  /** What is left. */
  get left(): number {
    return this.#left;
  }

  /** Half of what is left, for a part that may fail. What it spends is spent here too. */
  attempt<T>(make: (half: Budget) => T, fallback: () => T): T {
    const half = new Budget(Math.floor(this.#left / 2), this.#made);
    const given = half.left;
    let made: T;
    try {
      made = make(half);
    } catch (error) {
      if (!(error instanceof AthanorError)) throw error;
      this.#left -= given - Math.max(0, half.left);
      return fallback();
    }
    this.#left -= given - half.left;
    return made;
  }

  /** An automaton that the grammar needs in several places is made once. */
  once(key: string, make: () => Node | undefined): Node | undefined {
    this.spend(1);
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key);
  }

  /** Throws ERR_ARGUMENT when nothing is left. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left >= 0) return;
    throw new AthanorError(
      'ERR_ARGUMENT',
      'the grammar is too large',
      'give a schema with fewer values, shorter patterns and smaller repetitions',
    );
  }
}

/** A state of an automaton that is held as a whole. */
export class Node implements Terminal {
  readonly next = new Map<number, Node>();
  accepts: boolean;
  after: Expression | undefined;
  room: number | undefined;

  constructor(accepts = false) {
    this.accepts = accepts;
  }

  get goesOn(): boolean {
    return this.next.size > 0;
  }

  step(byte: number): Node | undefined {
    return this.next.get(byte);
  }
}

/** A transition: all bytes from the first to the last lead to the state. */
export type Edge<S> = readonly [first: number, last: number, to: S];

/** A deterministic automaton by its rules. Edges of a state do not overlap. */
export interface Machine<S> {
  readonly start: S;
  /** States of equal keys are equal. */
  key(state: S): string;
  edges(state: S): Iterable<Edge<S>>;
  accepts(state: S): boolean;
  room?(state: S): number | undefined;
}

/** The start of a machine's automaton, without dead ends; undefined when it accepts no text. */
export function automaton<S>(machine: Machine<S>, budget: Budget): Node | undefined {
  const nodes = new Map<string, Node>();
  const queue: { node: Node; state: S }[] = [];
  const nodeOf = (state: S): Node => {
    const key = machine.key(state);
    let node = nodes.get(key);
    if (node === undefined) {
      budget.spend(4);
      node = new Node(machine.accepts(state));
      node.room = machine.room?.(state);
      nodes.set(key, node);
      queue.push({ node, state });
    }
    return node;
  };
  const start = nodeOf(machine.start);
  for (let i = 0; i < queue.length; ++i) {
    const { node, state } = queue[i]!;
    for (const [first, last, to] of machine.edges(state)) {
      budget.spend(1 + ((last - first) >> 3));
      const target = nodeOf(to);
      for (let byte = first; byte <= last; ++byte) node.next.set(byte, target);
    }
  }
  const all = queue.map(({ node }) => node);
  trim(all);
  return start.accepts || start.goesOn ? start : undefined;
}

/** Removes the ways into states from which the end cannot be reached. */
function trim(nodes: readonly Node[]): void {
  const sources = new Map<Node, Node[]>();
  for (const node of nodes) {
    for (const target of new Set(node.next.values())) {
      const known = sources.get(target);
      if (known) known.push(node);
      else sources.set(target, [node]);
    }
  }
  const live = new Set(nodes.filter(({ accepts }) => accepts));
  for (const node of live) for (const source of sources.get(node) ?? []) live.add(source);
  for (const node of nodes) {
    for (const [byte, target] of node.next) if (!live.has(target)) node.next.delete(byte);
  }
}

/** The numbers of bytes of the shortest and the longest text of an automaton without dead ends. */
export function textLengths(start: Node): { shortest: number; longest: number } {
  const shortest = new Map<Node, number>([[start, 0]]);
  const sources = new Map<Node, number>();
  for (const [node, bytes] of shortest) {
    for (const next of new Set(node.next.values())) {
      sources.set(next, (sources.get(next) ?? 0) + 1);
      if (!shortest.has(next)) shortest.set(next, bytes + 1);
    }
  }
  const ends = [...shortest].filter(([node]) => node.accepts).map(([, bytes]) => bytes);
  // A state comes after all states that lead to it; those of a cycle never come.
  const longest = new Map<Node, number>(sources.has(start) ? [] : [[start, 0]]);
  const deepest = new Map<Node, number>();
  for (const [node, bytes] of longest) {
    for (const next of new Set(node.next.values())) {
      deepest.set(next, Math.max(deepest.get(next) ?? 0, bytes + 1));
      const left = sources.get(next)! - 1;
      sources.set(next, left);
      if (left === 0) longest.set(next, deepest.get(next)!);
    }
  }
  const hasCycle = longest.size < shortest.size;
  return {
    shortest: ends.reduce((least, bytes) => Math.min(least, bytes), Number.POSITIVE_INFINITY),
    longest: hasCycle
      ? Number.POSITIVE_INFINITY
      : [...longest.values()].reduce((most, bytes) => Math.max(most, bytes), 0),
  };
}

/** The texts that both terminals accept; undefined when there is none. */
export function intersection(a: Terminal, b: Terminal, budget: Budget): Node | undefined {
  const ids = new Map<Terminal, number>();
  const idOf = (terminal: Terminal): number => {
    const id = ids.get(terminal) ?? ids.size;
    ids.set(terminal, id);
    return id;
  };
  return automaton<readonly [Terminal, Terminal]>(
    {
      start: [a, b],
      key: ([one, other]) => `${idOf(one)} ${idOf(other)}`,
      accepts: ([one, other]) => one.accepts && other.accepts,
      *edges([one, other]) {
        for (let byte = 0; byte < 256; ++byte) {
          const [next, otherNext] = [one.step(byte), other.step(byte)];
          if (next && otherNext) yield [byte, byte, [next, otherNext]];
        }
      },
    },
    budget,
  );
}

/** A text, and what follows it. */
export interface Branch {
  text: string;
  after?: Expression | undefined;
}

/** One of some texts. No text may be the beginning of another with something else behind it. */
export function choice(branches: readonly Branch[], budget: Budget): Node {
  const root = new Node();
  for (const { text, after } of branches) {
    let node = root;
    for (const byte of Buffer.from(text)) {
      budget.spend(1);
      let next = node.next.get(byte);
      if (next === undefined) {
        next = new Node();
        node.next.set(byte, next);
      }
      node = next;
    }
    node.accepts = true;
    node.after = after;
  }
  return root;
}

/**
 * Any bytes up to the first occurrence of a marker, which leads to `after`; or any bytes
 * without it.
 * @param mayLack whether texts without the marker count
 */
export function freeText(marker: string, after: Expression, mayLack = true): Node {
  const bytes = Buffer.from(marker);
  const nodes = Array.from({ length: bytes.length + 1 }, (_, i) => new Node(mayLack || i === bytes.length));
  // As Knuth, Morris and Pratt: a state is the length of the marker's beginning that was read last.
  let fallback = 0;
  for (let at = 0; at < bytes.length; ++at) {
    for (let byte = 0; byte < 256; ++byte) {
      const other = at === 0 ? nodes[0]! : nodes[fallback]!.next.get(byte)!;
      nodes[at]!.next.set(byte, byte === bytes[at] ? nodes[at + 1]! : other);
    }
    if (at > 0) fallback = nodes.indexOf(nodes[fallback]!.next.get(bytes[at]!)!);
  }
  nodes[bytes.length]!.after = after;
  return nodes[0]!;
}

/** Any bytes of which the first is not this one. */
export function notBeginning(byte: number): Node {
  const [start, rest] = [new Node(true), new Node(true)];
  for (let other = 0; other < 256; ++other) {
    rest.next.set(other, rest);
    if (other !== byte) start.next.set(other, rest);
  }
  return start;
}
