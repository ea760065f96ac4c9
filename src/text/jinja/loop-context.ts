import { TemplateError } from './errors.ts';
import { type Arguments, BuiltIn, Callable } from './functions.ts';
import type { Run } from './run.ts';
import { Undefined, type Value } from './values.ts';

export interface LoopOptions {
  items: Iterator<Value>;
  /** How many items there are, where that is known without going through them. */
  length: number | undefined;
  /** How many recursive loops this one is in. */
  depth: number;
  /** Says whether two values are equal. */
  equal: (left: Value, right: Value) => boolean;
  /** Renders the body for other items, of a recursive loop. */
  recurse: ((items: Value, depth: number) => string) | undefined;
}

/** The variable `loop`. It looks ahead only when it is asked about what comes. */
export class LoopContext extends Callable {
  readonly type = 'LoopContext';
  readonly #options: LoopOptions;
  #items: Iterator<Value>;
  #length: number | undefined;
  #index = -1;
  #previous: Value | undefined;
  #current: Value | undefined;
  /** The item that was looked ahead at. */
  #ahead: IteratorResult<Value> | undefined;
  #changed: Value[] | undefined;

  constructor(options: LoopOptions) {
    super();
    this.#options = options;
    this.#items = options.items;
    this.#length = options.length;
  }

  /** Moves on; undefined behind the last item. */
  next(): { item: Value } | undefined {
    const { done, value } = this.#ahead ?? this.#items.next();
    this.#ahead = undefined;
    if (done) return undefined;
    this.#index += 1;
    this.#previous = this.#current;
    this.#current = value;
    return { item: value };
  }

  get length(): number {
    if (this.#length === undefined) {
      const rest = Array.from({ [Symbol.iterator]: () => this.#items });
      const seen = this.#index + 1 + (this.#ahead && !this.#ahead.done ? 1 : 0);
      this.#items = rest[Symbol.iterator]();
      this.#length = rest.length + seen;
    }
    return this.#length;
  }

  #peek(): IteratorResult<Value> {
    this.#ahead ??= this.#items.next();
    return this.#ahead;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return BigInt(this.#index + 1);
      case 'index0':
        return BigInt(this.#index);
      case 'revindex':
        return BigInt(this.length - this.#index);
      case 'revindex0':
        return BigInt(this.length - this.#index - 1);
      case 'first':
        return this.#index === 0;
      case 'last':
        return this.#peek().done === true;
      case 'length':
        return BigInt(this.length);
      case 'depth':
        return BigInt(this.#options.depth + 1);
      case 'depth0':
        return BigInt(this.#options.depth);
      case 'previtem':
        return this.#index === 0 ? new Undefined('there is no previous item') : this.#previous!;
      case 'nextitem': {
        const { done, value } = this.#peek();
        return done ? new Undefined('there is no next item') : value;
      }
      case 'cycle':
        return new BuiltIn('cycle', (_run, args) => this.#cycle(args));
      case 'changed':
        return new BuiltIn('changed', (_run, args) => this.#hasChanged(args));
    }
    return undefined;
  }

  #cycle({ positional }: Arguments): Value {
    if (positional.length === 0) throw new TemplateError('no items for cycling given');
    return positional[this.#index % positional.length]!;
  }

  #hasChanged({ positional }: Arguments): boolean {
    if (this.#changed !== undefined && this.#options.equal(this.#changed, positional)) return false;
    this.#changed = positional;
    return true;
  }

  call(_run: Run, { positional, named }: Arguments): Value {
    const items = positional[0] ?? named.get('iterable');
    if (!this.#options.recurse || items === undefined) {
      throw new TemplateError('only a loop that is marked recursive can be called, with what to loop over');
    }
    return this.#options.recurse(items, this.#options.depth + 1);
  }

  override describe(): string {
    return `<LoopContext ${this.#index + 1}/${this.length}>`;
  }
}
