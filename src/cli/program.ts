/** From arguments to the command that they name. Only that command's file is imported. */
import { Command, CommanderError } from 'commander';
import { AthanorError } from '../base/errors.ts';
import { packageVersion } from '../base/package-version.ts';
import { nearest } from '../base/suggest.ts';
import type { CommandModule } from './command.ts';
import type { CommandEntry, CommandGroup, CommandTable } from './commands.ts';
import { declareOptions } from './parse-options.ts';
import { newNameOf } from './renamed-options.ts';

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

/** commander, told to throw instead of printing and exiting. Subcommands inherit these settings. */
function newProgram(): Command {
  return new Command('athanor')
    .description('Trains language models from raw text: pretraining and the stages after it.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || 110, 110) })
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
  /**
   * The command, or group of commands, that the path names; the program itself for an empty path.
   */
  readonly command: Command;
  /** Absent when the path names a group. */
  readonly module?: CommandModule;
}

/** The program with every command named and the one at `path` fully declared. */
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
 * The leading words that name a command, e.g. ["data", "prepare"]. Throws ERR_OPTION with
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

/** `athanor data prepare`: the words that lead to a command. */
function commandLine(command: Command): string {
  return command.parent ? `${commandLine(command.parent)} ${command.name()}` : command.name();
}

function translate(error: CommanderError, command: Command): AthanorError {
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
      return new AthanorError(
        'ERR_OPTION',
        `unknown option ${quoted}`,
        renamed ? `it is called --${renamed} now` : close ? `did you mean ${close}?` : help,
      );
    }
    case 'commander.help': {
      const message = command.parent
        ? `"${command.name()}" needs a command after it`
        : 'a command is missing';
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

/** A command to run, parsed. */
export interface Selected {
  readonly module: CommandModule;
  readonly command: Command;
  readonly args: readonly string[];
}

/**
 * Parses the arguments. Resolves to the command to run, or undefined when help or the version was
 * asked for and printed. Throws ERR_OPTION.
 */
export async function selectCommand(
  argv: readonly string[],
  table: CommandTable,
): Promise<Selected | undefined> {
  const args = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
  const path = commandPath(args, table);
  const { program, command, module } = await buildProgram(path, table);
  // The action only marks the command as one that commander may end with: what it does is the
  // caller's to start.
  if (module) command.action(() => {});
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return undefined;
    throw translate(error, command);
  }
  return module && { module, command, args: command.args };
}
