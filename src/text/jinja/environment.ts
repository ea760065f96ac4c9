/** Filters and tests by name, and those that call others: map, select and their kin. */
import { TemplateError } from './errors.ts';
import { type Arguments, apply } from './functions.ts';
import { iterate } from './iteration.ts';
import type { Run } from './run.ts';
import { getter, sequenceFilters } from './sequence-filters.ts';
import { makeTests } from './tests.ts';
import { formatFilter, textFilters } from './text-filters.ts';
import { Dict, isTrue, Once, textOf, typeName, type Value } from './values.ts';

export type Filter = (run: Run, value: Value, args: Arguments) => Value;

const entries = [...textFilters, ...sequenceFilters].map(([name, entry]): [string, Filter] => {
  return [name, (run, value, args) => apply(entry, run, value, args)];
});

export const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...entries,
  [
    'format',
    (run, value, { positional, named }) => {
      return formatFilter(run, value, positional, named.size > 0 ? new Dict(named) : undefined);
    },
  ],
  ['map', (run, value, args) => new Once(map(run, value, args))],
  ['select', (run, value, args) => new Once(select(run, value, args, false, true))],
  ['reject', (run, value, args) => new Once(select(run, value, args, false, false))],
  ['selectattr', (run, value, args) => new Once(select(run, value, args, true, true))],
  ['rejectattr', (run, value, args) => new Once(select(run, value, args, true, false))],
]);

export const tests = makeTests(() => filters);

export function callFilter(run: Run, name: string, value: Value, args: Arguments): Value {
  const filter = filters.get(name);
  if (!filter) throw new TemplateError(`there is no filter ${name}`);
  return filter(run, value, args);
}

export function callTest(run: Run, name: string, value: Value, args: Arguments): boolean {
  const test = tests.get(name);
  if (!test) throw new TemplateError(`there is no test ${name}`);
  return isTrue(apply(test, run, value, args));
}

function nameOf(run: Run, value: Value): string {
  const name = textOf(value);
  if (name === undefined) throw new TemplateError(`a name of a filter or test cannot be ${typeName(value)}`);
  return run.plain(name);
}

function* map(run: Run, value: Value, { positional, named }: Arguments): Generator<Value> {
  if (!isTrue(value)) return;
  const [name, ...rest] = positional;
  let change: (item: Value) => Value;
  if (name === undefined && named.has('attribute')) {
    const unknown = [...named.keys()].find((key) => key !== 'attribute' && key !== 'default');
    if (unknown !== undefined) throw new TemplateError(`Unexpected keyword argument '${unknown}'`);
    change = getter(run, named.get('attribute'), named.get('default'));
  } else {
    if (name === undefined) throw new TemplateError('map requires a filter argument');
    change = (item) => callFilter(run, nameOf(run, name), item, { positional: rest, named });
  }
  for (const item of iterate(run, value)) yield change(item);
}

function* select(
  run: Run,
  value: Value,
  { positional, named }: Arguments,
  byAttribute: boolean,
  wanted: boolean,
): Generator<Value> {
  if (!isTrue(value)) return;
  const [attribute, ...others] = byAttribute ? positional : [null, ...positional];
  if (attribute === undefined) throw new TemplateError('Missing parameter for attribute name');
  const get = byAttribute ? getter(run, attribute) : (item: Value) => item;
  const [name, ...rest] = others;
  for (const item of iterate(run, value)) {
    const subject = get(item);
    const holds =
      name === undefined
        ? isTrue(subject)
        : callTest(run, nameOf(run, name), subject, { positional: rest, named });
    if (holds === wanted) yield item;
  }
}
