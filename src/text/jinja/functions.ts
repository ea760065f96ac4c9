/** Functions that templates can call, and how arguments reach their parameters. */
import { TemplateError } from './errors.ts';
import type { Run } from './run.ts';
import { PythonObject, type Value } from './values.ts';

export interface Arguments {
  positional: Value[];
  named: Map<string, Value>;
}

export abstract class Callable extends PythonObject {
  abstract call(run: Run, args: Arguments): Value;
}

/** Arguments by parameter; one that was not given is undefined. */
export type Bound = readonly (Value | undefined)[];

/**
 * Parameters of a function of Python's: 'text, chars?' has one that must be given and one that may
 * be. None of them can be named behind '/'; a last one that begins with '*' takes all further ones.
 */
export class Parameters {
  readonly #names: string[];
  readonly #required: number;
  /** How many cannot be named. */
  readonly #unnamed: number;
  readonly #takesMore: boolean;
  readonly #function: string;

  constructor(name: string, list: string) {
    const all = list.split(',').map((part) => part.trim());
    const named = all.filter((part) => part !== '/' && part !== '');
    this.#takesMore = named.at(-1)?.startsWith('*') ?? false;
    if (this.#takesMore) named.pop();
    this.#required = named.filter((part) => !part.endsWith('?')).length;
    this.#names = named.map((part) => part.replace('?', ''));
    this.#unnamed = all[0] === '/' ? named.length : 0;
    this.#function = name;
  }

  bind({ positional, named }: Arguments): Bound {
    const count = this.#names.length;
    if (positional.length > count && !this.#takesMore) {
      throw new TemplateError(`${this.#function} takes ${count} arguments, not ${positional.length}`);
    }
    const bound: (Value | undefined)[] = this.#names.map((_, i) => positional[i]);
    for (const [name, value] of named) {
      const index = this.#names.indexOf(name);
      if (index < this.#unnamed) throw new TemplateError(`${this.#function} has no argument named ${name}`);
      if (bound[index] !== undefined) throw new TemplateError(`${this.#function} was given ${name} twice`);
      bound[index] = value;
    }
    const missing = this.#names.findIndex((_, i) => i < this.#required && bound[i] === undefined);
    if (missing >= 0) throw new TemplateError(`${this.#function} needs ${this.#names[missing]}`);
    if (this.#takesMore) bound.push(positional.slice(count));
    return bound;
  }
}

/** A function of the environment, or a method with its object. */
export class BuiltIn extends Callable {
  readonly type = 'builtin_function_or_method';
  readonly #name: string;
  readonly #call: (run: Run, args: Arguments) => Value;

  constructor(name: string, call: (run: Run, args: Arguments) => Value) {
    super();
    this.#name = name;
    this.#call = call;
  }

  call(run: Run, args: Arguments): Value {
    return this.#call(run, args);
  }

  override describe(): string {
    return `<built-in method ${this.#name}>`;
  }
}

/** What a filter, a test or a method does with the value that it is applied to. */
export type Operation<T = Value> = (run: Run, value: T, ...args: (Value | undefined)[]) => Value;

export interface Entry<T = Value> {
  parameters: Parameters;
  operation: Operation<T>;
}

/** A table of operations from their signatures, such as 'strip(/, chars?)'. */
export function operations<T = Value>(table: Record<string, Operation<T>>): Map<string, Entry<T>> {
  const entries = new Map<string, Entry<T>>();
  for (const [signature, operation] of Object.entries(table)) {
    const [, names, parameters] = /^([^(]+)\((.*)\)$/.exec(signature)!;
    for (const name of names!.split(' ')) {
      entries.set(name, { parameters: new Parameters(name, parameters!), operation });
    }
  }
  return entries;
}

export function apply<T>({ parameters, operation }: Entry<T>, run: Run, value: T, args: Arguments): Value {
  return operation(run, value, ...parameters.bind(args));
}
