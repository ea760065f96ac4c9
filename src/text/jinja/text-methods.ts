/** Methods of Python's str. */
import { integerArgument, optionalText, textArgument, textsArgument } from './arguments.ts';
import { TemplateError } from './errors.ts';
import { type Entry, operations } from './functions.ts';
import { iterate } from './iteration.ts';
import { capitalize, isLower, isTitle, isUpper, swapCase, title } from './letters.ts';
import { characterList } from './printing.ts';
import {
  cut,
  isSpace,
  length,
  lines,
  replace,
  strip,
  substring,
  words,
  wordsFromRight,
} from './python-text.ts';
import type { Run } from './run.ts';
import { isTrue, Tuple, type Value } from './values.ts';

/** The part of a text between two indices, which count from the end where they are negative. */
function part(text: string, start?: Value, stop?: Value): { at: number; text: string } | undefined {
  const size = length(text);
  const index = (value: Value | undefined, byDefault: number) => {
    const given = integerArgument(value ?? undefined, byDefault, 'an index');
    return given < 0 ? Math.max(0, given + size) : given;
  };
  const [from, to] = [index(start, 0), Math.min(index(stop, size), size)];
  return from > to ? undefined : { at: from, text: substring(text, from, to) };
}

function find(text: string, sought: Value | undefined, bounds: (Value | undefined)[], last = false): number {
  const wanted = textArgument(sought, 'the text to find');
  const within = part(text, ...bounds);
  if (!within) return -1;
  const found = last ? within.text.lastIndexOf(wanted) : within.text.indexOf(wanted);
  return found < 0 ? -1 : within.at + length(within.text.slice(0, found));
}

function found(index: number): bigint {
  if (index < 0) throw new TemplateError('substring not found');
  return BigInt(index);
}

function count(text: string, sought: string): number {
  return sought === '' ? length(text) + 1 : text.split(sought).length - 1;
}

/** Fills a text up to a width. */
export function padded(
  run: Run,
  text: string,
  width: Value | undefined,
  fill: Value | undefined,
  side: 'left' | 'right' | 'both',
): string {
  const wanted = integerArgument(width, 0, 'width');
  const filler = fill === undefined ? ' ' : textArgument(fill, 'the fill character');
  if (length(filler) !== 1) throw new TemplateError('the fill character must be exactly one character long');
  const missing = Math.max(0, wanted - length(text));
  run.budget.charge(missing);
  const odd = missing & wanted & 1;
  const left = side === 'left' ? missing : side === 'right' ? 0 : Math.floor(missing / 2) + odd;
  return filler.repeat(left) + text + filler.repeat(missing - left);
}

function zeroFilled(run: Run, text: string, width: Value | undefined): string {
  const sign = /^[-+]/.exec(text)?.[0] ?? '';
  const wanted = integerArgument(width, 0, 'width') - sign.length;
  return sign + padded(run, text.slice(sign.length), BigInt(wanted), '0', 'left');
}

function partition(text: string, separator: Value | undefined, last: boolean): Tuple {
  const wanted = textArgument(separator, 'the separator');
  if (wanted === '') throw new TemplateError('empty separator');
  const at = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
  if (at < 0) return new Tuple(last ? ['', '', text] : [text, '', '']);
  return new Tuple([text.slice(0, at), wanted, text.slice(at + wanted.length)]);
}

function split(
  run: Run,
  text: string,
  separator: Value | undefined,
  limit: Value | undefined,
  right: boolean,
) {
  const cuts = integerArgument(limit, -1, 'maxsplit');
  const wanted = optionalText(separator, 'the separator');
  if (wanted === '') throw new TemplateError('empty separator');
  const parts =
    wanted === undefined ? (right ? wordsFromRight : words)(text, cuts) : cut(text, wanted, cuts, right);
  run.budget.chargeItems(parts.length);
  return parts;
}

function joined(run: Run, separator: string, items: Value | undefined): string {
  const texts = Array.from(iterate(run, items!), (item) => textArgument(item, 'an item to join'));
  run.budget.charge(texts.reduce((sum, text) => sum + text.length + separator.length, 0));
  return texts.join(separator);
}

function replaced(run: Run, text: string, old?: Value, by?: Value, limit?: Value): string {
  const [from, to] = [textArgument(old, 'old'), textArgument(by, 'new')];
  const cuts = integerArgument(limit, -1, 'count');
  return replaceCharged(run, text, from, to, cuts);
}

/** Replaces, and counts the text that comes of it before it is made. */
export function replaceCharged(run: Run, text: string, old: string, by: string, limit: number): string {
  if (by.length > old.length) {
    const times = count(text, old);
    run.budget.charge((limit < 0 ? times : Math.min(times, limit)) * (by.length - old.length));
  }
  return replace(text, old, by, limit);
}

function expandTabs(run: Run, text: string, size: Value | undefined): string {
  const width = Math.max(0, integerArgument(size, 8, 'tabsize'));
  let column = 0;
  return characterList(run, text)
    .map((character) => {
      if (character === '\n' || character === '\r') column = 0;
      else if (character !== '\t') column += 1;
      if (character !== '\t') return character;
      const spaces = width === 0 ? 0 : width - (column % width);
      column += spaces;
      run.budget.charge(spaces);
      return ' '.repeat(spaces);
    })
    .join('');
}

const unsupported = (name: string) => () => {
  throw new TemplateError(`${name} of a text is not supported in chat templates`);
};

const every = (pattern: RegExp) => (_run: Run, text: string) => text !== '' && pattern.test(text);

export const textMethods: Map<string, Entry<string>> = operations<string>({
  'capitalize()': (_run, text) => capitalize(text),
  'casefold()': (_run, text) => text.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ'),
  'center(/, width, fill?)': (run, text, width, fill) => padded(run, text, width, fill, 'both'),
  'count(/, sub, start?, end?)': (_run, text, sub, ...bounds) => {
    const within = part(text, ...bounds);
    const wanted = textArgument(sub, 'the text to count');
    return BigInt(within ? count(within.text, wanted) : 0);
  },
  'encode(encoding?, errors?)': unsupported('encode'),
  'endswith(/, suffix, start?, end?)': (_run, text, suffix, ...bounds) => {
    const within = part(text, ...bounds);
    const suffixes = textsArgument(suffix, 'the suffix');
    return within !== undefined && suffixes.some((one) => within.text.endsWith(one));
  },
  'expandtabs(tabsize?)': expandTabs,
  'find(/, sub, start?, end?)': (_run, text, sub, ...bounds) => BigInt(find(text, sub, bounds)),
  'index(/, sub, start?, end?)': (_run, text, sub, ...bounds) => found(find(text, sub, bounds)),
  'isalnum()': every(/^[\p{L}\p{N}]+$/u),
  'isalpha()': every(/^\p{L}+$/u),
  'isascii()': (_run, text) => !/[^\0-\x7f]/.test(text),
  'isdecimal()': every(/^\p{Nd}+$/u),
  'isdigit()': every(/^[\p{Nd}²³¹⁰⁴-⁹₀-₉]+$/u),
  'isidentifier()': every(/^[\p{ID_Start}_]\p{ID_Continue}*$/u),
  'islower()': (_run, text) => isLower(text),
  'isnumeric()': every(/^\p{N}+$/u),
  'isprintable()': (_run, text) => !/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(text),
  'isspace()': (_run, text) => isSpace(text),
  'istitle()': (_run, text) => isTitle(text),
  'isupper()': (_run, text) => isUpper(text),
  'join(/, items)': joined,
  'ljust(/, width, fill?)': (run, text, width, fill) => padded(run, text, width, fill, 'right'),
  'lower()': (_run, text) => text.toLowerCase(),
  'lstrip(/, chars?)': (_run, text, chars) => strip(text, optionalText(chars, 'chars'), 'left'),
  'partition(/, separator)': (_run, text, separator) => partition(text, separator, false),
  'removeprefix(/, prefix)': (_run, text, prefix) => {
    const given = textArgument(prefix, 'the prefix');
    return text.startsWith(given) ? text.slice(given.length) : text;
  },
  'removesuffix(/, suffix)': (_run, text, suffix) => {
    const given = textArgument(suffix, 'the suffix');
    return given !== '' && text.endsWith(given) ? text.slice(0, -given.length) : text;
  },
  'replace(/, old, new, count?)': replaced,
  'rfind(/, sub, start?, end?)': (_run, text, sub, ...bounds) => BigInt(find(text, sub, bounds, true)),
  'rindex(/, sub, start?, end?)': (_run, text, sub, ...bounds) => found(find(text, sub, bounds, true)),
  'rjust(/, width, fill?)': (run, text, width, fill) => padded(run, text, width, fill, 'left'),
  'rpartition(/, separator)': (_run, text, separator) => partition(text, separator, true),
  'rsplit(sep?, maxsplit?)': (run, text, sep, limit) => split(run, text, sep, limit, true),
  'rstrip(/, chars?)': (_run, text, chars) => strip(text, optionalText(chars, 'chars'), 'right'),
  'split(sep?, maxsplit?)': (run, text, sep, limit) => split(run, text, sep, limit, false),
  'splitlines(keepends?)': (run, text, keepEnds) => {
    const found = lines(text, isTrue(keepEnds ?? false));
    run.budget.chargeItems(found.length);
    return found;
  },
  'startswith(/, prefix, start?, end?)': (_run, text, prefix, ...bounds) => {
    const within = part(text, ...bounds);
    const prefixes = textsArgument(prefix, 'the prefix');
    return within !== undefined && prefixes.some((one) => within.text.startsWith(one));
  },
  'strip(/, chars?)': (_run, text, chars) => strip(text, optionalText(chars, 'chars'), 'both'),
  'swapcase()': (_run, text) => swapCase(text),
  'title()': (_run, text) => title(text),
  'translate(/, table)': unsupported('translate'),
  'upper()': (_run, text) => text.toUpperCase(),
  'zfill(/, width)': zeroFilled,
});
