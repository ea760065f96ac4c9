/** What a command file exports; src/cli/commands.ts lists them and run-command.ts runs them. */
import type { OptionSpecs, OptionValues } from './options.ts';

export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };
/** What a command found out, with snake_case names: printed by `--json`. */
export type CommandResult = { readonly [key: string]: Json };

export interface CommandContext {
  /** The positional arguments, as many as `CommandModule.arguments` allows. */
  readonly args: readonly string[];
  /**
   * True with --json: stdout must then hold nothing after the result, and progress goes to
   * stderr as always.
   */
  readonly json: boolean;
  readonly debug: boolean;
  /**
   * Spells the settings that a text of the library names, in backticks, as this command's flags.
   */
  readonly spell: (text: string) => string;
}

export interface CommandModule<S extends OptionSpecs = OptionSpecs, R extends CommandResult = CommandResult> {
  /**
   * Positional arguments as commander writes them: `<file>`, `[text]`, `<files...>`, each with
   * what it means.
   */
  readonly arguments?: Readonly<Record<string, string>>;
  readonly options: S;
  /** Shown at the end of `--help`: one command line that works, without the leading `athanor`. */
  readonly example: string;
  /** More than the summary, for `--help`. */
  readonly description?: string;
  run(options: OptionValues<S>, context: CommandContext): Promise<R>;
  /** The result for people, printed to stdout when --json is not given. */
  render?(result: R): string;
}

/** Infers the types of a command's options from their specs. */
export function defineCommand<const S extends OptionSpecs, R extends CommandResult>(
  command: CommandModule<S, R>,
): CommandModule<S, R> {
  return command;
}
