/**
 * The program and the style of a page, as the build bundles them from src/ROOM/page. They are read
 * from dist, also when this module runs from src, as under the tests.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from './errors.ts';
import { packageRoot } from './package-root.ts';

export type PageRoom = 'report' | 'serve';

export interface PageFiles {
  program: string;
  style: string;
}

/** Throws ERR_FILE_MISSING where the package is not built. */
export function pageFiles(room: PageRoom): PageFiles {
  return { program: pageFile(room, 'page.js'), style: pageFile(room, 'page.css') };
}

/** One file of a built page. Throws ERR_FILE_MISSING where the package is not built. */
export function pageFile(room: PageRoom, name: string): string {
  const path = join(packageRoot, 'dist', room, 'page', name);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const remedy = 'build the package: npm run build';
    throw new AthanorError('ERR_FILE_MISSING', `cannot read ${path}`, remedy, { cause: error });
  }
}

/** A script or style by its hash, as a source of a content-security-policy. */
export function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
