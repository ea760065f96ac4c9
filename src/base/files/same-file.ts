/** Whether paths mean the same file or folder, whatever links they go through. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** False if one of them does not exist. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Whether a path, which need not exist, is the folder or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  for (let place = resolve(path); ; place = dirname(place)) {
    if (isSameFile(place, folder)) return true;
    if (place === dirname(place)) return false;
  }
}
