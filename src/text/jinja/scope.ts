import type { Origin } from './nodes.ts';
import type { Run } from './run.ts';
import { Undefined, type Value } from './values.ts';

/** The names of a body while it is carried out; see names.ts. */
export class Scope {
  readonly outer: Scope | undefined;
  readonly #values = new Map<string, Value | undefined>();

  /** Names that come from outside have their values from the moment when the scope is entered. */
  constructor(run: Run, outer: Scope | undefined, names: ReadonlyMap<string, Origin>) {
    this.outer = outer;
    for (const [name, origin] of names) {
      if (origin === 'context') this.#values.set(name, run.variable(name));
      else if (origin === 'outer') this.#values.set(name, outer!.#find(name));
      else this.#values.set(name, undefined);
    }
  }

  #find(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      if (scope.#values.has(name)) return scope.#values.get(name);
    }
    return undefined;
  }

  get(name: string): Value {
    const value = this.#find(name);
    return value === undefined ? new Undefined(`'${name}' is undefined`) : value;
  }

  /** The value, or undefined for a parameter that was not given. */
  peek(name: string): Value | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}
