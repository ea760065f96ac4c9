/**
 * Makes a folder that appears complete or not at all. It is filled under a temporary name
 * and then renamed.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../errors.ts';
import { makeFolders } from './make-folders.ts';

/**
 * Runs `fill` on a new temporary folder, flushes the folder to disk and renames it to `out`. On
 * failure nothing is left behind. Throws ERR_ARGUMENT when `out` exists, and rethrows the
 * errors of `fill`.
 */
export async function createFolder<T>(out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  if (existsSync(out)) {
    throw new AthanorError('ERR_ARGUMENT', `${out} exists already`, 'delete it or name another `out`');
  }
  const target = resolve(out);
  const temporary = `${target}.tmp-${process.pid}`;
  try {
    removeLeftovers(target);
    makeFolders(temporary);
    const result = await fill(temporary);
    syncFolder(temporary);
    renameSync(temporary, target);
    syncFolder(dirname(target));
    return result;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw (error as NodeJS.ErrnoException).syscall ? fileError(error, out, 'write') : error;
  }
}

/**
 * Removes folders that killed processes left half-filled. A folder with the id of this process is
 * such a leftover too: a container that restarts may use process ids again.
 */
function removeLeftovers(target: string): void {
  const folder = dirname(target);
  if (!existsSync(folder)) return;
  const prefix = `${basename(target)}.tmp-`;
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length));
    if (Number.isInteger(pid) && (pid === process.pid || !isAlive(pid)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Without this a power failure may lose the names in a folder. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
