/**
 * Turns the command line and a config file into typed option values. The command line comes before
 * the config file, the config file before the defaults.
 */
import { type Command, Option } from 'commander';
import { AthanorError } from '../base/errors.ts';
import { readConfig } from './config-file.ts';
import {
  type OptionSpec,
  type OptionSpecs,
  optionGroups,
  optionName,
  sharedOptions,
  valueError,
} from './options.ts';

/**
 * Longest flag with its placeholder, in characters. A longer one would squeeze the descriptions.
 */
const longestFlag = 30;

/** Whether the words of a choice are too long for the place behind its flag in the help text. */
function hasLongWords(key: string, { words, placeholder }: OptionSpec<unknown>): boolean {
  return words !== undefined && `--${optionName(key)} ${placeholder}`.length > longestFlag;
}

function flagText(key: string, option: OptionSpec<unknown>): string {
  const name = optionName(key);
  if (option.kind === 'flag') return option.default === true ? `--no-${name}` : `--${name}`;
  const letter = option.letter ? `-${option.letter}, ` : '';
  return `${letter}--${name} ${hasLongWords(key, option) ? '<word>' : option.placeholder}`;
}

function helpText(key: string, option: OptionSpec<unknown>): string {
  const notes: string[] = [];
  if (option.required) notes.push('required');
  if (option.kind === 'list') notes.push('may be repeated');
  else if (option.kind !== 'flag' && option.default !== undefined) notes.push(`default: ${option.default}`);
  // A flag that is on by default is shown as --no-name, with the description of that form.
  const described = option.negated && option.default === true ? option.negated : option.description;
  const words = hasLongWords(key, option) ? option.words! : [];
  const named = words.every((word) => described.includes(word));
  const description = named ? described : `${described}: ${words.join(', ')}`;
  return notes.length === 0 ? description : `${description} (${notes.join(', ')})`;
}

/**
 * Declares the options on a commander command; their values stay text until `parseOptions`. The
 * help text shows options without a heading first, then those under each heading.
 */
export function declareOptions(command: Command, options: OptionSpecs): void {
  const place = ({ group }: OptionSpec<unknown>) => (group === undefined ? -1 : optionGroups.indexOf(group));
  const ordered = Object.entries(options).sort(([, a], [, b]) => place(a) - place(b));
  for (const [key, spec] of [...ordered, ...Object.entries(sharedOptions)]) {
    const option = new Option(flagText(key, spec), helpText(key, spec));
    if (spec.group !== undefined) option.helpGroup(`${spec.group}:`);
    if (spec.kind === 'list') {
      option.argParser((given: string, earlier: string[] | undefined) => [...(earlier ?? []), given]);
    }
    command.addOption(option);
  }
}

function parseTexts(option: OptionSpec<unknown>, texts: readonly string[], where: string): unknown {
  const values = texts.map((given) => {
    const value = option.parse(given);
    if (value === undefined) throw valueError(where, option, given);
    return value;
  });
  return option.kind === 'list' ? values.flat() : values[0];
}

export interface ParsedOptions {
  /** The value of each option, given or by default. */
  readonly values: Record<string, unknown>;
  /** Keys of the options that the command line or the config file gives. */
  readonly given: ReadonlySet<string>;
}

/** The typed values of a parsed command. Throws ERR_OPTION or ERR_CONFIG that names the option. */
export function parseOptions(command: Command, options: OptionSpecs): ParsedOptions {
  const given = command.opts<Record<string, string | boolean | string[]>>();
  const onCommandLine = (key: string) => command.getOptionValueSource(key) === 'cli';
  const configFile = onCommandLine('config') ? (given.config as string) : undefined;
  const config = configFile === undefined ? undefined : readConfig(configFile, options);

  const values: Record<string, unknown> = {};
  const givenKeys = new Set<string>();
  for (const [key, option] of Object.entries({ ...options, ...sharedOptions })) {
    const entry = config?.get(key);
    if (onCommandLine(key) || entry) givenKeys.add(key);
    if (onCommandLine(key)) {
      const texts = [given[key]!].flat().map(String);
      values[key] = parseTexts(option, texts, `--${optionName(key)}`);
    } else if (entry) {
      values[key] = parseTexts(option, entry.texts, entry.where);
    } else if (option.required) {
      throw new AthanorError(
        'ERR_OPTION',
        `${flagText(key, option)} is required: ${option.description}`,
        `give it on the command line, or as "${optionName(key)}: ..." in a --config file`,
      );
    } else {
      values[key] = option.default;
    }
  }
  return { values, given: givenKeys };
}
