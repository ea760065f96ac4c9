/**
 * Tests of the command line run dist/, and reports take their page from there: one tsc and one
 * bundle before all tests. A type error is `npm run check`'s to report.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../src/base/package-root.ts';

export default async function setup(): Promise<void> {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  spawnSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: packageRoot,
  });
  const { bundlePage } = (await import(pathToFileURL(join(packageRoot, 'scripts/lib/page.mjs')).href)) as {
    bundlePage(folder: string): Promise<void>;
  };
  await bundlePage(join(packageRoot, 'dist'));
}
