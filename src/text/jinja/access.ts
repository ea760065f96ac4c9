/** Fields, items and slices of values, as Jinja2's sandbox gives them. */
import { TemplateError } from './errors.ts';
import { iterate } from './iteration.ts';
import { plainValue } from './marks.ts';
import { isForbidden, method } from './methods.ts';
import { repr } from './printing.ts';
import { length, substring } from './python-text.ts';
import type { Run } from './run.ts';
import {
  Dict,
  Markup,
  PythonObject,
  Range,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** `object.name`: a field or method of the type first, then the item of that name. */
export function attributeOf(run: Run, object: Value, name: string): Value {
  if (object instanceof Undefined) object.fail();
  const found = field(object, name);
  if (found !== undefined) return found;
  const item = object instanceof Dict ? object.get(name) : undefined;
  if (item !== undefined) return item;
  return new Undefined(`'${describe(run, object)}' has no attribute '${name}'`);
}

/** `object[key]`: the item first, then the field of that name. */
export function itemOf(run: Run, object: Value, key: Value): Value {
  if (object instanceof Undefined) object.fail();
  const item = subscript(run, object, key);
  if (item !== undefined) return item;
  const text = textOf(key);
  const name = text === undefined ? undefined : run.plain(text);
  const found = name === undefined ? undefined : field(object, name);
  if (found !== undefined) return found;
  return new Undefined(`${describe(run, object)} has no element ${repr(run, key)}`);
}

/** A field or method of a type. One that would change its object is undefined. */
export function field(object: Value, name: string): Value | undefined {
  if (isForbidden(object, name)) return new Undefined(`${name} of ${typeName(object)} is unsafe`);
  const own = object instanceof PythonObject ? object.attribute(name) : undefined;
  return own === undefined ? method(object, name) : own;
}

function describe(run: Run, object: Value): string {
  if (object === null) return 'None';
  return object instanceof PythonObject || Array.isArray(object)
    ? `${typeName(object)} object`
    : repr(run, object).slice(0, 60);
}

function subscript(run: Run, object: Value, key: Value): Value | undefined {
  if (object instanceof Dict) {
    try {
      return object.get(plainValue(run, key));
    } catch (error) {
      if (error instanceof TemplateError) return undefined;
      throw error;
    }
  }
  const index = typeof key === 'boolean' ? BigInt(key) : key;
  if (typeof index !== 'bigint') return undefined;
  const size = sequenceLength(object);
  if (size === undefined) return undefined;
  const at = Number(index < 0n ? index + BigInt(size) : index);
  if (at < 0 || at >= size) return undefined;
  if (Array.isArray(object)) return object[at];
  if (object instanceof Tuple) return object.items[at];
  if (object instanceof Range) return object.at(at);
  const text = textOf(object)!;
  run.budget.charge(text.length / 16);
  const character = substring(text, at, at + 1);
  return object instanceof Markup ? new Markup(character) : character;
}

function sequenceLength(object: Value): number | undefined {
  if (Array.isArray(object)) return object.length;
  if (object instanceof Tuple) return object.items.length;
  if (object instanceof Range) return object.length;
  const text = textOf(object);
  return text === undefined ? undefined : length(text);
}

/** `object[start:stop:step]`; bounds that are left out are undefined. */
export function slice(
  run: Run,
  object: Value,
  bounds: readonly [Value | undefined, Value | undefined, Value | undefined],
): Value {
  if (object instanceof Undefined) object.fail();
  const size = sequenceLength(object);
  if (size === undefined) throw new TemplateError(`'${typeName(object)}' object has no slices`);
  const given = bounds.map(bound);
  const [start, stop, step = 1] = given;
  if (step === 0) throw new TemplateError('slice step cannot be zero');
  const [first, last] = sliceRange(size, start, stop, step);
  const text = textOf(object);
  if (text !== undefined && step === 1) {
    run.budget.charge(Math.max(0, last - first) + text.length / 16);
    const part = substring(text, first, last);
    return object instanceof Markup ? new Markup(part) : part;
  }
  if (object instanceof Range) {
    const stride = object.step * BigInt(step);
    return new Range(object.at(first), object.at(last), stride);
  }
  const all =
    object instanceof Tuple ? object.items : Array.isArray(object) ? object : [...iterate(run, object)];
  run.budget.chargeItems(Math.max(0, Math.ceil((last - first) / step)));
  const items: Value[] = [];
  for (let i = first; step > 0 ? i < last : i > last; i += step) items.push(all[i]!);
  if (Array.isArray(object)) return items;
  if (object instanceof Tuple) return new Tuple(items);
  const joined = items.join('');
  return object instanceof Markup ? new Markup(joined) : joined;
}

function bound(value: Value | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'bigint') throw new TemplateError('slice indices must be integers or None');
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

function sliceRange(
  size: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): [number, number] {
  const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
  const place = (value: number) => {
    const index = value < 0 ? value + size : value;
    return Math.min(Math.max(index, lowest), highest);
  };
  const first = start === undefined ? (step > 0 ? lowest : highest) : place(start);
  const last = stop === undefined ? (step > 0 ? highest : lowest) : place(stop);
  return [first, last];
}
