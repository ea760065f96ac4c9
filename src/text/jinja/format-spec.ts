/** Python's formatting of one value: the part behind the colon in '{:>8.2f}'. */
import { TemplateError } from './errors.ts';
import { exponentText, fixed, floatText, scientific } from './numbers.ts';
import { str } from './printing.ts';
import { length, substring } from './python-text.ts';
import type { Run } from './run.ts';
import { textOf, typeName, type Value } from './values.ts';

export interface Spec {
  fill: string;
  align: '' | '<' | '>' | '=' | '^';
  /** A width that begins with 0 is filled behind the sign of a number. */
  zeros: boolean;
  sign: '' | '+' | '-' | ' ';
  alternate: boolean;
  width: number;
  grouping: '' | ',' | '_';
  precision: number | undefined;
  type: string;
}

const pattern = /^(?:([\s\S])?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/u;

/** Throws TemplateError for what is no format. */
export function parseSpec(text: string): Spec {
  const match = pattern.exec(text);
  if (!match || match[4]) throw new TemplateError(`invalid format specifier '${text}'`);
  const [, fill, align, sign, , alternate, zero, width, grouping, precision, type] = match;
  return {
    fill: fill ?? (zero ? '0' : ' '),
    align: (align ?? '') as Spec['align'],
    zeros: zero !== undefined,
    sign: (sign ?? '') as Spec['sign'],
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping: (grouping ?? '') as Spec['grouping'],
    precision: precision === undefined ? undefined : Number(precision),
    type: type ?? '',
  };
}

/** Throws TemplateError for a type that does not fit the value. */
export function formatValue(run: Run, value: Value, text: string): string {
  const number = typeof value === 'boolean' && text !== '' ? BigInt(value) : value;
  if (typeof number === 'bigint' || typeof number === 'number')
    return formatNumber(run, number, parseSpec(text));
  if (text === '') return str(run, value);
  const plain = textOf(value);
  if (plain === undefined) {
    throw new TemplateError(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  const spec = parseSpec(text);
  if (!/^s?$/.test(spec.type) || spec.sign || spec.alternate || spec.grouping || spec.align === '=') {
    throw new TemplateError(`invalid format specifier '${text}' for a text`);
  }
  const shown = spec.precision === undefined ? plain : substring(plain, 0, spec.precision);
  return aligned(run, '', shown, { ...spec, align: spec.align || '<' });
}

export function formatNumber(run: Run, value: bigint | number, spec: Spec): string {
  run.budget.charge(spec.precision ?? 0);
  const isFloat = typeof value === 'number' || /[eEfFgG%]/.test(spec.type);
  const digits = isFloat ? floatDigits(Number(value), spec) : integerDigits(value as bigint, spec);
  if (typeof value === 'number' && /[bcdosxX]/.test(spec.type)) {
    throw new TemplateError(`unknown format code '${spec.type}' for a float`);
  }
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? '-' : spec.sign === '+' || spec.sign === ' ' ? spec.sign : '';
  const prefix = spec.alternate && !isFloat ? ({ b: '0b', o: '0o', x: '0x', X: '0X' }[spec.type] ?? '') : '';
  const align = spec.align || (spec.zeros ? '=' : '>');
  const zeros = spec.fill === '0' && align === '=';
  const grouped = grouping(digits, spec, zeros ? spec.width - sign.length - prefix.length : 0);
  return aligned(run, sign + prefix, grouped, { ...spec, align });
}

function integerDigits(value: bigint, { type, precision }: Spec): string {
  if (precision !== undefined) throw new TemplateError('precision is not allowed for an integer');
  const size = value < 0n ? -value : value;
  switch (type) {
    case 'b':
      return size.toString(2);
    case 'o':
      return size.toString(8);
    case 'x':
      return size.toString(16);
    case 'X':
      return size.toString(16).toUpperCase();
    case 'c':
      if (value < 0n || value > 0x10ffffn) throw new TemplateError('%c needs the number of a character');
      return String.fromCodePoint(Number(value));
    case 's':
      throw new TemplateError("unknown format code 's' for an int");
    default:
      return size.toString();
  }
}

function floatDigits(value: number, { type, precision, alternate }: Spec): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) {
    const text = Number.isNaN(value) ? 'nan' : 'inf';
    return /[EFG]/.test(type) ? text.toUpperCase() : `${text}${type === '%' ? '%' : ''}`;
  }
  switch (type) {
    case 'f':
    case 'F':
      return fixed(size, precision ?? 6);
    case '%':
      return `${fixed(size * 100, precision ?? 6)}%`;
    case 'e':
    case 'E': {
      const [mantissa, exponent] = scientific(size, precision ?? 6);
      return `${mantissa}${type}${exponentText(exponent)}`;
    }
    case 'g':
    case 'G':
    case 'n': {
      const text = general(size, precision ?? 6, alternate);
      return type === 'G' ? text.toUpperCase() : text;
    }
    default:
      return precision === undefined ? floatText(size) : withPoint(size, precision);
  }
}

/** Significant digits without zeros at the end, with an exponent where it is far from 0. */
export function general(size: number, precision: number, keepsZeros: boolean): string {
  const digits = Math.max(precision, 1);
  const [mantissa, exponent] = scientific(size, digits - 1);
  const trimmed = (text: string) => (keepsZeros || !text.includes('.') ? text : text.replace(/\.?0+$/, ''));
  if (exponent < -4 || exponent >= digits) return `${trimmed(mantissa)}e${exponentText(exponent)}`;
  return trimmed(fixed(size, digits - 1 - exponent));
}

/** As general, with one digit behind the point at least. */
function withPoint(size: number, precision: number): string {
  const digits = Math.max(precision, 1);
  const [, exponent] = scientific(size, digits - 1);
  const text = general(size, precision, false);
  if (text.includes('e')) return text;
  if (exponent >= digits - 1) {
    const [mantissa, power] = scientific(size, digits - 1);
    return `${mantissa.replace(/\.?0+$/, '')}e${exponentText(power)}`;
  }
  return text.includes('.') ? text : `${text}.0`;
}

function grouping(digits: string, { grouping: mark, type }: Spec, width: number): string {
  if (mark === '') return digits;
  if (/[cn]/.test(type) || (mark === ',' && /[box]/i.test(type))) {
    throw new TemplateError(`cannot specify '${mark}' with '${type}'`);
  }
  const [, whole = '', rest = ''] = /^([0-9a-fA-F]*)([\s\S]*)$/.exec(digits)!;
  const size = /[boxX]/.test(type) ? 4 : 3;
  let text = whole;
  // Zeros that fill a width are grouped as well.
  const grouped = (plain: string) => plain.replace(new RegExp(`(?!^)(?=(?:.{${size}})+$)`, 'g'), mark);
  while (grouped(text).length + rest.length < Math.min(width, 1000)) text = `0${text}`;
  const result = grouped(text);
  return result + rest;
}

function aligned(run: Run, prefix: string, text: string, { fill, align, width }: Spec): string {
  const missing = Math.max(0, width - length(prefix) - length(text));
  run.budget.charge(missing);
  const filler = (count: number) => fill.repeat(count);
  switch (align) {
    case '<':
      return prefix + text + filler(missing);
    case '^': {
      const left = Math.floor(missing / 2);
      return filler(left) + prefix + text + filler(missing - left);
    }
    case '=':
      return prefix + filler(missing) + text;
    default:
      return filler(missing) + prefix + text;
  }
}
