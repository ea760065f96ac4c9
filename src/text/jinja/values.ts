/**
 * Python's values as a template has them. Integers are bigint and floats are number, so that 1 and
 * 1.0 stay apart; texts are strings, lists are arrays, None is null. No value of JavaScript's own
 * is ever in reach of a template: attributes are those that a class here lists.
 */
import { TemplateError } from './errors.ts';

export type Value = null | boolean | bigint | number | string | Value[] | PythonObject;

export abstract class PythonObject {
  /** The name of the type in Python. */
  abstract readonly type: string;

  /** A field that the type lists; undefined where there is none. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }

  /** What is printed of it. */
  describe(): string {
    return `<${this.type} object>`;
  }
}

/**
 * What a name or a field that is not there gives. It prints as nothing, and most uses of it fail.
 */
export class Undefined extends PythonObject {
  readonly type = 'Undefined';
  readonly #problem: string;

  constructor(problem: string) {
    super();
    this.#problem = problem;
  }

  fail(): never {
    throw new TemplateError(this.#problem);
  }

  override describe(): string {
    return 'Undefined';
  }
}

export class Tuple extends PythonObject {
  readonly type = 'tuple';
  readonly items: Value[];
  /** Names of the items, of a tuple that groupby makes. */
  readonly #names: readonly string[];

  constructor(items: Value[], names: readonly string[] = []) {
    super();
    this.items = items;
    this.#names = names;
  }

  override attribute(name: string): Value | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.items[index];
  }
}

export class Dict extends PythonObject {
  readonly type = 'dict';
  readonly #entries = new Map<unknown, [Value, Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super();
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashKey(key));
  }

  /** Only while the dict is made: templates cannot change one. */
  set(key: Value, value: Value): void {
    const hash = hashKey(key);
    const entry = this.#entries.get(hash);
    if (entry) entry[1] = value;
    else this.#entries.set(hash, [key, value]);
  }

  *keys(): Generator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  entries(): Iterable<[Value, Value]> {
    return this.#entries.values();
  }
}

/** What keys(), values() and items() of a dict give. */
export class DictView extends PythonObject {
  readonly type: 'dict_keys' | 'dict_values' | 'dict_items';
  readonly dict: Dict;

  constructor(type: DictView['type'], dict: Dict) {
    super();
    this.type = type;
    this.dict = dict;
  }

  *items(): Generator<Value> {
    for (const [key, value] of this.dict.entries()) {
      if (this.type === 'dict_keys') yield key;
      else yield this.type === 'dict_values' ? value : new Tuple([key, value]);
    }
  }
}

export class Range extends PythonObject {
  readonly type = 'range';
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;

  constructor(start: bigint, stop: bigint, step: bigint) {
    super();
    this.start = start;
    this.stop = stop;
    this.step = step;
  }

  get length(): number {
    const { start, stop, step } = this;
    const distance = step > 0n ? stop - start + step - 1n : start - stop - step - 1n;
    const size = step > 0n ? step : -step;
    return distance <= 0n ? 0 : Number(distance / size);
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step;
  }

  *items(): Generator<Value> {
    for (let i = 0; i < this.length; ++i) yield this.at(i);
  }

  override describe(): string {
    const step = this.step === 1n ? '' : `, ${this.step}`;
    return `range(${this.start}, ${this.stop}${step})`;
  }
}

/** Values that can be gone through once, such as those of map and select. */
export class Once extends PythonObject {
  readonly type: string;
  readonly items: Iterator<Value>;

  constructor(items: Iterator<Value>, type = 'generator') {
    super();
    this.items = items;
    this.type = type;
  }
}

/** Text that counts as HTML: what is joined to it is escaped. */
export class Markup extends PythonObject {
  readonly type = 'Markup';
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
  }
}

export class Namespace extends PythonObject {
  readonly type = 'Namespace';
  readonly values = new Map<string, Value>();

  override attribute(name: string): Value | undefined {
    return this.values.get(name);
  }
}

/** What Python's dict would know a key by. Throws TemplateError for a value that can change. */
export function hashKey(value: Value): unknown {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
      return value ? 1n : 0n;
    case 'number':
      return Number.isInteger(value) ? BigInt(value) : value;
  }
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) return Undefined;
  if (value instanceof Tuple) return tupleKey(value);
  if (Array.isArray(value) || value instanceof Dict) {
    throw new TemplateError(`unhashable type: '${typeName(value)}'`);
  }
  return value;
}

function tupleKey({ items }: Tuple): string {
  const keys = items.map((item) => {
    const key = hashKey(item);
    if (key === Undefined) return 'undefined';
    if (typeof key === 'object' && key !== null) {
      throw new TemplateError(`a tuple with a ${typeName(item)} cannot be a key here`);
    }
    return `${typeof key} ${JSON.stringify(String(key))}`;
  });
  // No text that could be a key itself begins so.
  return `\ud800\ud800tuple(${keys.join(',')})`;
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'float';
    case 'string':
      return 'str';
  }
  return Array.isArray(value) ? 'list' : value.type;
}

/** Python's bool(value). */
export function isTrue(value: Value): boolean {
  if (typeof value === 'number') return value !== 0;
  if (typeof value !== 'object' || value === null) return Boolean(value);
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof DictView) return value.dict.size > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof Markup) return value.text !== '';
  return !(value instanceof Undefined);
}

/** The text of a str or Markup; undefined for other values. */
export function textOf(value: Value | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Markup ? value.text : undefined;
}
