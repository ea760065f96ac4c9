/**
 * Standard input in `OUT.partial`. It is copied there, because a corpus is read several times. The
 * copy stays until the end, so that a run that was stopped can continue.
 */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { pathOf } from '../corpus/source.ts';
import { STDIN, spoolIfAny, spoolInput } from '../corpus/stdin.ts';
import { digestOf } from './inputs.ts';
import type { PartialFolder } from './partial-folder.ts';
import type { PrepareOptions } from './prepare.ts';

const NAME = 'input.';

/**
 * The file with the contents of standard input; undefined where it is no source. A run that
 * continues may be given the same input, or none. Throws ERR_MISMATCH for another input than that
 * of the run before, and the errors of spoolInput.
 */
export async function keptInput(folder: PartialFolder, options: PrepareOptions): Promise<string | undefined> {
  const { sources, stdinFile, stdinFormat, signal } = options;
  if (stdinFile !== undefined || !sources.some((source) => pathOf(source) === STDIN)) return stdinFile;
  const before = copyIn(folder.stdin);
  if (before !== undefined && process.stdin.isTTY) return before;
  if (before === undefined) {
    const copy = await spoolInput(process.stdin, folder.stdin, stdinFormat, signal);
    const path = join(folder.stdin, `${NAME}${copy.format}`);
    renameSync(copy.path, path);
    return path;
  }
  const copy = await spoolIfAny(process.stdin, folder.stdin, stdinFormat, signal);
  if (copy === undefined) return before;
  try {
    const [old, now] = [await digestOf(before, signal), await digestOf(copy.path, signal)];
    if (old.sha256 === now.sha256) return before;
  } finally {
    copy.remove();
  }
  throw new AthanorError(
    'ERR_MISMATCH',
    `${folder.path} was begun with another standard input`,
    'give the input that it was begun with, or none, or begin anew with `fresh`',
  );
}

function copyIn(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const name = readdirSync(folder).find((entry) => entry.startsWith(NAME));
  return name && join(folder, name);
}
