/** Methods of Python's own types, those that change nothing. */
import { asNumber, equal } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { type Arguments, apply, BuiltIn, type Entry, operations } from './functions.ts';
import { applyMethod, plainValue } from './marks.ts';
import { escapeHtml } from './printing.ts';
import type { Run } from './run.ts';
import { formatText } from './str-format.ts';
import { textMethods } from './text-methods.ts';
import { Dict, DictView, Markup, Range, Tuple, textOf, type Value } from './values.ts';

const dictMethods = operations<Dict>({
  'copy()': (_run, dict) => new Dict(dict.entries()),
  'get(/, key, default?)': (run, dict, key, otherwise = null) => {
    const value = dict.get(plainValue(run, key!));
    return value === undefined ? otherwise : value;
  },
  'items()': (_run, dict) => new DictView('dict_items', dict),
  'keys()': (_run, dict) => new DictView('dict_keys', dict),
  'values()': (_run, dict) => new DictView('dict_values', dict),
});

function countOf(run: Run, items: readonly Value[], value: Value): bigint {
  return BigInt(items.filter((item) => equal(run, item, value)).length);
}

function indexIn(run: Run, items: readonly Value[], value: Value, from: Value = 0n, to?: Value): bigint {
  const [start, stop] = [asNumber(from), asNumber(to ?? BigInt(items.length))];
  if (typeof start !== 'bigint' || typeof stop !== 'bigint') throw new TemplateError('an index must be int');
  const place = (at: bigint) => Number(at < 0n ? at + BigInt(items.length) : at);
  const index = items.findIndex((item, i) => {
    return i >= place(start) && i < place(stop) && equal(run, item, value);
  });
  if (index < 0) throw new TemplateError('the value is not in the sequence');
  return BigInt(index);
}

const sequenceMethods = operations<Value[]>({
  'count(/, value)': (run, items, value) => countOf(run, items, value!),
  'index(/, value, start?, stop?)': (run, items, value, from, to) => indexIn(run, items, value!, from, to),
});

const listMethods = operations<Value[]>({
  'copy()': (run, items) => {
    run.budget.chargeItems(items.length);
    return [...items];
  },
});

const integerMethods = operations<bigint>({
  'bit_length()': (_run, value) => {
    return BigInt(value === 0n ? 0 : (value < 0n ? -value : value).toString(2).length);
  },
  'conjugate()': (_run, value) => value,
});

const floatMethods = operations<number>({
  'is_integer()': (_run, value) => Number.isInteger(value),
  'conjugate()': (_run, value) => value,
});

const changing: [(value: Value) => boolean, string[]][] = [
  [(value) => value instanceof Dict, ['clear', 'pop', 'popitem', 'setdefault', 'update']],
  [
    (value) => Array.isArray(value),
    ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
  ],
];

/** The sandbox gives out no method that would change a list or a dict. */
export function isForbidden(object: Value, name: string): boolean {
  return changing.some(([isOf, names]) => isOf(object) && names.includes(name));
}

/** A method of a value; undefined where its type has none of that name. */
export function method(object: Value, name: string): Value | undefined {
  if (object instanceof Markup) return markupMethod(object, name);
  if (typeof object === 'string') return textMethod(object, name);
  if (object instanceof Dict) return bound(dictMethods.get(name), name, object);
  if (Array.isArray(object)) {
    return bound(listMethods.get(name) ?? sequenceMethods.get(name), name, object);
  }
  if (object instanceof Tuple) return bound(sequenceMethods.get(name), name, object.items);
  if (object instanceof Range) return rangeMethod(object, name);
  const number = asNumber(object);
  if (number === undefined) return undefined;
  if (name === 'real') return number;
  if (name === 'imag') return typeof number === 'bigint' ? 0n : 0;
  if (typeof number === 'number') return bound(floatMethods.get(name), name, number);
  if (name === 'numerator') return number;
  return name === 'denominator' ? 1n : bound(integerMethods.get(name), name, number);
}

function bound<T>(entry: Entry<T> | undefined, name: string, object: T): Value | undefined {
  return entry && new BuiltIn(name, (run, args) => apply(entry, run, object, args));
}

function rangeMethod(range: Range, name: string): Value | undefined {
  if (name === 'start' || name === 'stop' || name === 'step') return range[name];
  const entry = sequenceMethods.get(name);
  return entry && new BuiltIn(name, (run, args) => apply(entry, run, [...range.items()], args));
}

function textMethod(text: string, name: string): Value | undefined {
  if (name === 'format' || name === 'format_map') {
    return new BuiltIn(name, (run, args) => formatText(run, text, formatArguments(name, args)));
  }
  const entry = textMethods.get(name);
  if (!entry) return undefined;
  return new BuiltIn(name, (run, args) => {
    run.budget.charge(text.length);
    return applyMethod(run, name, entry, text, args);
  });
}

function formatArguments(name: string, args: Arguments): Arguments {
  if (name === 'format') return args;
  const [mapping] = args.positional;
  if (!(mapping instanceof Dict) || args.positional.length > 1 || args.named.size > 0) {
    throw new TemplateError('format_map takes one dict');
  }
  const entries = Array.from(mapping.entries(), ([key, value]): [string, Value] => [
    textOf(key) ?? '',
    value,
  ]);
  return { positional: [], named: new Map(entries) };
}

/** Methods of text that is HTML escape the texts that they are given, and give HTML. */
function markupMethod(markup: Markup, name: string): Value | undefined {
  const plain = textMethod(markup.text, name);
  if (!(plain instanceof BuiltIn)) return undefined;
  return new BuiltIn(name, (run, { positional, named }) => {
    const escaped = (value: Value): Value => {
      if (Array.isArray(value)) return value.map(escaped);
      return typeof value === 'string' ? escapeHtml(run, value) : value;
    };
    const args = {
      positional: positional.map(escaped),
      named: new Map(Array.from(named, ([key, value]) => [key, escaped(value)])),
    };
    return marked(plain.call(run, args));
  });
}

function marked(value: Value): Value {
  if (typeof value === 'string') return new Markup(value);
  if (Array.isArray(value)) return value.map(marked);
  return value instanceof Tuple ? new Tuple(value.items.map(marked)) : value;
}
