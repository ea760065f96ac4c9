/** Filters of texts and single values. */

import { integerArgument, textArgument } from './arguments.ts';
import { binary, toFloat } from './arithmetic.ts';
import { asNumber } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { type Entry, type Operation, operations } from './functions.ts';
import { isIterable, iterate, lengthOf, toList } from './iteration.ts';
import { toJson } from './json-text.ts';
import { capitalize } from './letters.ts';
import { applyMethod, replaceText } from './marks.ts';
import { fixed, parseFloatText, parseInteger, rounded, roundedInteger } from './numbers.ts';
import { escapeHtml, str } from './printing.ts';
import { characters, length, lines, SPACE, strip, substring } from './python-text.ts';
import type { Run } from './run.ts';
import { padded, textMethods } from './text-methods.ts';
import { Dict, DictView, isTrue, Markup, Tuple, textOf, typeName, Undefined, type Value } from './values.ts';

/** A filter of a value's text; HTML stays HTML. */
function onText(change: (text: string) => string): Operation {
  return (run, value) => {
    const text = str(run, value);
    run.budget.charge(text.length);
    return value instanceof Markup ? new Markup(change(text)) : change(text);
  };
}

const wordBeginning = new RegExp(`([-({[<${SPACE}]+)`);

/** The filter begins words behind spaces, hyphens and opening brackets, unlike the method. */
function titled(text: string): string {
  const parts = text.split(wordBeginning);
  return parts
    .map((part) => {
      const [first = '', ...rest] = characters(part);
      return first.toUpperCase() + rest.join('').toLowerCase();
    })
    .join('');
}

function indented(run: Run, value: Value, width?: Value, first?: Value, blank?: Value): Value {
  if (value instanceof Undefined) value.fail();
  const text = textArgument(value, 'the text to indent');
  const space = textOf(width) ?? ' '.repeat(charged(run, Math.max(0, integerArgument(width, 4, 'width'))));
  const all = lines(`${text}\n`);
  run.budget.charge(all.length * space.length);
  const isBlank = isTrue(blank ?? false);
  const rest = all.slice(1).map((line) => (line !== '' || isBlank ? space + line : line));
  const result = (isTrue(first ?? false) ? space : '') + [all[0]!, ...rest].join('\n');
  return value instanceof Markup ? new Markup(result) : result;
}

function charged(run: Run, count: number): number {
  run.budget.charge(count);
  return count;
}

function toInteger(run: Run, value: Value, otherwise: Value = 0n, base: Value = 10n): Value {
  if (value instanceof Undefined) value.fail();
  const given = textOf(value);
  if (given !== undefined) {
    const text = run.plain(given);
    const radix = asNumber(base);
    if (typeof radix !== 'bigint') return fromFloat(text, otherwise);
    if (radix !== 0n && (radix < 2n || radix > 36n)) return fromFloat(text, otherwise);
    return parseInteger(strip(text, undefined, 'both'), Number(radix)) ?? fromFloat(text, otherwise);
  }
  const number = asNumber(value);
  if (number === undefined || Number.isNaN(number)) return otherwise;
  if (typeof number === 'bigint') return number;
  if (!Number.isFinite(number)) throw new TemplateError('cannot convert float infinity to integer');
  return BigInt(Math.trunc(number));
}

function fromFloat(text: string, otherwise: Value): Value {
  const number = parseFloatText(strip(text, undefined, 'both'));
  return number === undefined || !Number.isFinite(number) ? otherwise : BigInt(Math.trunc(number));
}

function toFloatValue(run: Run, value: Value, otherwise: Value = 0): Value {
  if (value instanceof Undefined) value.fail();
  const text = textOf(value);
  if (text !== undefined) {
    return parseFloatText(strip(run.plain(text), undefined, 'both')) ?? otherwise;
  }
  const number = asNumber(value);
  return number === undefined ? otherwise : toFloat(number);
}

function round(run: Run, value: Value, precision: Value = 0n, method: Value = 'common'): Value {
  const how = textOf(method);
  if (how !== 'common' && how !== 'ceil' && how !== 'floor') {
    throw new TemplateError('the method of round must be common, ceil or floor');
  }
  const number = asNumber(value);
  if (number === undefined) throw new TemplateError(`${typeName(value)} cannot be rounded`);
  if (how !== 'common') {
    const scale = binary(run, '**', 10n, precision);
    const scaled = asNumber(binary(run, '*', number, scale))!;
    const whole =
      typeof scaled === 'bigint' ? scaled : finite(how === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled));
    return binary(run, '/', whole, scale);
  }
  if (precision === null) return nearestInteger(number);
  const digits = integerArgument(precision, 0, 'precision');
  return typeof number === 'bigint' ? roundedInteger(number, BigInt(digits)) : rounded(number, digits);
}

/** round() without digits gives an integer. */
function nearestInteger(number: bigint | number): bigint {
  return typeof number === 'bigint' ? number : finite(rounded(number, 0));
}

function finite(number: number): bigint {
  if (!Number.isFinite(number)) throw new TemplateError('a number that is not finite cannot be rounded');
  return BigInt(number);
}

function absolute(value: Value): Value {
  const number = asNumber(value);
  if (number === undefined) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
  return typeof number === 'number' ? Math.abs(number) : number < 0n ? -number : number;
}

function truncated(
  run: Run,
  value: Value,
  size?: Value,
  killWords?: Value,
  end?: Value,
  leeway?: Value,
): Value {
  const wanted = integerArgument(size, 255, 'length');
  const ending = end === undefined ? '...' : textArgument(end, 'end');
  const slack = leeway === null ? 5 : integerArgument(leeway, 5, 'leeway');
  if (wanted < length(ending) || slack < 0)
    throw new TemplateError('truncate needs a larger length or leeway');
  if (Number(lengthOf(run, value)) <= wanted + slack) return value;
  const text = textArgument(value, 'the text to truncate');
  const cut = substring(text, 0, wanted - length(ending));
  if (isTrue(killWords ?? false)) return cut + ending;
  const space = cut.lastIndexOf(' ');
  return (space < 0 ? cut : cut.slice(0, space)) + ending;
}

function fileSize(run: Run, value: Value, binaryUnits?: Value): string {
  const text = textOf(value);
  const number = text === undefined ? asNumber(value) : parseFloatText(strip(text, undefined, 'both'));
  if (number === undefined) throw new TemplateError(`${typeName(value)} is no size`);
  const bytes = toFloat(number);
  const [base, infix] = isTrue(binaryUnits ?? false) ? [1024, 'i'] : [1000, ''];
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${finite(Math.trunc(bytes))} Bytes`;
  const units = [infix ? 'K' : 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
  const found = units.findIndex((_, i) => bytes < base ** (i + 2));
  const power = found < 0 ? units.length - 1 : found;
  run.budget.step();
  return `${fixed((base * bytes) / base ** (power + 2), 1)} ${units[power]}${infix}B`;
}

/** A text is quoted; pairs, such as those of a dict, become the query of a URL. */
function urlEncoded(run: Run, value: Value): string {
  if (textOf(value) !== undefined || !isIterable(value)) return urlQuoted(run, value, /[\w.~/-]/);
  const pairs = value instanceof Dict ? new DictView('dict_items', value) : value;
  const part = (of: Value) => urlQuoted(run, of, /[\w.~-]/).replaceAll('%20', '+');
  return Array.from(iterate(run, pairs), (pair) => {
    const parts = toList(run, pair);
    if (parts.length !== 2) throw new TemplateError(`a pair has ${parts.length} values`);
    return parts.map(part).join('=');
  }).join('&');
}

function urlQuoted(run: Run, value: Value, safe: RegExp): string {
  const text = run.plain(str(run, value));
  run.budget.charge(text.length * 3);
  return Array.from(Buffer.from(text, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    return safe.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

const unsupported =
  (name: string): Operation =>
  () => {
    throw new TemplateError(`the filter ${name} is not supported in chat templates`);
  };

export const textFilters: Map<string, Entry> = operations({
  'abs(/)': (_run, value) => absolute(value),
  'capitalize()': onText(capitalize),
  'center(width?)': (run, value, width = 80n) => padded(run, str(run, value), width, undefined, 'both'),
  'd default(default_value?, boolean?)': (_run, value, otherwise = '', boolean = false) => {
    return value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? otherwise : value;
  },
  'e escape forceescape()': (run, value) => new Markup(escapeHtml(run, value)),
  'filesizeformat(binary?)': fileSize,
  'float(default?)': toFloatValue,
  'indent(width?, first?, blank?)': indented,
  'int(default?, base?)': toInteger,
  'length count()': lengthOf,
  'lower()': onText((text) => text.toLowerCase()),
  'pprint()': unsupported('pprint'),
  'random()': unsupported('random'),
  'replace(old, new, count?)': (run, value, old, by, limit) => {
    const count = limit === null ? -1 : integerArgument(limit, -1, 'count');
    const text = str(run, value);
    run.budget.charge(text.length);
    return replaceText(run, text, str(run, old!), str(run, by!), count);
  },
  'round(precision?, method?)': round,
  'safe()': (run, value) => new Markup(str(run, value)),
  'string()': (run, value) => (value instanceof Markup ? value : str(run, value)),
  'striptags()': unsupported('striptags'),
  'title()': (run, value) => onText((text) => titled(run.plain(text)))(run, value),
  'tojson(ensure_ascii?, indent?, separators?, sort_keys?)': toJson,
  'trim(chars?)': (run, value, chars) => {
    const args = { positional: chars === undefined ? [] : [chars], named: new Map() };
    const stripped = (text: string) => applyMethod(run, 'strip', textMethods.get('strip')!, text, args);
    return onText((text) => stripped(text) as string)(run, value);
  },
  'truncate(length?, killwords?, end?, leeway?)': truncated,
  'upper()': onText((text) => text.toUpperCase()),
  'urlencode()': (run, value) => urlEncoded(run, value),
  'urlize(*more)': unsupported('urlize'),
  'wordcount()': (run, value) => BigInt(str(run, value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  'wordwrap(*more)': unsupported('wordwrap'),
  'xmlattr(*more)': unsupported('xmlattr'),
});

/** Format takes all its arguments as they come, so it is no entry of a table. */
export function formatFilter(run: Run, value: Value, positional: Value[], named: Value | undefined): Value {
  if (positional.length > 0 && named !== undefined) {
    throw new TemplateError("can't handle positional and keyword arguments at the same time");
  }
  const text = value instanceof Markup ? value : str(run, value);
  return binary(run, '%', text, named ?? new Tuple(positional));
}
