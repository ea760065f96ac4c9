/**
 * The library names a setting by its key, in backticks: `batchSize`. The command line spells it
 * as its flag.
 */
import { type OptionSpecs, optionName } from './options.ts';

/**
 * For texts of a command with these options: "lower `batchSize`" -> "lower --batch-size".
 * Other words stay.
 */
export function spellingOf(options: OptionSpecs): (text: string) => string {
  return (text) =>
    text.replace(/`([a-z][A-Za-z0-9]*)`/g, (all, key: string) =>
      Object.hasOwn(options, key) ? `--${optionName(key)}` : all,
    );
}
