/** Functions that every template has. */
import { integerArgument, textArgument } from './arguments.ts';
import { RaisedError, TemplateError } from './errors.ts';
import { type Arguments, apply, BuiltIn, Callable, operations } from './functions.ts';
import { iterate, toList } from './iteration.ts';
import { plainValue } from './marks.ts';
import { str } from './printing.ts';
import type { Run } from './run.ts';
import { strftime } from './strftime.ts';
import { Dict, Namespace, PythonObject, Range, type Value } from './values.ts';

/** The sandbox makes no longer ranges. */
const LONGEST_RANGE = 100_000;

function range(first: Value, second?: Value, third?: Value): Range {
  const integer = (value: Value) => BigInt(integerArgument(value, 0, 'an argument of range'));
  const [start, stop] = second === undefined ? [0n, integer(first)] : [integer(first), integer(second)];
  const step = third === undefined ? 1n : integer(third);
  if (step === 0n) throw new TemplateError('range() arg 3 must not be zero');
  const made = new Range(start, stop, step);
  if (made.length > LONGEST_RANGE) {
    throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${LONGEST_RANGE}.`);
  }
  return made;
}

/** What dict(…) and namespace(…) are made of. */
function entriesOf(run: Run, { positional, named }: Arguments): [Value, Value][] {
  if (positional.length > 1) throw new TemplateError('dict takes one argument at most');
  const [given] = positional;
  const entries: [Value, Value][] = [];
  if (given instanceof Dict) entries.push(...given.entries());
  else if (given !== undefined) {
    for (const pair of iterate(run, given)) {
      const items = toList(run, pair);
      if (items.length !== 2) throw new TemplateError('dict needs pairs of a key and a value');
      entries.push([plainValue(run, items[0]!), items[1]!]);
    }
  }
  run.budget.chargeItems(entries.length);
  return [...entries, ...named];
}

function namespace(run: Run, args: Arguments): Namespace {
  const made = new Namespace();
  for (const [key, value] of entriesOf(run, args)) made.values.set(str(run, key), value);
  return made;
}

class Cycler extends Callable {
  readonly type = 'Cycler';
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    if (items.length === 0) throw new TemplateError('at least one item has to be provided');
    this.#items = items;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'current':
        return this.#items[this.#at]!;
      case 'items':
        return [...this.#items];
      case 'pos':
        return BigInt(this.#at);
      case 'next':
        return new BuiltIn('next', () => this.#next());
      case 'reset':
        return new BuiltIn('reset', () => {
          this.#at = 0;
          return null;
        });
    }
    return undefined;
  }

  #next(): Value {
    const item = this.#items[this.#at]!;
    this.#at = (this.#at + 1) % this.#items.length;
    return item;
  }

  call(): Value {
    throw new TemplateError("'Cycler' object is not callable");
  }
}

class Joiner extends Callable {
  readonly type = 'Joiner';
  readonly #separator: Value;
  #used = false;

  constructor(separator: Value) {
    super();
    this.#separator = separator;
  }

  call(): Value {
    if (this.#used) return this.#separator;
    this.#used = true;
    return '';
  }
}

/** What `self` is; it has the blocks of a template, which chat templates do not call. */
class TemplateReference extends PythonObject {
  readonly type = 'TemplateReference';

  override describe(): string {
    return '<TemplateReference None>';
  }
}

const functions = operations<null>({
  'range(/, start, stop?, step?)': (_run, _none, start, stop, step) => range(start!, stop, step),
  'cycler(*items)': (_run, _none, items) => new Cycler(items as Value[]),
  'joiner(sep?)': (_run, _none, separator) => new Joiner(separator ?? ', '),
  'raise_exception(message)': (run, _none, message) => {
    throw new RaisedError(str(run, message!));
  },
  'strftime_now(format)': (run, _none, format) =>
    strftime(run.now(), run.plain(textArgument(format, 'format'))),
  'lipsum(*more)': () => {
    throw new TemplateError('lipsum is not supported in chat templates');
  },
});

export const globals: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...Array.from(functions, ([name, entry]): [string, Value] => {
    return [name, new BuiltIn(name, (run, args) => apply(entry, run, null, args))];
  }),
  ['dict', new BuiltIn('dict', (run, args) => new Dict(entriesOf(run, args)))],
  ['namespace', new BuiltIn('namespace', namespace)],
  ['self', new TemplateReference()],
]);

/** A JavaScript value as the template has it: whole numbers are integers. */
export function fromJson(value: unknown): Value {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      return Number.isInteger(value) ? BigInt(value) : value;
  }
  if (value === null || value === undefined || typeof value !== 'object') return null;
  if (Array.isArray(value)) return value.map(fromJson);
  const dict = new Dict();
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) dict.set(key, fromJson(item));
  }
  return dict;
}
