/** What a file or folder is called until it is whole: by the process that writes it, so that a killed one's can be told. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Ends the names of what is not finished. */
export function temporarySuffix(): string {
  return `.tmp-${process.pid}`;
}

/** The process that a temporary name belongs to, when that process cannot be writing it any more. */
export function isStale(name: string): boolean {
  const match = /\.(?:tmp|old)-(\d+)$/.exec(name);
  if (!match) return false;
  const pid = Number(match[1]);
  // Ours from before: in a container every run may have the same id.
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Removes what killed processes left half-written of the file `name` in this folder. */
export function removeStaleFiles(folder: string, name: string): void {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(`${name}.tmp-`) && isStale(entry)) rmSync(join(folder, entry), { force: true });
  }
}
