/** Values as text: Python's str() and repr(). */

import { TemplateError } from './errors.ts';
import { floatText } from './numbers.ts';
import { characters } from './python-text.ts';
import type { Run } from './run.ts';
import { Dict, DictView, Markup, Namespace, Tuple, Undefined, type Value } from './values.ts';

const named: Record<string, string> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

const unprintable = /[\\\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

export function str(run: Run, value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) return '';
  return repr(run, value);
}

export function repr(run: Run, value: Value): string {
  const text = spelled(run, value);
  run.budget.charge(text.length);
  return text;
}

function spelled(run: Run, value: Value): string {
  if (value === null) return 'None';
  switch (typeof value) {
    case 'boolean':
      return value ? 'True' : 'False';
    case 'bigint':
      return integerText(value);
    case 'number':
      return floatText(value);
    case 'string':
      return quoted(run, value);
  }
  const list = (items: Iterable<Value>) => Array.from(items, (item) => repr(run, item)).join(', ');
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (value instanceof Tuple) return `(${list(value.items)}${value.items.length === 1 ? ',' : ''})`;
  if (value instanceof Dict) return dictText(run, value.entries());
  if (value instanceof DictView) return `${value.type}([${list(value.items())}])`;
  if (value instanceof Markup) return `Markup(${quoted(run, value.text)})`;
  if (value instanceof Namespace) {
    const entries = [...value.values].map(([key, item]): [Value, Value] => [key, item]);
    return `<Namespace ${dictText(run, entries)}>`;
  }
  return value.describe();
}

function dictText(run: Run, entries: Iterable<readonly [Value, Value]>): string {
  const parts = Array.from(entries, ([key, value]) => `${repr(run, key)}: ${repr(run, value)}`);
  return `{${parts.join(', ')}}`;
}

/** Python refuses to print longer ones. */
export function integerText(value: bigint): string {
  const text = value.toString();
  if (text.length > 4300) throw new TemplateError('an integer of more than 4,300 digits cannot be printed');
  return text;
}

function quoted(run: Run, given: string): string {
  const text = run.withPlainQuotes(given);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(unprintable, (character) => {
    if (run.isMark(character)) return character;
    const name = named[character];
    if (name !== undefined) return name;
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** Python's ascii(). */
export function asciiRepr(run: Run, value: Value): string {
  return repr(run, value).replace(/[^\0-\x7f]/gu, (character) => {
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
}

const html: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** A value as HTML: text that is marked as such stays as it is. */
export function escapeHtml(run: Run, value: Value): string {
  if (value instanceof Markup) return value.text;
  return run.plain(str(run, value)).replace(/[&<>"']/g, (character) => html[character]!);
}

/** Characters of a text as a list. */
export function characterList(run: Run, text: string): string[] {
  run.budget.chargeItems(text.length);
  return characters(text);
}
