/**
 * What is known of each setting of a stage: the values that it takes, and whether a resumed run may
 * change it. A stage's rules stand in its `rules.ts`.
 */

/**
 * - `free`: may change, and the bits of the run stay the same;
 * - `length`: says how long to train, and may change; the learning rate schedule follows;
 * - `bits`: may change, and from then on the bits differ from those of the uninterrupted run;
 * - `place`: a path, which may change while the contents stay the same;
 * - `fixed`: may not change.
 */
export type ResumeKind = 'free' | 'length' | 'bits' | 'place' | 'fixed';

/** A test of a value, and the end of the sentence "`steps` expects ...". */
export interface Expectation {
  accepts(value: unknown): boolean;
  readonly text: string;
}

export interface SettingRule {
  readonly resume: ResumeKind;
  /** For `fixed`: the reason. */
  readonly why?: string;
  readonly expects: Expectation;
  /** The value names a file or folder: what must be there. A scoring model is a `score`. */
  readonly path?: 'language-model' | 'score' | 'any-model' | 'shards' | 'file';
  /** Whether a value is a name of something built in, and not a path. */
  isName?(value: string): boolean;
}

export type SettingRules<Settings> = { readonly [K in keyof Required<Settings>]: SettingRule };

export const free = (expects: Expectation): SettingRule => ({ resume: 'free', expects });
export const length = (expects: Expectation): SettingRule => ({ resume: 'length', expects });
export const bits = (expects: Expectation): SettingRule => ({ resume: 'bits', expects });
export const fixed = (why: string, expects: Expectation): SettingRule => ({ resume: 'fixed', why, expects });

/** A path. `isName` tells the values that are names of something built in. */
export function place(
  path: NonNullable<SettingRule['path']>,
  { isName = () => false, expects = text }: Partial<Pick<SettingRule, 'isName' | 'expects'>> = {},
): SettingRule {
  return { resume: 'place', path, expects, isName };
}

interface Range {
  min?: number;
  max?: number;
  /** The bounds themselves are not accepted. */
  exclusive?: boolean;
  /** A bound that is not accepted itself, above a `min` that is. */
  below?: number;
}

function rangeText({ min, max, exclusive, below }: Range): string {
  if (below !== undefined) return ` of at least ${min} and below ${below}`;
  if (min !== undefined && max !== undefined) return ` between ${min} and ${max}`;
  if (min === undefined) return '';
  return exclusive ? ` above ${min}` : ` of at least ${min}`;
}

/** A number in a range that 32 bits hold too, since the engine computes with these. */
export function real(range: Range = {}): Expectation {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, exclusive, below } = range;
  return {
    text: `a number${rangeText(range)}`,
    accepts: (value) =>
      typeof value === 'number' &&
      Number.isFinite(Math.fround(value)) &&
      (below === undefined || value < below) &&
      (exclusive ? value > min : value >= min) &&
      value <= max,
  };
}

/** A whole number of at least `min` and at most `max`. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Expectation {
  return {
    text: `a whole number${rangeText(max === Number.MAX_SAFE_INTEGER ? { min } : { min, max })}`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

/** One of a few words. */
export function word(...words: readonly string[]): Expectation {
  const last = words.at(-1);
  return {
    text: words.length === 2 ? words.join(' or ') : `one of ${words.slice(0, -1).join(', ')} and ${last}`,
    accepts: (value) => words.includes(value as string),
  };
}

/** true or false */
export const toggle: Expectation = {
  text: 'true or false',
  accepts: (value) => typeof value === 'boolean',
};

/** Text that is not empty. */
export const text: Expectation = {
  text: 'some text',
  accepts: (value) => typeof value === 'string' && value !== '',
};

/** A list of texts that are not empty. */
export const texts: Expectation = {
  text: 'a list of texts',
  accepts: (value) => Array.isArray(value) && value.every((item) => text.accepts(item)),
};

/** A list of some of these words. */
export function wordsOf(...words: readonly string[]): Expectation {
  return {
    text: `a list of ${words.join(', ')}`,
    accepts: (value) => Array.isArray(value) && value.every((item) => words.includes(item as string)),
  };
}

/** A value that one of two tests accepts. */
export function either(a: Expectation, b: Expectation): Expectation {
  return { text: `${a.text}, or ${b.text}`, accepts: (value) => a.accepts(value) || b.accepts(value) };
}
