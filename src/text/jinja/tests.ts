/** Tests: what stands behind `is`. */
import { binary } from './arithmetic.ts';
import { asNumber, compareValues, equal, isIn } from './comparison.ts';
import { TemplateError } from './errors.ts';
import { Callable, type Entry, type Operation, operations } from './functions.ts';
import { isIterable, sizeOf } from './iteration.ts';
import { isLower, isUpper } from './letters.ts';
import type { Comparison } from './nodes.ts';
import { str } from './printing.ts';
import type { Run } from './run.ts';
import { Dict, DictView, Markup, textOf, Undefined, type Value } from './values.ts';

const compared = (operator: Comparison): Operation => {
  return (run, value, other) => compareValues(run, operator, value, other!);
};

function remainder(run: Run, value: Value, divisor: Value): Value {
  return binary(run, '%', value, divisor);
}

/** Values of which there is one, and texts and numbers that look the same. */
function isSame(left: Value, right: Value): boolean {
  return left === right || (left instanceof Markup && right instanceof Markup && left.text === right.text);
}

function isNamed(run: Run, value: Value, names: ReadonlyMap<string, unknown>): boolean {
  const name = textOf(value);
  if (name === undefined && (Array.isArray(value) || value instanceof Dict)) {
    throw new TemplateError('a list or dict is no name');
  }
  return names.has(run.plain(name ?? str(run, value)));
}

export function makeTests(filters: () => ReadonlyMap<string, unknown>): Map<string, Entry> {
  const tests: Map<string, Entry> = operations({
    'odd()': (run, value) => equal(run, remainder(run, value, 2n), 1n),
    'even()': (run, value) => equal(run, remainder(run, value, 2n), 0n),
    'divisibleby(num)': (run, value, divisor) => equal(run, remainder(run, value, divisor!), 0n),
    'defined()': (_run, value) => !(value instanceof Undefined),
    'undefined()': (_run, value) => value instanceof Undefined,
    'filter()': (run, value) => isNamed(run, value, filters()),
    'test()': (run, value) => isNamed(run, value, tests),
    'none()': (_run, value) => value === null,
    'boolean()': (_run, value) => typeof value === 'boolean',
    'false()': (_run, value) => value === false,
    'true()': (_run, value) => value === true,
    'integer()': (_run, value) => typeof value === 'bigint',
    'float()': (_run, value) => typeof value === 'number',
    'lower()': (run, value) => isLower(str(run, value)),
    'upper()': (run, value) => isUpper(str(run, value)),
    'string()': (_run, value) => textOf(value) !== undefined,
    'mapping()': (_run, value) => value instanceof Dict,
    'number()': (_run, value) => asNumber(value) !== undefined,
    'sequence()': (_run, value) => sizeOf(value) !== undefined && !(value instanceof DictView),
    'iterable()': (_run, value) => isIterable(value),
    'callable()': (_run, value) => value instanceof Callable || value instanceof Undefined,
    'sameas(other)': (_run, value, other) => isSame(value, other!),
    'escaped()': (_run, value) => value instanceof Markup,
    'in(seq)': (run, value, container) => isIn(run, value, container!),
    '== eq equalto(/, other)': compared('=='),
    '!= ne(/, other)': compared('!='),
    '> gt greaterthan(/, other)': compared('>'),
    '>= ge(/, other)': compared('>='),
    '< lt lessthan(/, other)': compared('<'),
    '<= le(/, other)': compared('<='),
  });
  return tests;
}
