/** Compares a value with a shape. The result says at which key they differ first. */
import type { ObjectShape, Shape } from './shapes.ts';

/** Where a value differs from its shape. */
export interface Difference {
  /** Keys from the argument to the place: `optimizer.beta2`, `messages[3].role`. */
  path: string;
  value: unknown;
  /** Absent for a key that the object does not have. */
  expected?: Shape;
  /** The keys that the object may have, for an unknown key. */
  known?: readonly string[];
}

export class ShapeChecker {
  readonly #objects: readonly ObjectShape[];
  readonly #classes: Readonly<Record<string, unknown>>;
  readonly #isStrict: boolean;

  /**
   * @param classes the classes of the API by name; those of the language need not be there
   * @param isStrict whether a closed object may have no unknown key and no NaN
   */
  constructor(
    objects: readonly ObjectShape[],
    classes: Readonly<Record<string, unknown>>,
    isStrict: boolean,
  ) {
    this.#objects = objects;
    this.#classes = classes;
    this.#isStrict = isStrict;
  }

  /** The first difference, or undefined when the value has the shape. */
  difference(value: unknown, shape: Shape, path: string): Difference | undefined {
    if (typeof shape === 'string') return isOf(value, shape) ? undefined : { path, value, expected: shape };
    if ('is' in shape) return value === shape.is ? undefined : { path, value, expected: shape };
    if ('any' in shape) return this.#differenceFromAll(value, shape, path);
    if ('list' in shape) return this.#listDifference(value, shape, path);
    if ('of' in shape)
      return this.#isInstance(value, shape.of) ? undefined : { path, value, expected: shape };
    return this.#objectDifference(value, this.#objects[shape.ref]!, path);
  }

  /** Of several differences the deepest is told: it is of the shape that was meant. */
  #differenceFromAll(value: unknown, shape: { any: readonly Shape[] }, path: string): Difference | undefined {
    let deepest: Difference | undefined;
    for (const one of shape.any) {
      const difference = this.difference(value, one, path);
      if (!difference) return undefined;
      if (difference.path.length > (deepest?.path.length ?? path.length)) deepest = difference;
    }
    return deepest ?? { path, value, expected: shape };
  }

  #listDifference(value: unknown, shape: { list: Shape }, path: string): Difference | undefined {
    if (!Array.isArray(value)) return { path, value, expected: shape };
    for (let i = 0; i < value.length; ++i) {
      const difference = this.difference(value[i], shape.list, `${path}[${i}]`);
      // The rows of a list are data: they may have keys of their own.
      if (difference && !difference.known) return difference;
    }
    return undefined;
  }

  #objectDifference(value: unknown, { keys, closed }: ObjectShape, path: string): Difference | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { path, value, expected: 'object' };
    }
    const given = value as Readonly<Record<string, unknown>>;
    if (closed && this.#isStrict && isPlain(value)) {
      const unknown = Object.keys(given).find((key) => !Object.hasOwn(keys, key));
      if (unknown !== undefined) {
        return { path: join(path, unknown), value: given[unknown], known: Object.keys(keys) };
      }
    }
    for (const [key, shape] of Object.entries(keys)) {
      if (closed && this.#isStrict && Number.isNaN(given[key])) {
        return { path: join(path, key), value: given[key], expected: shape };
      }
      const difference = this.difference(given[key], shape, join(path, key));
      if (difference) return difference;
    }
    return undefined;
  }

  #isInstance(value: unknown, name: string): boolean {
    const own = this.#classes[name];
    if (typeof own === 'function') return value instanceof own;
    const type = (globalThis as Readonly<Record<string, unknown>>)[name];
    // A test runner may have classes of the language of its own: their names are the same.
    return typeof type !== 'function' || value instanceof type || tagOf(value) === `[object ${name}]`;
  }
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** Whether an object was written as `{…}`. Instances of classes have members of their own. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isOf(value: unknown, kind: Shape & string): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'null':
      return value === null;
    case 'object':
      return typeof value === 'object' && value !== null;
    case 'iterable':
      return typeof value === 'string' || (isObject(value) && Symbol.iterator in value);
    case 'asyncIterable':
      return isObject(value) && Symbol.asyncIterator in value;
    case 'arrayLike':
      return isObject(value) && 'length' in value;
    default:
      return typeof value === kind;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** What a shape takes, in words: "a number", "`f32` or `bf16`". */
export function expectation(shape: Shape): string {
  if (typeof shape === 'string') return words[shape];
  if ('is' in shape) return JSON.stringify(shape.is);
  if ('list' in shape) return 'a list';
  if ('of' in shape) return `${/^[AEIO]/.test(shape.of) ? 'an' : 'a'} ${shape.of}`;
  if ('ref' in shape) return 'an object';
  const all = [...new Set(shape.any.filter((one) => one !== 'undefined').map(expectation))];
  return all.length > 1 ? `${all.slice(0, -1).join(', ')} or ${all.at(-1)}` : (all[0] ?? 'nothing');
}

const words: Readonly<Record<Shape & string, string>> = {
  any: 'a value',
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  bigint: 'a bigint',
  undefined: 'nothing',
  null: 'null',
  function: 'a function',
  object: 'an object',
  iterable: 'an iterable',
  asyncIterable: 'an asynchronous iterable',
  arrayLike: 'a list',
};
