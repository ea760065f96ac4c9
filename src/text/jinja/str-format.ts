/** Python's '{} and {name!r:>8}'.format(…), with the fields that the sandbox allows. */
import { attributeOf, itemOf } from './access.ts';
import { TemplateError } from './errors.ts';
import { formatValue } from './format-spec.ts';
import type { Arguments } from './functions.ts';
import { asciiRepr, repr, str } from './printing.ts';
import type { Run } from './run.ts';
import type { Value } from './values.ts';

export function formatText(run: Run, template: string, args: Arguments): string {
  const text = new Formatter(run, args).format(template, 2);
  run.budget.charge(text.length);
  return text;
}

class Formatter {
  readonly #run: Run;
  readonly #arguments: Arguments;
  /** Fields are numbered by themselves, or by the template, not both. */
  #numbered = 0;
  #explicit: boolean | undefined;

  constructor(run: Run, args: Arguments) {
    this.#run = run;
    this.#arguments = args;
  }

  /** Formats hold fields themselves, to one level. */
  format(template: string, levels: number): string {
    if (levels < 0) throw new TemplateError('Max string recursion exceeded');
    const plain = this.#run.plain(template);
    let result = '';
    let at = 0;
    while (at < template.length) {
      const brace = /[{}]/g;
      brace.lastIndex = at;
      const index = brace.exec(plain)?.index ?? plain.length;
      result += template.slice(at, index);
      if (index === template.length) break;
      const opens = plain[index] === '{';
      if (plain[index + 1] === plain[index]) {
        result += template[index];
        at = index + 2;
      } else if (opens) {
        const end = fieldEnd(plain, index + 1);
        result += this.#field(plain.slice(index + 1, end), levels);
        at = end + 1;
      } else {
        throw new TemplateError("Single '}' encountered in format string");
      }
    }
    return result;
  }

  #field(source: string, levels: number): string {
    const match = /^((?:[^[!:]|\[[^\]]*\])*)(?:!([^:]?))?(?::([\s\S]*))?$/.exec(source);
    if (!match) throw new TemplateError('a field of a format string is not valid');
    const [, name = '', conversion, spec = ''] = match;
    const value = this.#converted(this.#value(name), conversion);
    return formatValue(this.#run, value, this.format(spec, levels - 1));
  }

  #converted(value: Value, conversion: string | undefined): Value {
    switch (conversion) {
      case undefined:
        return value;
      case 's':
        return str(this.#run, value);
      case 'r':
        return repr(this.#run, value);
      case 'a':
        return asciiRepr(this.#run, value);
      default:
        throw new TemplateError(`Unknown conversion specifier ${conversion}`);
    }
  }

  #value(name: string): Value {
    const [, first = '', rest = ''] = /^([^.[]*)([\s\S]*)$/.exec(name)!;
    let value = this.#first(first);
    const steps = /\.([^.[]+)|\[([^\]]+)\]/g;
    let read = 0;
    for (const [whole, field, item] of rest.matchAll(steps)) {
      read += whole.length;
      if (field !== undefined) value = attributeOf(this.#run, value, field);
      else value = itemOf(this.#run, value, /^\d+$/.test(item!) ? BigInt(item!) : item!);
    }
    if (read !== rest.length) throw new TemplateError('Empty attribute in format string');
    return value;
  }

  #first(name: string): Value {
    const { positional, named } = this.#arguments;
    if (name !== '' && !/^\d+$/.test(name)) {
      const value = named.get(name);
      if (value === undefined) throw new TemplateError(`the format string needs ${name}`);
      return value;
    }
    const explicit = name !== '';
    this.#explicit ??= explicit;
    if (this.#explicit !== explicit) {
      throw new TemplateError('cannot switch between automatic and manual field numbering');
    }
    const value = positional[explicit ? Number(name) : this.#numbered++];
    if (value === undefined) throw new TemplateError('the format string needs more arguments');
    return value;
  }
}

/** The brace that ends a field. */
function fieldEnd(template: string, start: number): number {
  let depth = 1;
  for (let i = start; i < template.length; ++i) {
    if (template[i] === '{') depth += 1;
    else if (template[i] === '}' && --depth === 0) return i;
  }
  throw new TemplateError("expected '}' before end of string");
}
