/**
 * The page's program and style, as the build bundles them from src/report/page. They are read from
 * dist, also when this module runs from src, as under the tests.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';

export interface PageFiles {
  program: string;
  style: string;
}

/** Throws ERR_FILE_MISSING where the package is not built. */
export function pageFiles(): PageFiles {
  return { program: read('page.js'), style: read('page.css') };
}

function read(name: string): string {
  const path = join(packageRoot, 'dist', 'report', 'page', name);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const remedy = 'build the package: npm run build';
    throw new AthanorError('ERR_FILE_MISSING', `cannot read ${path}`, remedy, { cause: error });
  }
}
