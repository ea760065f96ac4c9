/**
 * The library names a setting by its key in backticks: `batchSize`. The command line
 * shows its flag.
 */
import { type OptionSpecs, optionName } from './options.ts';

/**
 * Replaces keys of these options by their flags: "lower `batchSize`" -> "lower --batch-size".
 * Other words stay.
 */
export function spellingOf(options: OptionSpecs): (text: string) => string {
  return (text) =>
    text.replace(/`([a-z][A-Za-z0-9]*)`/g, (all, key: string) =>
      Object.hasOwn(options, key) ? `--${optionName(key)}` : all,
    );
}

/**
 * `athanor sft --seed 3 --quick`: the command line that sets these values. Left out are options
 * with their default, except for the seed.
 */
export function repeatingCommand(command: string, options: OptionSpecs, values: object): string {
  const given = new Map<string, unknown>(Object.entries(values));
  const flags = Object.entries(options).flatMap(([key, option]) => {
    const value = given.get(key);
    const isDefault = value === undefined || value === (option.default ?? false);
    if (isDefault && key !== 'seed') return [];
    return option.kind === 'flag' ? [`--${optionName(key)}`] : [`--${optionName(key)} ${value}`];
  });
  return ['npx athanor', command, ...flags].join(' ');
}
