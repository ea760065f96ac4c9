/** Finds the command that the arguments name. Imports the file of that command only. */
import { Command, CommanderError } from 'commander';
import { AthanorError } from '../base/errors.ts';
import { packageVersion } from '../base/package-version.ts';
import { newNameOf } from '../base/renamed-options.ts';
import { nearest } from '../base/suggest.ts';
import type { CommandModule } from './command.ts';
import type { CommandEntry, CommandGroup, CommandTable } from './commands.ts';
import { declareOptions } from './parse-options.ts';

function lookUp(table: CommandTable, word: string, prefix: string): CommandEntry | CommandGroup {
  if (Object.hasOwn(table, word)) return table[word]!;
  const close = nearest(word, Object.keys(table));
  const all = Object.keys(table).join(', ');
  throw new AthanorError(
    'ERR_OPTION',
    `there is no command "${prefix}${word}"`,
    close ? `did you mean "${prefix}${close}"?` : `the commands are: ${all}`,
  );
}

/** A program that throws errors instead of printing them and exiting; subcommands inherit this. */
function newProgram(): Command {
  return new Command('athanor')
    .description(
      'Trains language models: pretraining, supervised fine-tuning (sft), reward models, PPO, GRPO and DPO.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || 100, 100) })
    .configureOutput({ writeErr: () => {} })
    .exitOverride();
}

function configure(command: Command, module: CommandModule): void {
  for (const [name, description] of Object.entries(module.arguments ?? {}))
    command.argument(name, description);
  if (module.description) command.description(`${command.description()}\n\n${module.description}`);
  declareOptions(command, module.options);
  command.addHelpText('after', `\nExample:\n  $ athanor ${module.example}`);
}

export interface Built {
  readonly program: Command;
  /** The command or group that the path names; the program itself for an empty path. */
  readonly command: Command;
  /** Absent when the path names a group or the program. */
  readonly module?: CommandModule;
}

/** Builds the program: every command by name, and the one at `path` with its options. */
export async function buildProgram(path: readonly string[], table: CommandTable): Promise<Built> {
  const program = newProgram();
  let built: Built = { program, command: program };
  const add = async (parent: Command, entries: CommandTable, depth: number): Promise<void> => {
    for (const [name, entry] of Object.entries(entries)) {
      const command = parent.command(name).summary(entry.summary).description(entry.summary);
      command.helpCommand(false);
      const onPath = parent === built.command && path[depth] === name;
      if (onPath) built = { program, command };
      if ('commands' in entry) {
        await add(command, entry.commands, depth + 1);
      } else if (onPath) {
        const module = await entry.load();
        configure(command, module);
        built = { program, command, module };
      }
    }
  };
  await add(program, table, 0);
  return built;
}

/**
 * The leading words that name a command, e.g. ["data", "prepare"]. Throws ERR_OPTION that suggests
 * the nearest name.
 */
function commandPath(args: readonly string[], root: CommandTable): string[] {
  const path: string[] = [];
  let table: CommandTable | undefined = root;
  for (const word of args) {
    if (table === undefined || word.startsWith('-')) break;
    const entry: CommandEntry | CommandGroup = lookUp(table, word, path.map((part) => `${part} `).join(''));
    path.push(word);
    table = 'commands' in entry ? entry.commands : undefined;
  }
  return path;
}

/** The words that lead to a command: `athanor data prepare`. */
function commandLine(command: Command): string {
  return command.parent ? `${commandLine(command.parent)} ${command.name()}` : command.name();
}

/**
 * For a command that takes another one with its options (launch): the same words with the -- before
 * that command which tells the two apart. Undefined where it is there, or where no command is.
 */
function separated(args: readonly string[], command: Command, table: CommandTable): string | undefined {
  const takesCommand = command.registeredArguments.some((one) => one.variadic && one.name() === 'command');
  if (args.includes('--') || !takesCommand) return undefined;
  const at = args.findIndex((word, i) => i > 0 && Object.hasOwn(table, word));
  if (at < 0) return undefined;
  return ['athanor', ...args.slice(0, at), '--', ...args.slice(at)].join(' ');
}

function translate(
  error: CommanderError,
  command: Command,
  { args, table }: { args: readonly string[]; table: CommandTable },
): AthanorError {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const help = `see ${commandLine(command)} --help`;
  switch (error.code) {
    case 'commander.unknownOption': {
      const names = command.options.map((option) => option.long!).concat('--help');
      const given = quoted.split('=')[0]!;
      const renamed = newNameOf(
        given.replace(/^--/, ''),
        names.map((name) => name.replace(/^--/, '')),
      );
      const close = nearest(given, names);
      const meant = separated(args, command, table);
      let remedy = help;
      if (meant) remedy = `write the command and its options after --: ${meant}`;
      else if (renamed) remedy = `its new name is --${renamed}`;
      else if (close) remedy = `did you mean ${close}?`;
      return new AthanorError('ERR_OPTION', `unknown option ${quoted}`, remedy);
    }
    case 'commander.help': {
      const message = `"${commandLine(command)}" needs a command after it`;
      return new AthanorError('ERR_OPTION', message, `${help} for the list`);
    }
    case 'commander.optionMissingArgument':
      return new AthanorError('ERR_OPTION', `${quoted} needs a value`, help);
    case 'commander.missingArgument':
      return new AthanorError('ERR_OPTION', `the argument <${quoted}> is missing`, help);
    default:
      return new AthanorError('ERR_OPTION', error.message.replace(/^error: /, ''), help);
  }
}

/** A parsed command line: the command to run and its arguments. */
export interface Selected {
  readonly module: CommandModule;
  readonly command: Command;
  readonly args: readonly string[];
}

/**
 * Parses the arguments. Resolves to the command to run, or to undefined after it has printed the
 * help or the version. Throws ERR_OPTION.
 */
export async function selectCommand(
  argv: readonly string[],
  table: CommandTable,
): Promise<Selected | undefined> {
  const asksForHelp = argv.length === 0 || argv[0] === 'help';
  const args = asksForHelp ? [...argv.slice(1), '--help'] : [...argv];
  const path = commandPath(args, table);
  const { program, command, module } = await buildProgram(path, table);
  // The empty action tells commander that this command can run. The caller runs it.
  if (module) command.action(() => {});
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return undefined;
    throw translate(error, command, { args, table });
  }
  return module && { module, command, args: command.args };
}
