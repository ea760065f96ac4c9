import { describe, expect, expectTypeOf, it } from 'vitest';
import { defineCommand } from '../../src/cli/command.ts';
import {
  choice,
  count,
  duration,
  flag,
  integer,
  list,
  number,
  type OptionSpec,
  optionName,
  path,
  text,
  valueError,
} from '../../src/cli/options.ts';

function table<T>(option: OptionSpec<T>, good: [string, NonNullable<T>][], bad: string[]): void {
  it.each(good)('takes %j as %j', (given, value) => {
    expect(option.parse(given)).toEqual(value);
  });
  it.each(bad)('refuses %j', (given) => {
    expect(option.parse(given)).toBeUndefined();
  });
}

describe('integer', () => {
  table(
    integer('', { min: -2, max: 1e9 }),
    [
      ['0', 0],
      ['-2', -2],
      ['+7', 7],
      ['1e3', 1000],
      ['007', 7],
    ],
    ['', ' ', '-3', '1.5', '1e10', 'ten', '0x10', '1_000', '1,000', 'Infinity', 'NaN', '5 ', '--1', '1e400'],
  );
});

describe('count', () => {
  table(
    count('', { min: 1 }),
    [
      ['500', 500],
      ['10k', 10_000],
      ['1.5M', 1_500_000],
      ['1.1m', 1_100_000],
      ['2B', 2e9],
      ['0.5k', 500],
      ['3T', 3e12],
      ['1e3k', 1e6],
    ],
    ['0', '-1k', '1.2345k', 'k', '10kk', '10 k', '10kb', '1e16', '10x', ''],
  );
});

describe('number', () => {
  table(
    number('', { min: 0, max: 1, exclusive: true }),
    [
      ['0.5', 0.5],
      ['.5', 0.5],
      ['3e-4', 3e-4],
    ],
    ['0', '1', '-0.1', 'NaN', 'Infinity', '0.5.5', '5%', ''],
  );
});

describe('duration', () => {
  table(
    duration('', { min: 0.5 }),
    [
      ['90', 90],
      ['90s', 90],
      ['5m', 300],
      ['2h', 7200],
      ['1h30m', 5400],
      ['1.5h', 5400],
      ['500ms', 0.5],
      ['1d', 86_400],
    ],
    ['', '0', '100ms', '-5m', '5 m', 'm', '5mm', '5y', '1h30', '1:30', 'Infinity', '9'.repeat(400)],
  );
});

describe('text, path, choice, flag and list', () => {
  table(text(''), [['a b', 'a b']], ['']);
  table(path(''), [['/a b/é', '/a b/é']], ['', 'a\0b']);
  table(choice('', ['auto', 'cpu']), [['cpu', 'cpu']], ['CPU', '', 'gpu', 'toString']);
  table(
    flag(''),
    [
      ['true', true],
      ['false', false],
    ],
    ['yes', '1', ''],
  );
  table(list(integer('', { min: 1 })), [['3', [3]]], ['0', '1,2']);
});

it('derives the name of an option from its key', () => {
  expect(['steps', 'batchSize', 'topK', 'beta1'].map(optionName)).toEqual([
    'steps',
    'batch-size',
    'top-k',
    'beta1',
  ]);
});

describe('valueError', () => {
  it('names the option, what was expected and what was given', () => {
    const error = valueError('--threads', integer('', { min: 1, max: 8 }), 'many');
    expect(error.code).toBe('ERR_OPTION');
    expect(error.message).toBe('--threads expects a whole number between 1 and 8 but got "many"');
  });

  it.each([
    [integer('', { min: 1 }).expected, 'a whole number of at least 1'],
    [integer('', { max: 9 }).expected, 'a whole number of at most 9'],
    [integer('').expected, 'a whole number'],
    [number('', { min: 0, exclusive: true }).expected, 'a number above 0'],
    [number('', { max: 2, exclusive: true }).expected, 'a number below 2'],
    [number('', { min: 0, max: 1, exclusive: true }).expected, 'a number between 0 and 1, both excluded'],
    [count('').expected, 'a whole number of at least 0, such as 500, 10k, 1.5M or 2B'],
    [duration('').expected, 'a length of time, such as 90s, 5m or 2h'],
    [duration('', { min: 5 }).expected, 'a length of time of at least 5 seconds, such as 90s, 5m or 2h'],
    [duration('', { min: 1 }).expected, 'a length of time of at least 1 second, such as 90s, 5m or 2h'],
    [choice('', ['a', 'b', 'c']).expected, 'one of a, b, c'],
  ])('%s', (said, expected) => {
    expect(said).toBe(expected);
  });

  it('cuts what is too long to read', () => {
    expect(valueError('--text', text(''), 'x'.repeat(1e6)).message.length).toBeLessThan(120);
  });
});

it('infers the types of the values', () => {
  const command = defineCommand({
    options: {
      steps: count(''),
      lr: number('', { default: 1 }),
      out: path('', { required: true }),
      device: choice('', ['auto', 'cpu'], { default: 'auto' }),
      kind: choice('', ['a', 'b']),
      verbose: flag(''),
      files: list(path('')),
      sizes: list(count('', { min: 1 })),
    },
    example: '',
    run: async (options) => {
      expectTypeOf(options.steps).toEqualTypeOf<number | undefined>();
      expectTypeOf(options.lr).toEqualTypeOf<number>();
      expectTypeOf(options.out).toEqualTypeOf<string>();
      expectTypeOf(options.device).toEqualTypeOf<'auto' | 'cpu'>();
      expectTypeOf(options.kind).toEqualTypeOf<'a' | 'b' | undefined>();
      expectTypeOf(options.verbose).toEqualTypeOf<boolean>();
      expectTypeOf(options.files).toEqualTypeOf<readonly string[]>();
      expectTypeOf(options.sizes).toEqualTypeOf<readonly number[]>();
      return { steps: options.steps };
    },
  });
  expect(command.options.lr.default).toBe(1);
});
