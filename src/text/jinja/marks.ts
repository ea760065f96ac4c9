/**
 * Marks of characters that the template itself has written. A marked character is another one, of
 * the same length, that stands for it. Texts are compared, searched and cut by what they stand for,
 * so a template cannot tell that its own literals are marked. What it writes keeps the marks.
 */
import { integerArgument, textArgument } from './arguments.ts';
import type { Arguments, Entry } from './functions.ts';
import { apply } from './functions.ts';
import type { Run } from './run.ts';
import { replaceCharged } from './text-methods.ts';
import { Tuple, type Value } from './values.ts';

export interface Marks {
  /** Marks a text of the template. */
  mark(text: string): string;
  /** A text without marks. */
  plain(text: string): string;
  /** A text with the marks of whole control tokens only. */
  whole(text: string): string;
  /** All marked characters, which repr() and tojson do not spell as codes. */
  readonly characters: string;
}

const same = (text: string) => text;

export const NO_MARKS: Marks = { mark: same, plain: same, whole: same, characters: '' };

/** Methods that look for their arguments in the text. */
const seeking = new Set([
  ...['count', 'find', 'index', 'rfind', 'rindex', 'startswith', 'endswith'],
  ...['strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix'],
  ...['split', 'rsplit', 'splitlines', 'partition', 'rpartition'],
]);

/** Methods that make a text of which each character is known from one of the first. */
const keeping = new Set(['upper', 'lower', 'capitalize', 'swapcase', 'center', 'ljust', 'rjust']);

/**
 * A method of a text by its table entry. What the other methods make has no marks: a template that
 * writes control tokens so is told that it writes none.
 */
export function applyMethod(
  run: Run,
  name: string,
  entry: Entry<string>,
  text: string,
  args: Arguments,
): Value {
  if (name === 'replace') return apply({ ...entry, operation: replaceMarked }, run, text, args);
  if (name === 'join') return apply(entry, run, run.whole(text), args);
  if (keeping.has(name)) return apply(entry, run, text, args);
  if (!seeking.has(name)) return apply(entry, run, run.plain(text), args);
  const sought = plainArguments(run, args);
  const plain = run.plain(text);
  const found = apply(entry, run, plain, sought);
  if (plain === text) return found;
  const separator = sought.positional[0] ?? sought.named.get('sep');
  const step = name.endsWith('split') && typeof separator === 'string' ? separator.length : undefined;
  return withMarks(text, plain, found, { fromEnd: name === 'removeprefix', step });
}

function plainArguments(run: Run, { positional, named }: Arguments): Arguments {
  return {
    positional: positional.map((value) => plainValue(run, value)),
    named: new Map(Array.from(named, ([name, value]) => [name, plainValue(run, value)])),
  };
}

/** A text, or a tuple of texts as startswith takes, without marks. */
export function plainValue(run: Run, value: Value): Value {
  if (typeof value === 'string') return run.plain(value);
  return value instanceof Tuple ? new Tuple(value.items.map((item) => plainValue(run, item))) : value;
}

/**
 * Parts of `plain` as the parts of `text` that stand for them.
 * @param step length of what stands between two parts of a list, where that is known
 */
function withMarks(
  text: string,
  plain: string,
  found: Value,
  { fromEnd, step }: { fromEnd: boolean; step: number | undefined },
): Value {
  if (typeof found === 'string') {
    const at = fromEnd ? plain.length - found.length : plain.indexOf(found);
    return text.slice(at, at + found.length);
  }
  const parts = found instanceof Tuple ? found.items : found;
  if (!Array.isArray(parts)) return found;
  let end = 0;
  const marked = parts.map((part, i) => {
    const length = (part as string).length;
    const gap = found instanceof Tuple ? 0 : step;
    const at = gap === undefined ? plain.indexOf(part as string, end) : end + (i > 0 ? gap : 0);
    end = at + length;
    return text.slice(at, end);
  });
  return found instanceof Tuple ? new Tuple(marked) : marked;
}

/** str.replace with the bound arguments of its entry. */
function replaceMarked(run: Run, text: string, old?: Value, by?: Value, limit?: Value): Value {
  const count = integerArgument(limit, -1, 'count');
  return replaceText(run, text, textArgument(old, 'old'), textArgument(by, 'new'), count);
}

/**
 * Replaces `old`, whether marked or not. A message could put `old` around its words to get brackets
 * of the template, so what comes instead keeps the marks of whole control tokens only. The same
 * holds for the text between joined parts.
 */
export function replaceText(run: Run, text: string, old: string, instead: string, limit: number): string {
  const [plain, sought, by] = [run.plain(text), run.plain(old), run.whole(instead)];
  if (plain === text || sought === '') return replaceCharged(run, text, sought, by, limit);
  const parts: string[] = [];
  let end = 0;
  for (let at = plain.indexOf(sought); at >= 0; at = plain.indexOf(sought, end)) {
    if (parts.length === limit) break;
    run.budget.charge(by.length);
    parts.push(text.slice(end, at));
    end = at + sought.length;
  }
  return [...parts, text.slice(end)].join(by);
}
