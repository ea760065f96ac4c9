/** Values that hold others: going through them, counting and taking them. */
import { TemplateError } from './errors.ts';
import { LoopContext } from './loop-context.ts';
import { characters, length } from './python-text.ts';
import type { Run } from './run.ts';
import { Dict, DictView, Once, Range, Tuple, textOf, typeName, Undefined, type Value } from './values.ts';

/** The items of a value; undefined for one that has none. */
function itemsOf(value: Value): Iterable<Value> | undefined {
  if (Array.isArray(value)) return value;
  const text = textOf(value);
  if (text !== undefined) return characters(text);
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof DictView || value instanceof Range) return value.items();
  if (value instanceof Undefined) return [];
  if (value instanceof Once) return { [Symbol.iterator]: () => value.items };
  return undefined;
}

export function isIterable(value: Value): boolean {
  return itemsOf(value) !== undefined || value instanceof LoopContext;
}

/** Goes through the items of a value; each one is counted. Throws TemplateError where it has none. */
export function* iterate(run: Run, value: Value): Generator<Value> {
  const items = itemsOf(value);
  if (items === undefined) throw new TemplateError(`'${typeName(value)}' object is not iterable`);
  if (typeof value === 'string') run.budget.charge(value.length);
  const iterator = items[Symbol.iterator]();
  for (;;) {
    // A loop over the iterator would close it when it is left, and it may be gone on with.
    const { done, value: item } = iterator.next();
    if (done) return;
    run.budget.chargeItems(1);
    yield item;
  }
}

/** The items as a new list. */
export function toList(run: Run, value: Value): Value[] {
  return [...iterate(run, value)];
}

/** Python's len(); undefined for a value that has none. */
export function sizeOf(value: Value): number | undefined {
  if (Array.isArray(value)) return value.length;
  const text = textOf(value);
  if (text !== undefined) return length(text);
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Range || value instanceof LoopContext) return value.length;
  return value instanceof Undefined ? 0 : undefined;
}

export function lengthOf(run: Run, value: Value): bigint {
  const size = sizeOf(value);
  if (size === undefined) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  const text = textOf(value);
  if (text !== undefined) run.budget.charge(text.length / 16);
  return BigInt(size);
}

/** Values that have a last item and can be gone through backwards. */
export function backwards(run: Run, value: Value): Value[] {
  if (value instanceof Once || value instanceof LoopContext) {
    throw new TemplateError(`'${typeName(value)}' object is not reversible`);
  }
  return toList(run, value).reverse();
}
