/**
 * Runs one command line and returns its exit code: 0 success, 2 wrong usage, 130 after Ctrl-C, 1
 * any other error.
 */
import { AthanorError, fileError, isSystemError } from '../base/errors.ts';
import { tolerateErrors } from '../base/tolerate-errors.ts';
import { reportError } from '../launch/launched.ts';
import { withMergedModels } from './adapter-models.ts';
import { type CommandTable, commands } from './commands.ts';
import { isParallel, ranAsRanks } from './data-parallel.ts';
import { parseOptions } from './parse-options.ts';
import { type Selected, selectCommand } from './program.ts';
import { spellingOf } from './spelling.ts';

/**
 * `error: message [CODE]`, then the remedy. With --debug also the stacks of the error
 * and its causes.
 */
export function formatError(thrown: unknown, debug: boolean, spell = (text: string) => text): string {
  const error = explained(thrown);
  const known = error instanceof AthanorError;
  const message = spell(error instanceof Error ? error.message : String(error));
  const lines = [`error: ${message || 'unknown failure'} [${known ? error.code : 'ERR_INTERNAL'}]`];
  if (known && error.remedy) lines.push(`  ${spell(error.remedy)}`);
  if (!known && !debug)
    lines.push('  this is a defect in athanor: run again with --debug for the stack trace');
  if (debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      lines.push(cause.stack ?? '');
  }
  return `${lines.join('\n')}\n`;
}

/** An engine that was built before this JavaScript. */
function isOldEngine(error: unknown): error is TypeError {
  return error instanceof TypeError && /^native\.\w+ is not a (function|constructor)/.test(error.message);
}

/** What the operating system refuses is no defect of athanor, wherever it was refused. */
function explained(error: unknown): unknown {
  if (isOldEngine(error)) {
    const problem = `the native engine is not of this version of athanor: ${error.message}`;
    const remedy = 'build it again with: npx athanor build';
    return new AthanorError('ERR_NATIVE_LOAD', problem, remedy, { cause: error });
  }
  if (!isSystemError(error)) return error;
  const { path, syscall = 'use' } = error;
  return fileError(error, path ?? 'a file', reading.has(syscall) ? 'read' : syscall);
}

const reading = new Set(['open', 'read', 'scandir', 'stat', 'lstat', 'fstat', 'access', 'realpath']);

/** 2 for a wrong command line or config file, 130 after Ctrl-C, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof AthanorError)) return 1;
  if (error.code === 'ERR_OPTION' || error.code === 'ERR_CONFIG') return 2;
  return error.code === 'ERR_INTERRUPTED' ? 130 : 1;
}

interface Words {
  readonly argv: readonly string[];
  readonly spell: (text: string) => string;
}

async function run({ module, command, args }: Selected, { argv, spell }: Words): Promise<void> {
  const { values, given } = parseOptions(command, module.options);
  if (isParallel(values) && (await ranAsRanks(values, argv))) return;
  const { json, debug } = values as { json: boolean; debug: boolean };
  let isMuted = false;
  const mute = () => {
    isMuted = true;
  };
  const models = await withMergedModels(values, module.options);
  const result = await module.run(models, { args, json, debug, given, spell, mute });
  if (isMuted) return;
  const text = json ? JSON.stringify(result) : module.render?.(result);
  if (text !== undefined) process.stdout.write(`${text}\n`);
}

function report(error: unknown, debug: boolean, spell?: (text: string) => string): number {
  process.stderr.write(formatError(error, debug, spell));
  reportError(error);
  return exitCodeOf(error);
}

/**
 * For a process that runs one command and nothing else: errors outside the command are reported
 * too, and end the process.
 */
export function guardProcess(argv: readonly string[]): void {
  const die = (error: unknown) => process.exit(report(error, argv.includes('--debug')));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that leaves early (`athanor info | head -1`) is no error.
    if (error.code !== 'EPIPE') die(fileError(error, 'standard output', 'write'));
  });
  // Status that nobody can read is no reason to end the work: a full disk, a closed terminal.
  tolerateErrors(process.stderr);
  process.on('unhandledRejection', die);
  process.on('uncaughtException', die);
}

/** Runs the command line and returns the exit code. Prints errors to stderr. */
export async function runCli(argv: readonly string[], table: CommandTable = commands): Promise<number> {
  let spell: ((text: string) => string) | undefined;
  try {
    const selected = await selectCommand(argv, table);
    if (!selected) return 0;
    spell = spellingOf(selected.module.options);
    await run(selected, { argv, spell });
    return 0;
  } catch (error) {
    return report(error, argv.includes('--debug'), spell);
  }
}
