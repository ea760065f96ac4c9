/** Filters of lists and other values that hold values. */
import { field, itemOf } from './access.ts';
import { integerArgument, textArgument } from './arguments.ts';
import { binary } from './arithmetic.ts';
import { asNumber, equal, order, sortBy } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { type Entry, operations } from './functions.ts';
import { backwards, iterate, toList } from './iteration.ts';
import { plainValue } from './marks.ts';
import { str } from './printing.ts';
import type { Run } from './run.ts';
import {
  Dict,
  DictView,
  hashKey,
  isTrue,
  Markup,
  Once,
  Tuple,
  textOf,
  Undefined,
  type Value,
} from './values.ts';

type Getter = (item: Value) => Value;

/** Reads a field by a path such as 'function.name'; a number in it is an index. */
export function getter(run: Run, attribute: Value | undefined, otherwise?: Value): Getter {
  if (attribute === undefined || attribute === null) return (item) => item;
  const text = textOf(attribute);
  const path: Value[] = text === undefined ? [attribute] : run.plain(text).split('.').map(part);
  return (item) => {
    let value = item;
    for (const name of path) {
      value = itemOf(run, value, name);
      if (otherwise !== undefined && otherwise !== null && value instanceof Undefined) value = otherwise;
    }
    return value;
  };
}

function part(name: string): Value {
  return /^\d+$/.test(name) ? BigInt(name) : name;
}

function folded(caseSensitive: Value | undefined, get: Getter): Getter {
  if (isTrue(caseSensitive ?? false)) return get;
  return (item) => {
    const value = get(item);
    const text = textOf(value);
    return text === undefined ? value : text.toLowerCase();
  };
}

function sort(run: Run, value: Value, reverse?: Value, caseSensitive?: Value, attribute?: Value): Value[] {
  const text = textOf(attribute);
  const paths: (Value | undefined)[] = text === undefined ? [attribute] : run.plain(text).split(',');
  const getters = paths.map((path) => folded(caseSensitive, getter(run, path)));
  const key = (item: Value): Value[] => getters.map((get) => get(item));
  return sortBy(run, toList(run, value), key, isTrue(reverse ?? false));
}

function dictSort(run: Run, value: Value, caseSensitive?: Value, by?: Value, reverse?: Value): Value[] {
  if (value instanceof Undefined) value.fail();
  if (!(value instanceof Dict)) throw new TemplateError('dictsort needs a dict');
  const which = by === undefined ? 'key' : textOf(by);
  if (which !== 'key' && which !== 'value') throw new TemplateError('dictsort sorts by key or value');
  const items = Array.from(value.entries(), (entry) => new Tuple([...entry]));
  run.budget.chargeItems(items.length);
  const get = folded(caseSensitive, (item) => (item as Tuple).items[which === 'key' ? 0 : 1]!);
  return sortBy(run, items, get, isTrue(reverse ?? false));
}

function groupBy(
  run: Run,
  value: Value,
  attribute?: Value,
  otherwise?: Value,
  caseSensitive?: Value,
): Value[] {
  const read = getter(run, attribute, otherwise);
  const key = folded(caseSensitive, read);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sortBy(run, toList(run, value), key, false)) {
    const itemKey = key(item);
    const last = groups.at(-1);
    if (last && equal(run, last.key, itemKey)) last.items.push(item);
    else groups.push({ key: itemKey, items: [item] });
  }
  return groups.map(({ items }) => new Tuple([read(items[0]!), items], ['grouper', 'list']));
}

function* unique(run: Run, value: Value, caseSensitive?: Value, attribute?: Value): Generator<Value> {
  const key = folded(caseSensitive, getter(run, attribute));
  const seen = new Set<unknown>();
  for (const item of iterate(run, value)) {
    const hash = hashKey(plainValue(run, key(item)));
    if (seen.has(hash)) continue;
    seen.add(hash);
    yield item;
  }
}

function extreme(sign: 1 | -1, name: string) {
  return (run: Run, value: Value, caseSensitive?: Value, attribute?: Value): Value => {
    const key = folded(caseSensitive, getter(run, attribute));
    let best: { item: Value; key: Value } | undefined;
    for (const item of iterate(run, value)) {
      const itemKey = key(item);
      if (!best || sign * order(run, itemKey, best.key) > 0) best = { item, key: itemKey };
    }
    return best ? best.item : new Undefined(`No ${name} item, sequence was empty.`);
  };
}

function sum(run: Run, value: Value, attribute?: Value, start: Value = 0n): Value {
  if (textOf(start) !== undefined) throw new TemplateError("sum() can't sum strings");
  const get = getter(run, attribute);
  let total = start;
  for (const item of iterate(run, value)) total = binary(run, '+', total, get(item));
  return total;
}

function join(run: Run, value: Value, separator?: Value, attribute?: Value): string {
  const between = separator === undefined ? '' : run.whole(str(run, separator));
  const get = getter(run, attribute);
  const texts: string[] = [];
  for (const item of iterate(run, value)) {
    const text = str(run, get(item));
    run.budget.charge(text.length + between.length);
    texts.push(text);
  }
  return texts.join(between);
}

function first(run: Run, value: Value): Value {
  for (const item of iterate(run, value)) return item;
  return new Undefined('No first item, sequence was empty.');
}

function reverse(run: Run, value: Value): Value {
  const text = textOf(value);
  if (text !== undefined) {
    const reversed = toList(run, text).reverse().join('');
    return value instanceof Markup ? new Markup(reversed) : reversed;
  }
  if (value instanceof Once) return toList(run, value).reverse();
  return new Once(backwards(run, value)[Symbol.iterator](), 'list_reverseiterator');
}

function* batch(run: Run, value: Value, size?: Value, fill?: Value): Generator<Value> {
  // Any value may stand for the size; one that is no number never fills a row.
  const count = Number(asNumber(size!) ?? Number.NaN);
  let row: Value[] = [];
  for (const item of iterate(run, value)) {
    if (row.length === count) {
      yield row;
      row = [];
    }
    row.push(item);
  }
  if (row.length === 0) return;
  if (fill !== undefined && fill !== null && !(row.length >= count)) {
    run.budget.chargeItems(integerArgument(size, 0, 'linecount') - row.length);
    while (row.length < count) row.push(fill);
  }
  yield row;
}

function* slices(run: Run, value: Value, count?: Value, fill?: Value): Generator<Value> {
  const items = toList(run, value);
  const parts = integerArgument(count, 0, 'slices');
  if (parts === 0) throw new TemplateError('slice needs a number of slices other than 0');
  const size = Math.floor(items.length / parts);
  const longer = items.length - size * parts;
  let at = 0;
  for (let i = 0; i < parts; ++i) {
    run.budget.chargeItems(1);
    const row = items.slice(at, at + size + (i < longer ? 1 : 0));
    at += row.length;
    if (fill !== undefined && fill !== null && i >= longer) row.push(fill);
    yield row;
  }
}

function* items(run: Run, value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw new TemplateError('Can only get item pairs from a mapping.');
  yield* iterate(run, new DictView('dict_items', value));
}

export const sequenceFilters: Map<string, Entry> = operations({
  'attr(name)': (run, value, name) => {
    if (value instanceof Undefined) value.fail();
    const wanted = run.plain(textArgument(name, 'the name of an attribute'));
    return field(value, wanted) ?? new Undefined(`there is no attribute ${wanted}`);
  },
  'batch(linecount, fill_with?)': (run, value, size, fill) => new Once(batch(run, value, size, fill)),
  'dictsort(case_sensitive?, by?, reverse?)': dictSort,
  'first()': first,
  'groupby(attribute, default?, case_sensitive?)': groupBy,
  'items()': (run, value) => new Once(items(run, value)),
  'join(d?, attribute?)': join,
  'last()': (run, value) => {
    const [item] = backwards(run, value);
    return item === undefined ? new Undefined('No last item, sequence was empty.') : item;
  },
  'list()': toList,
  'max(case_sensitive?, attribute?)': extreme(1, 'largest'),
  'min(case_sensitive?, attribute?)': extreme(-1, 'smallest'),
  'reverse()': reverse,
  'slice(slices, fill_with?)': (run, value, count, fill) => new Once(slices(run, value, count, fill)),
  'sort(reverse?, case_sensitive?, attribute?)': sort,
  'sum(attribute?, start?)': sum,
  'unique(case_sensitive?, attribute?)': (run, value, caseSensitive, attribute) => {
    return new Once(unique(run, value, caseSensitive, attribute));
  },
});
