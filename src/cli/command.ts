/** The form of a command file. src/cli/commands.ts lists the files and run-command.ts runs them. */
import type { OptionSpecs, OptionValues } from './options.ts';

export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };
/** The result of a command, with snake_case names. `--json` prints it. */
export type CommandResult = { readonly [key: string]: Json };

export interface CommandContext {
  /** The positional arguments, as many as `CommandModule.arguments` allows. */
  readonly args: readonly string[];
  /** True with --json: then stdout holds the result only. Progress always goes to stderr. */
  readonly json: boolean;
  readonly debug: boolean;
  /** Keys of the options that the user gave, on the command line or in a config file. */
  readonly given: ReadonlySet<string>;
  /** Replaces settings that a text of the library names in backticks by this command's flags. */
  readonly spell: (text: string) => string;
  /** The result is not printed: another process prints it. */
  readonly mute: () => void;
}

export interface CommandModule<S extends OptionSpecs = OptionSpecs, R extends CommandResult = CommandResult> {
  /**
   * Positional arguments as commander writes them, `<file>`, `[text]` or `<files...>`, each
   * with its description.
   */
  readonly arguments?: Readonly<Record<string, string>>;
  readonly options: S;
  /** One working command line for the end of `--help`, without the leading `athanor`. */
  readonly example: string;
  /** Text for `--help`, in addition to the summary. */
  readonly description?: string;
  run(options: OptionValues<S>, context: CommandContext): Promise<R>;
  /** The result as text for people; printed to stdout unless --json is given. */
  render?(result: R): string;
}

/** Infers the types of a command's options from their specs. */
export function defineCommand<const S extends OptionSpecs, R extends CommandResult>(
  command: CommandModule<S, R>,
): CommandModule<S, R> {
  return command;
}
