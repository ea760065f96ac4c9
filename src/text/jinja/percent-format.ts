/** Python's '%s and %5.2f' % values. */
import { asNumber } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { formatNumber, type Spec } from './format-spec.ts';
import { asciiRepr, escapeHtml, integerText, repr, str } from './printing.ts';
import { length, substring } from './python-text.ts';
import type { Run } from './run.ts';
import { Dict, Markup, Range, Tuple, textOf, typeName, Undefined, type Value } from './values.ts';

const directive = /%(?:\(([^)]*)\))?([-#0 +]*)(\*|\d+)?(\.(?:\*|\d+)?)?[hlL]?([\s\S]|$)/gu;

/** `left` is str or Markup. Throws TemplateError where values are missing or left over. */
export function formatPercent(run: Run, left: Value, right: Value): Value {
  const template = textOf(left)!;
  run.budget.charge(template.length);
  if (left instanceof Markup) {
    const escaped = (value: Value): Value => (typeof value === 'string' ? escapeHtml(run, value) : value);
    const values = right instanceof Tuple ? new Tuple(right.items.map(escaped)) : escaped(right);
    return new Markup(new PercentFormatter(run, values).format(template));
  }
  return new PercentFormatter(run, right).format(template);
}

class PercentFormatter {
  readonly #run: Run;
  readonly #values: Value;
  readonly #items: Value[];
  #next = 0;

  constructor(run: Run, values: Value) {
    this.#run = run;
    this.#values = values;
    this.#items = values instanceof Tuple ? values.items : [values];
  }

  format(template: string): string {
    let usesNames = false;
    let text = '';
    let end = 0;
    for (const match of this.#run.plain(template).matchAll(directive)) {
      const [whole, name, flags, width, point, type] = match;
      text += template.slice(end, match.index);
      end = match.index + whole.length;
      if (type === '%') {
        text += template.slice(end - 1, end);
        continue;
      }
      const given = { flags: flags!, width: this.#size(width), precision: this.#precision(point) };
      if (name !== undefined) usesNames = true;
      text += this.#formatted(type!, name === undefined ? this.#take() : this.#named(name), given);
    }
    text += template.slice(end);
    if (this.#next < this.#items.length && !usesNames && !hasItems(this.#values)) {
      throw new TemplateError('not all arguments converted during string formatting');
    }
    return text;
  }

  #take(): Value {
    const value = this.#items[this.#next++];
    if (value === undefined) throw new TemplateError('not enough arguments for format string');
    return value;
  }

  #named(name: string): Value {
    if (!(this.#values instanceof Dict)) throw new TemplateError('format requires a mapping');
    const value = this.#values.get(name);
    if (value === undefined) throw new TemplateError(`the format string needs ${name}`);
    return value;
  }

  #precision(point: string | undefined): number | undefined {
    return point === undefined ? undefined : (this.#size(point.slice(1) || undefined) ?? 0);
  }

  /** A width or precision; a star takes the next value. */
  #size(given: string | undefined): number | undefined {
    if (given !== '*') return given === undefined ? undefined : Number(given);
    const value = this.#take();
    if (typeof value !== 'bigint') throw new TemplateError('* wants int');
    return Number(value);
  }

  #formatted(
    type: string,
    value: Value,
    {
      flags,
      width = 0,
      precision,
    }: { flags: string; width: number | undefined; precision: number | undefined },
  ): string {
    const run = this.#run;
    const left = flags.includes('-') || width < 0;
    const size = Math.abs(width);
    const text = this.#text(type, value, precision);
    if (text !== undefined) {
      const missing = Math.max(0, size - length(text));
      run.budget.charge(missing);
      return left ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
    }
    const zero = flags.includes('0') && !left;
    const spec: Spec = {
      fill: zero ? '0' : ' ',
      align: left ? '<' : zero ? '=' : '>',
      zeros: zero,
      sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '',
      alternate: flags.includes('#'),
      width: size,
      grouping: '',
      precision,
      type: /[iu]/.test(type) ? 'd' : type,
    };
    return this.#number(type, value, spec);
  }

  #text(type: string, value: Value, precision: number | undefined): string | undefined {
    const run = this.#run;
    const cut = (text: string) => (precision === undefined ? text : substring(text, 0, precision));
    switch (type) {
      case 's':
        return cut(str(run, value));
      case 'r':
        return cut(repr(run, value));
      case 'a':
        return cut(asciiRepr(run, value));
      case 'c': {
        const text = textOf(value);
        if (text !== undefined && length(text) === 1) return text;
        const code = asNumber(value);
        if (typeof code !== 'bigint' || code < 0n || code > 0x10ffffn) {
          throw new TemplateError('%c requires int or char');
        }
        return String.fromCodePoint(Number(code));
      }
    }
    return undefined;
  }

  #number(type: string, value: Value, spec: Spec): string {
    if (value instanceof Undefined) value.fail();
    const number = asNumber(value);
    if (number === undefined) {
      throw new TemplateError(`%${type} format: a number is required, not ${typeName(value)}`);
    }
    if (/[eEfFgG]/.test(type)) return formatNumber(this.#run, Number(number), spec);
    if (!/[diuoxX]/.test(type)) throw new TemplateError(`unsupported format character '${type}'`);
    if (typeof number === 'number' && /[oxX]/.test(type)) {
      throw new TemplateError(`%${type} format: an integer is required, not float`);
    }
    return this.#integer(whole(number), spec);
  }

  /** The precision of an integer is how many digits it has at least. */
  #integer(value: bigint, spec: Spec): string {
    const { precision, ...rest } = spec;
    if (precision === undefined) return formatNumber(this.#run, value, spec);
    this.#run.budget.charge(precision);
    integerText(value);
    const digits = formatNumber(this.#run, value < 0n ? -value : value, {
      ...rest,
      precision: undefined,
      width: precision,
      fill: '0',
      align: '=',
      sign: '',
    });
    const sign = value < 0n ? '-' : spec.sign;
    const missing = Math.max(0, spec.width - digits.length - sign.length);
    this.#run.budget.charge(missing);
    if (spec.align === '<') return sign + digits + ' '.repeat(missing);
    return spec.fill === '0' ? sign + '0'.repeat(missing) + digits : ' '.repeat(missing) + sign + digits;
  }
}

function whole(number: bigint | number): bigint {
  if (typeof number === 'bigint') return number;
  if (!Number.isFinite(number))
    throw new TemplateError('cannot convert a float that is not finite to integer');
  return BigInt(Math.trunc(number));
}

/** Such a value may hold more than is formatted. */
function hasItems(value: Value): boolean {
  return (
    value instanceof Dict || value instanceof Range || Array.isArray(value) || value instanceof Undefined
  );
}
