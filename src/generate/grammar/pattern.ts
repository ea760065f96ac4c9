/**
 * Regular expressions as automata. A pattern is never run as a RegExp: it is read by
 * pattern-parser.ts, and becomes a deterministic automaton in bounded time, or it is refused.
 */
import { type Characters, type Expression, PatternParser, union } from './pattern-parser.ts';
import { type Bytes, spellings } from './pattern-spellings.ts';
import { automaton, type Budget, type Edge, type Node } from './terminal.ts';

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
  const first = deterministic(new PatternParser(pattern).parse(), budget);
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
