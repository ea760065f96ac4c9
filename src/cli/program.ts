/** From arguments to the command that they name. Only that command's file is imported. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { AthanorError } from '../native/errors.ts';
import { packageRoot } from '../native/package-root.ts';
import { nearest } from '../native/suggest.ts';
import type { CommandModule } from './command.ts';
import { type CommandEntry, type CommandGroup, commands } from './commands.ts';
import { declareOptions } from './parse-options.ts';

export function packageVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

type Table = Readonly<Record<string, CommandEntry | CommandGroup>>;

function lookUp(table: Table, word: string, prefix: string): CommandEntry | CommandGroup {
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

/** What the arguments name: a command to run, or nothing when there was only help or a version to print. */
export interface Selected {
  readonly module: CommandModule;
  readonly command: Command;
}

/** The program with every command named and the one at `path` fully declared. */
export async function buildProgram(
  path: readonly string[],
): Promise<{ program: Command; selected?: Selected }> {
  const program = newProgram();
  let selected: Selected | undefined;
  const add = async (parent: Command, table: Table, rest: readonly string[]): Promise<void> => {
    for (const [name, entry] of Object.entries(table)) {
      const command = parent
        .command(name)
        .summary(entry.summary)
        .description(entry.summary)
        .helpCommand(false);
      if ('commands' in entry) {
        await add(command, entry.commands, rest[0] === name ? rest.slice(1) : []);
      } else if (rest[0] === name) {
        const module = await entry.load();
        configure(command, module);
        selected = { module, command };
      }
    }
  };
  await add(program, commands, path);
  return selected ? { program, selected } : { program };
}

/** The leading words that name a command, e.g. ["data", "prepare"]. Throws ERR_OPTION with the nearest name. */
export function commandPath(args: readonly string[]): string[] {
  const path: string[] = [];
  let table: Table | undefined = commands;
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
      const close = nearest(quoted.split('=')[0]!, names);
      return new AthanorError(
        'ERR_OPTION',
        `unknown option ${quoted}`,
        close ? `did you mean ${close}?` : help,
      );
    }
    case 'commander.optionMissingArgument':
      return new AthanorError('ERR_OPTION', `${quoted} needs a value`, help);
    case 'commander.missingArgument':
      return new AthanorError('ERR_OPTION', `the argument <${quoted}> is missing`, help);
    default:
      return new AthanorError('ERR_OPTION', error.message.replace(/^error: /, ''), help);
  }
}

/**
 * Parses the arguments. Resolves to the command to run with its positional arguments, or undefined when help or the
 * version was asked for and printed. Throws ERR_OPTION.
 */
export async function selectCommand(
  argv: readonly string[],
): Promise<(Selected & { args: string[] }) | undefined> {
  const args = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
  const path = commandPath(args);
  const { program, selected } = await buildProgram(path);
  let parsed: string[] | undefined;
  selected?.command.action(() => {
    parsed = selected.command.args;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return undefined;
    if (error.code === 'commander.help') {
      const what = path.length === 0 ? 'a command' : `a command after "${path.join(' ')}"`;
      const help = ['athanor', ...path, '--help'].join(' ');
      throw new AthanorError('ERR_OPTION', `${what} is missing`, `run ${help} for the list`);
    }
    throw translate(error, selected?.command ?? program);
  }
  return selected && parsed ? { ...selected, args: parsed } : undefined;
}
