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
