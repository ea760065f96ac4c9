/** Folders with those above them. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it that are missing. Returns the first one that was made. Throws
 * the errors of mkdir; that of Node never ends where nothing can be made, as below /proc.
 */
export function makeFolders(folder: string): string | undefined {
  const missing: string[] = [];
  let path = resolve(folder);
  for (; !existsSync(path); path = dirname(path)) missing.unshift(path);
  if (missing.length === 0) makeFolder(path);
  else missing.forEach(makeFolder);
  return missing[0];
}

/** Another process may make the folder at the same time. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
