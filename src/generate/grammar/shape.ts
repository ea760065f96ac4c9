/** JSON values that a schema allows, and the expressions of their texts. */
import { AthanorError } from '../../base/errors.ts';
import { all, any, type Expression, Later, terminal } from './expression.ts';
import { otherKeys } from './json-text.ts';
import { automaton, type Budget, choice, type Node, type Terminal } from './terminal.ts';

/** A set of JSON values. */
export type Shape =
  | { kind: 'terminal'; terminal: Terminal }
  | { kind: 'any'; items: Shape[] }
  | ObjectShape
  | ArrayShape
  /** A shape that is read later, so that schemas may refer to themselves. */
  | { kind: 'reference'; target: Shape | undefined };

export interface Member {
  name: string;
  isRequired: boolean;
  shape: Shape;
}

export interface ObjectShape {
  kind: 'object';
  /** In the order in which they are written. */
  members: Member[];
  /** Values of other keys; undefined: there are no others. */
  others: Shape | undefined;
}

export interface ArrayShape {
  kind: 'array';
  /** The first items. */
  first: Shape[];
  /** All further items; undefined: there are none. */
  rest: Shape | undefined;
  least: number;
  most: number;
}

/** Turns shapes into expressions. */
export class ShapeWriter {
  readonly #budget: Budget;
  /** Shapes that some text fits. */
  readonly #possible = new Set<Shape>();
  readonly #expressions = new Map<Shape, Expression>();
  readonly #space: Expression;

  /** @param shapes all that the root leads to */
  constructor(shapes: readonly Shape[], budget: Budget) {
    this.#budget = budget;
    this.#space = terminal(whiteSpace(budget));
    this.#findPossible(shapes);
  }

  /**
   * The texts of the values. Throws ERR_ARGUMENT when there is no value, as for an object that must
   * hold itself.
   */
  write(root: Shape): Expression {
    if (!this.#possible.has(root)) {
      throw new AthanorError('ERR_ARGUMENT', 'no value of finite length fits the schema');
    }
    return this.#expression(root);
  }

  /** Finds what has a value: what needs nothing else, then what needs only that, and so on. */
  #findPossible(shapes: readonly Shape[]): void {
    for (let before = -1; before !== this.#possible.size; ) {
      before = this.#possible.size;
      for (const shape of shapes) {
        this.#budget.spend(1);
        if (!this.#possible.has(shape) && this.#isPossible(shape)) this.#possible.add(shape);
      }
    }
  }

  #isPossible(shape: Shape): boolean {
    const has = (part: Shape | undefined) => part !== undefined && this.#possible.has(part);
    switch (shape.kind) {
      case 'terminal':
        return true;
      case 'any':
        return shape.items.some(has);
      case 'reference':
        return has(shape.target);
      case 'object':
        return shape.members.every((member) => !member.isRequired || has(member.shape));
      case 'array':
        return shape.least <= this.#mostItems(shape);
    }
  }

  /** The number of items that an array may have, as far as it is known. */
  #mostItems({ first, rest, most }: ArrayShape): number {
    const missing = first.findIndex((item) => !this.#possible.has(item));
    if (missing >= 0) return Math.min(most, missing);
    return rest && this.#possible.has(rest) ? most : Math.min(most, first.length);
  }

  #expression(shape: Shape): Expression {
    const known = this.#expressions.get(shape);
    if (known) return known;
    const made = new Later(() => this.#make(shape));
    this.#expressions.set(shape, made);
    return made;
  }

  #make(shape: Shape): Expression {
    switch (shape.kind) {
      case 'terminal':
        return terminal(shape.terminal);
      case 'any': {
        const possible = shape.items.filter((item) => this.#possible.has(item));
        return any(...possible.map((item) => this.#expression(item)));
      }
      case 'reference':
        return this.#expression(shape.target!);
      case 'object':
        return this.#object(shape);
      case 'array':
        return this.#array(shape);
    }
  }

  #literal(text: string): Expression {
    return terminal(choice([{ text }], this.#budget));
  }

  #object({ members, others }: ObjectShape): Expression {
    const possible = members.filter(({ shape }) => this.#possible.has(shape));
    const hasOthers = others !== undefined && this.#possible.has(others);
    const names = members.map(({ name }) => name);
    const keys = hasOthers ? otherKeys(names, this.#budget) : undefined;
    const other = keys && all(terminal(keys), this.#literal(':'), this.#space, this.#expression(others!));
    const writer = new ObjectWriter(possible, other, this.#space, this.#budget, (shape) =>
      this.#expression(shape),
    );
    return all(this.#literal('{'), this.#space, writer.members(0, true));
  }

  #array(shape: ArrayShape): Expression {
    const most = this.#mostItems(shape);
    const places = new Map<string, Expression>();
    const space = this.#space;
    const end = this.#literal(']');
    const comma = this.#literal(',');
    const itemAt = (at: number) => this.#expression(shape.first[at] ?? shape.rest!);
    /** The rest of the array after `at` items. The places after the first items are alike. */
    const from = (at: number, least: number, left: number): Expression => {
      const key = `${Math.min(at, shape.first.length)} ${at === 0} ${least} ${left}`;
      const known = places.get(key);
      if (known) return known;
      const place = new Later(() => {
        const more = () => from(at + 1, Math.max(0, least - 1), left - 1);
        const item = () => all(itemAt(at), new Later(more));
        if (at === 0) {
          const ways = [...(least === 0 ? [end] : []), ...(left > 0 ? [item()] : [])];
          return all(space, any(...ways));
        }
        const ways = [
          ...(least === 0 ? [all(space, end)] : []),
          ...(left > 0 ? [all(comma, space, item())] : []),
        ];
        return any(...ways);
      });
      places.set(key, place);
      return place;
    };
    return all(this.#literal('['), from(0, shape.least, most));
  }
}

/** Writes the members of one kind of object. */
class ObjectWriter {
  readonly #members: readonly Member[];
  readonly #other: Expression | undefined;
  readonly #space: Expression;
  readonly #budget: Budget;
  readonly #value: (shape: Shape) => Expression;
  readonly #places = new Map<string, Expression>();
  readonly #comma: Expression;
  readonly #end: Expression;

  constructor(
    members: readonly Member[],
    other: Expression | undefined,
    space: Expression,
    budget: Budget,
    value: (shape: Shape) => Expression,
  ) {
    this.#members = members;
    this.#other = other;
    this.#space = space;
    this.#budget = budget;
    this.#value = value;
    this.#comma = terminal(choice([{ text: ',' }], budget));
    this.#end = terminal(choice([{ text: '}' }], budget));
  }

  /** The members from one on, and the end. */
  members(from: number, isFirst: boolean): Expression {
    const key = `${from} ${isFirst}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = new Later(() => this.#make(from, isFirst));
      this.#places.set(key, place);
    }
    return place;
  }

  #make(from: number, isFirst: boolean): Expression {
    const required = this.#members.findIndex(({ isRequired }, i) => i >= from && isRequired);
    const isComplete = required < 0;
    // The keys that may come next: up to the first required one. Their texts share one automaton.
    const last = isComplete ? this.#members.length - 1 : required;
    const next: Expression[] = [];
    if (from <= last) {
      const branches = this.#members.slice(from, last + 1).map(({ name, shape }, i) => ({
        text: `${JSON.stringify(name)}:`,
        after: all(this.#space, this.#value(shape), this.members(from + i + 1, false)),
      }));
      next.push(terminal(choice(branches, this.#budget)));
    }
    if (isComplete && this.#other) {
      next.push(all(this.#other, this.members(this.#members.length, false)));
    }
    if (isFirst) return any(...next, ...(isComplete ? [this.#end] : []));
    return any(
      ...(next.length > 0 ? [all(this.#comma, this.#space, any(...next))] : []),
      ...(isComplete ? [all(this.#space, this.#end)] : []),
    );
  }
}

const MAX_INDENT = 32;

/** White space between parts of JSON: nothing, a space, or a line break and some indentation. */
function whiteSpace(budget: Budget): Node {
  // The state is the number of bytes after the line break, or a phase before it.
  const [start, spaced] = [-2, -1];
  return automaton<number>(
    {
      start,
      key: String,
      accepts: () => true,
      *edges(state) {
        if (state === start) yield [0x20, 0x20, spaced];
        if (state === start) yield [0x0a, 0x0a, 0];
        if (state >= 0 && state < MAX_INDENT) yield [0x20, 0x20, state + 1];
        if (state === 0) yield [0x09, 0x09, state + 1];
      },
    },
    budget,
  )!;
}
