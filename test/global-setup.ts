/**
 * Tests of the command line and of the border run dist/, and pages take their program from there:
 * one tsc, one border and one bundle before all tests. A type error is `npm run check`'s to report.
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
  const dist = join(packageRoot, 'dist');
  const { addBorder } = (await script('border.mjs')) as { addBorder(folder: string): Promise<void> };
  await addBorder(dist);
  const { bundlePages } = (await script('page.mjs')) as { bundlePages(folder: string): Promise<void> };
  await bundlePages(dist);
}

function script(name: string): Promise<unknown> {
  return import(pathToFileURL(join(packageRoot, 'scripts/lib', name)).href);
}
