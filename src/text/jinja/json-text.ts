/** Python's json.dumps, which is what transformers makes of the filter tojson. */
import { TemplateError } from './errors.ts';
import { floatText } from './numbers.ts';
import { integerText, str } from './printing.ts';
import { compare } from './python-text.ts';
import type { Run } from './run.ts';
import { Dict, isTrue, Tuple, textOf, typeName, type Value } from './values.ts';

export interface JsonOptions {
  ascii: boolean;
  /** What a level is indented by; undefined for one line. */
  indent: string | undefined;
  itemSeparator: string;
  keySeparator: string;
  sortKeys: boolean;
}

const named: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

const CONTROL = '\x00-\x1f';
const unsafe = new RegExp(`["\\${CONTROL}]`, 'g');

export function jsonText(run: Run, value: Value, options: JsonOptions, level = 0): string {
  const text = valueText(run, value, options, level);
  run.budget.charge(text.length);
  return text;
}

function valueText(run: Run, value: Value, options: JsonOptions, level: number): string {
  const text = textOf(value);
  if (text !== undefined) return quoted(run, text, options.ascii);
  const scalar = scalarText(value);
  if (scalar !== undefined) return scalar;
  const nested = (item: Value) => jsonText(run, item, options, level + 1);
  if (Array.isArray(value)) return wrapped('[]', value.map(nested), options, level);
  if (value instanceof Tuple) return wrapped('[]', value.items.map(nested), options, level);
  if (value instanceof Dict) {
    const entries = [...value.entries()];
    if (options.sortKeys) sortByKey(run, entries);
    const parts = entries.map(([key, item]) => {
      return `${quoted(run, keyText(key), options.ascii)}${options.keySeparator}${nested(item)}`;
    });
    return wrapped('{}', parts, options, level);
  }
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function scalarText(value: Value): string | undefined {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'bigint') return integerText(value);
  if (typeof value !== 'number') return undefined;
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return floatText(value);
}

function keyText(key: Value): string {
  const text = textOf(key) ?? scalarText(key);
  if (text !== undefined) return text;
  throw new TemplateError(`a key of JSON must be a text or a number, not ${typeName(key)}`);
}

/** Python sorts by the keys as they are, so keys of several types have no order. */
function sortByKey(run: Run, entries: [Value, Value][]): void {
  const types = new Set(entries.map(([key]) => typeName(key)));
  if (types.size > 1) throw new TemplateError('keys of different types have no order');
  entries.sort(([a], [b]) => {
    return typeof a === 'bigint' ? Number(a) - Number(b) : compare(str(run, a), str(run, b));
  });
}

function wrapped(
  [open, close]: string,
  parts: string[],
  { indent, itemSeparator }: JsonOptions,
  level: number,
): string {
  if (parts.length === 0) return `${open}${close}`;
  if (indent === undefined) return `${open}${parts.join(itemSeparator)}${close}`;
  const inner = `\n${indent.repeat(level + 1)}`;
  return `${open}${inner}${parts.join(itemSeparator + inner)}\n${indent.repeat(level)}${close}`;
}

function quoted(run: Run, text: string, ascii: boolean): string {
  const special = ascii ? /["\\]|[^ -~]/gu : unsafe;
  const code = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const escaped = run.withPlainQuotes(text).replace(special, (character) => {
    if (run.isMark(character)) return character;
    return named[character] ?? character.split('').map(code).join('');
  });
  return `"${escaped}"`;
}

/** The filter with its arguments. */
export function toJson(
  run: Run,
  value: Value,
  ascii?: Value,
  indent?: Value,
  separators?: Value,
  sortKeys?: Value,
): string {
  const space = indentText(run, indent ?? null);
  const pair = separators instanceof Tuple ? separators.items : separators;
  let [itemSeparator, keySeparator] = [space === undefined ? ', ' : ',', ': '];
  if (pair !== undefined && pair !== null) {
    const [item, key] = Array.isArray(pair) ? pair.map(textOf) : [];
    if (item === undefined || key === undefined) throw new TemplateError('separators must be two texts');
    [itemSeparator, keySeparator] = [item, key];
  }
  return jsonText(run, value, {
    ascii: isTrue(ascii ?? false),
    indent: space,
    itemSeparator,
    keySeparator,
    sortKeys: isTrue(sortKeys ?? false),
  });
}

function indentText(run: Run, indent: Value): string | undefined {
  const text = textOf(indent);
  if (indent === null || text !== undefined) return text;
  const width = typeof indent === 'boolean' ? BigInt(indent) : indent;
  if (typeof width !== 'bigint') throw new TemplateError(`indent cannot be ${typeName(indent)}`);
  run.budget.charge(Math.max(0, Number(width)));
  return ' '.repeat(Math.max(0, Number(width)));
}
