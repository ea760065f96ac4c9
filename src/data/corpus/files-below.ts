/** The files of folders and of glob patterns, in the order of names. */
import { type Dirent, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import picomatch from 'picomatch';
import { fileError } from '../../base/errors.ts';

/**
 * All files below a folder, to any depth; hidden entries are left out, and what is no file, such as
 * a pipe. Throws ERR_FILE_MISSING and ERR_IO.
 * @param above real paths of the folders on the way to this one; a link to one of them is not
 * followed, since it would never end
 */
export function* filesBelow(folder: string, above: readonly string[] = []): Generator<string> {
  let entries: Dirent[];
  let real: string;
  try {
    real = realpathSync(folder);
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw fileError(error, folder);
  }
  if (above.includes(real)) return;
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const target = entry.isSymbolicLink() ? statOf(path) : entry;
    if (target?.isDirectory()) yield* filesBelow(path, [...above, real]);
    // A link that leads nowhere is named by the one who reads it.
    else if (!target || target.isFile()) yield path;
  }
}

/** Undefined for a file that is not there, and for a link that leads nowhere or to itself. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Whether a path has the signs of a pattern: `*`, `?`, `[`, `{`. */
export function isPattern(path: string): boolean {
  return picomatch.scan(path).isGlob ?? false;
}

/** The files that fit a pattern. `**` stands for any folders, `{a,b}` for a choice. */
export function filesOfPattern(pattern: string): string[] {
  const { root, fits } = partsOf(pattern);
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) return [];
  const below = (path: string) => (root === '.' ? path : path.slice(join(root, '/').length));
  return [...filesBelow(root)].filter((path) => fits(below(path)));
}

/** Whether a file at this path, which need not be there yet, would fit a pattern. */
export function wouldFit(pattern: string, path: string): boolean {
  const { root, fits } = partsOf(pattern);
  const below = relative(root, path);
  return below !== '' && !/^\.\.(\/|$)/.test(below) && fits(below);
}

/** The folder above all that fit, and what fits below it. */
function partsOf(pattern: string): { root: string; fits: (below: string) => boolean } {
  const { base, glob } = picomatch.scan(pattern);
  // A name may have line breaks.
  return { root: base === '' ? '.' : base, fits: picomatch(glob, { flags: 's' }) };
}
