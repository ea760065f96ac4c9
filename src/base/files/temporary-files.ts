/**
 * Temporary names of files and folders that are not complete yet. A name contains the id of the
 * process that writes it, so that leftovers of killed processes can be recognised.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The suffix of the names of incomplete files. */
export function temporarySuffix(): string {
  return `.tmp-${process.pid}`;
}

/** Whether a name is temporary and its process no longer writes it. */
export function isStale(name: string): boolean {
  const match = /\.(?:tmp|old)-(\d+)$/.exec(name);
  if (!match) return false;
  const pid = Number(match[1]);
  // A leftover of an earlier run: in a container every run may have the same process id.
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Removes incomplete versions of the file `name` that killed processes left in this folder. */
export function removeStaleFiles(folder: string, name: string): void {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(`${name}.tmp-`) && isStale(entry)) rmSync(join(folder, entry), { force: true });
  }
}
