/**
 * Typed option builders: `{ steps: count('number of steps', { default: 1000, min: 1 }) }`
 * gives `options.steps: number`.
 */

import { AthanorError } from '../base/errors.ts';
import { MAX_SEED } from '../train/loop/settings.ts';

/** The most ranks that a machine is asked for. */
export const MOST_PROCESSES = 4096;

/** One option of a command. Its flag is its key in kebab-case: `batchSize` is `--batch-size`. */
export interface OptionSpec<T> {
  readonly kind: 'flag' | 'number' | 'text' | 'list';
  /** A letter that stands for the flag: `n` is `-n`. */
  readonly letter?: string;
  /** Stands for the value in the help text, e.g. `<count>`; absent for a flag. */
  readonly placeholder?: string;
  /** The valid values, where there are only a few. */
  readonly words?: readonly string[];
  readonly description: string;
  /** Describes a valid value, as the end of the sentence "--steps expects ...". */
  readonly expected: string;
  readonly required: boolean;
  readonly default: T | undefined;
  /** For a flag that is on by default: the description of its `--no-` form. */
  readonly negated?: string;
  /** The folder of a model, or of an adapter, which is merged before the command runs. */
  readonly isModel?: true;
  /** Heading of the option in the help text. */
  readonly group?: OptionGroup;
  /** The value, or undefined when the text is not a valid value. */
  parse(text: string): T | undefined;
}

/** Headings of the help text, in the order in which it shows them. */
export const optionGroups = [
  'Run',
  'Model',
  'Data',
  'Tokenizer',
  'Rollout',
  'Reward',
  'Loss',
  'Optimizer',
  'Evaluation',
  'Sampling',
  'Limits',
  'Engine',
] as const;
export type OptionGroup = (typeof optionGroups)[number];

/** The same options, under this heading of the help text. */
export function inGroup<const S extends OptionSpecs>(group: OptionGroup, options: S): S {
  const entries = Object.entries(options).map(([key, option]) => [key, { ...option, group }]);
  return Object.fromEntries(entries) as S;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;
/** The values that a command's `run` receives. */
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends OptionSpec<infer T> ? T : never;
};

interface Extras<T> {
  default?: T;
  required?: boolean;
  /** Replaces the placeholder in the help text. */
  placeholder?: string;
  /** A letter that stands for the flag. */
  letter?: string;
}
interface Range {
  min?: number;
  max?: number;
  /** The bounds themselves are not allowed. */
  exclusive?: boolean;
  /** A bound that is not allowed itself, above a `min` that is. */
  below?: number;
  /** 0 is allowed besides the range. */
  orZero?: boolean;
}
type Value<T, E> = E extends { default: T } | { required: true } ? T : T | undefined;

function spec<T, E extends Extras<T>>(
  base: Pick<OptionSpec<T>, 'kind' | 'placeholder' | 'words' | 'description' | 'expected' | 'parse'>,
  extras: E | undefined,
): OptionSpec<Value<T, E>> {
  const placeholder = extras?.placeholder ?? base.placeholder;
  const built: OptionSpec<T> = {
    ...base,
    ...(placeholder !== undefined && { placeholder }),
    ...(extras?.letter !== undefined && { letter: extras.letter }),
    required: extras?.required ?? false,
    default: extras?.default,
  };
  return built as OptionSpec<Value<T, E>>;
}

function rangeText({ min, max, exclusive, below }: Range, units = ''): string {
  const unit = min === 1 && max === undefined && below === undefined ? units.replace(/s$/, '') : units;
  if (below !== undefined) return ` of at least ${min}${unit} and below ${below}${unit}`;
  if (min !== undefined && max !== undefined) {
    return ` between ${min} and ${max}${unit}${exclusive ? ', both excluded' : ''}`;
  }
  if (min !== undefined) return ` ${exclusive ? 'above' : 'of at least'} ${min}${unit}`;
  return max === undefined ? '' : ` ${exclusive ? 'below' : 'of at most'} ${max}${unit}`;
}

function inRange(value: number, { min, max, exclusive, below, orZero }: Range): boolean {
  if (!Number.isFinite(value)) return false;
  if (orZero && value === 0) return true;
  if (below !== undefined && value >= below) return false;
  if (min !== undefined && (exclusive ? value <= min : value < min)) return false;
  return max === undefined || (exclusive ? value < max : value <= max);
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A whole number that a double holds exactly. */
export function integer<const E extends Extras<number> & Range>(description: string, extras?: E) {
  return spec<number, E>(
    {
      kind: 'number',
      placeholder: '<n>',
      description,
      expected: `a whole number${rangeText(extras ?? {})}`,
      parse(text) {
        const value = decimal.test(text) ? Number(text) : Number.NaN;
        return Number.isSafeInteger(value) && inRange(value, extras ?? {}) ? value : undefined;
      },
    },
    extras,
  );
}

const countUnits: Record<string, number> = { '': 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12 };

/** A whole number that may be written short: `10k`, `1.5M`, `2B`. */
export function count<const E extends Extras<number> & Range>(description: string, extras?: E) {
  const range = { min: 0, ...extras };
  return spec<number, E>(
    {
      kind: 'number',
      placeholder: '<count>',
      description,
      expected: `a whole number${rangeText(range)}, such as 500, 10k, 1.5M or 2B`,
      parse(text) {
        const match = /^(.*?)([kmbgt]?)$/i.exec(text);
        if (!match || !decimal.test(match[1]!)) return undefined;
        // 1.1 * 1e6 is not whole in binary. A value within rounding of a whole number
        // means that number.
        const exact = Number(match[1]) * countUnits[match[2]!.toLowerCase()]!;
        const value = Math.round(exact);
        const whole = Number.isSafeInteger(value) && Math.abs(exact - value) <= Math.abs(value) * 1e-12;
        return whole && inRange(value, range) ? value : undefined;
      },
    },
    extras,
  );
}

/** A number that 32 bits hold too, since the engine computes with these. */
export function number<const E extends Extras<number> & Range>(description: string, extras?: E) {
  return spec<number, E>(
    {
      kind: 'number',
      placeholder: '<number>',
      description,
      expected: `${extras?.orZero ? '0 or ' : ''}a number${rangeText(extras ?? {})}`,
      parse(text) {
        const value = decimal.test(text) ? Number(text) : Number.NaN;
        return Number.isFinite(Math.fround(value)) && inRange(value, extras ?? {}) ? value : undefined;
      },
    },
    extras,
  );
}

const durationUnits: Record<string, number> = { '': 1, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };

/** A length of time, in seconds: `90s`, `5m`, `2h`, `1h30m`; a bare number is seconds. */
export function duration<const E extends Extras<number> & Range>(description: string, extras?: E) {
  const range = extras ?? {};
  return spec<number, E>(
    {
      kind: 'number',
      placeholder: '<time>',
      description,
      expected: `a length of time${rangeText(range, ' seconds')}, such as 90s, 5m or 2h`,
      parse(text) {
        if (!/^((\d+\.?\d*|\.\d+)(ms|s|m|h|d))+$|^(\d+\.?\d*|\.\d+)$/.test(text)) return undefined;
        let seconds = 0;
        for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ms|s|m|h|d|)/g)) {
          seconds += Number(amount) * durationUnits[unit!]!;
        }
        return inRange(seconds, range) ? seconds : undefined;
      },
    },
    extras,
  );
}

/** Any text but the empty one. */
export function text<const E extends Extras<string>>(description: string, extras?: E) {
  return spec<string, E>(
    {
      kind: 'text',
      placeholder: '<text>',
      description,
      expected: 'some text',
      parse: (given) => (given === '' ? undefined : given),
    },
    extras,
  );
}

/** The path of a file or folder. The command checks whether it exists. */
export function path<const E extends Extras<string>>(description: string, extras?: E) {
  return spec<string, E>(
    {
      kind: 'text',
      placeholder: '<path>',
      description,
      expected: 'a path',
      parse: (given) => (given === '' || given.includes('\0') ? undefined : given),
    },
    extras,
  );
}

/** The folder of a model. For an adapter of peft the command gets the merged model. */
export function model<const E extends Extras<string>>(description: string, extras?: E) {
  return { ...path(description, extras), isModel: true } as const;
}

/** One of a few words. */
export function choice<const C extends string, const E extends Extras<NoInfer<C>>>(
  description: string,
  words: readonly C[],
  extras?: E,
) {
  return spec<C, E>(
    {
      kind: 'text',
      placeholder: `<${words.join('|')}>`,
      words,
      description,
      expected: words.length === 2 ? `${words[0]} or ${words[1]}` : `one of ${words.join(', ')}`,
      parse: (given) => words.find((word) => word === given),
    },
    extras,
  );
}

/** A number of processes, or one of the words that stand for one. */
export function processes(description: string): OptionSpec<'off' | 'auto' | number> {
  const { parse } = integer('', { min: 1, max: MOST_PROCESSES });
  return {
    kind: 'text',
    placeholder: '<n|auto>',
    description,
    expected: `off, auto or a whole number between 1 and ${MOST_PROCESSES}`,
    required: false,
    default: 'off',
    parse: (given) => (given === 'off' || given === 'auto' ? given : parse(given)),
  };
}

/** On or off. `--no-name` turns off a flag that is on by default; `negated` describes that form. */
export function flag(
  description: string,
  extras: { default?: false } | { default: boolean; negated: string } = {},
): OptionSpec<boolean> {
  return {
    kind: 'flag',
    description,
    expected: 'true or false',
    required: false,
    default: extras.default ?? false,
    ...('negated' in extras && { negated: extras.negated }),
    parse: (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
  };
}

/**
 * An option that may be given several times, or as a list in a config file:
 * `list(path('a corpus file'))`.
 */
export function list<T>(item: OptionSpec<T>): OptionSpec<readonly NonNullable<T>[]> {
  const parse = (given: string) => {
    const value = item.parse(given);
    return value === undefined || value === null ? undefined : [value];
  };
  return { ...item, kind: 'list', default: [], parse };
}

/** `batchSize` -> `batch-size`, the option's name on the command line and in a config file. */
export function optionName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The error for an invalid value; `where` is `--steps` or `run.yaml line 3: "steps"`. */
export function valueError(where: string, option: OptionSpec<unknown>, given: string): AthanorError {
  const shown = given.length > 60 ? `${given.slice(0, 57)}...` : given;
  return new AthanorError(
    'ERR_OPTION',
    `${where} expects ${option.expected} but got ${JSON.stringify(shown)}`,
  );
}

/** Options of every command. They cannot be set in a config file. */
export const sharedOptions = {
  config: path('read options from a YAML file; the command line overrides it', { placeholder: '<file>' }),
  json: flag('print the results as one JSON object, the last line of stdout'),
  debug: flag('print the stack traces of errors'),
};

/**
 * Options of commands that compute: spread them into `options`, then call
 * `prepareEngine(options)` (src/cli/engine.ts).
 */
/** For commands that decode. */
export const quantizeOption = choice(
  "weights to decode with: the model's, or int8 copies (CPU only)",
  ['none', 'int8'],
  { default: 'none' },
);

export const engineOptions = inGroup('Engine', {
  seed: integer('seed of all random numbers', { default: 0, min: 0, max: MAX_SEED }),
  device: choice('device to compute on', ['auto', 'cpu', 'cuda'], { default: 'auto' }),
  dtype: choice(
    'dtype of activations; auto is bf16 where the hardware multiplies it, else f32',
    ['auto', 'f32', 'bf16'],
    {
      default: 'auto',
    },
  ),
  threads: integer('number of threads (default: one per core)', { min: 1, max: 1024 }),
});
