// Runs tsc, then does what tsc leaves out: puts the border around the API, bundles the
// pages, removes output without a source, and makes the CLI executable.
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { addBorder, borderFiles } from './border.mjs';
import { packageFile } from './native.mjs';
import { bundlePages, pageFiles } from './page.mjs';
import { Explained, root, run, say } from './process.mjs';

const dist = join(root, 'dist');

/** Written by addBorder and bundlePages. */
const added = [...borderFiles, ...pageFiles];

function removeOrphans() {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(dist, path);
    const stem = name.replace(/\.(js|d\.ts)(\.map)?$/, '');
    if (entry.isFile() && !added.includes(name) && !existsSync(join(root, 'src', `${stem}.ts`))) rmSync(path);
  }
}

/**
 * Compiles src into `folder`, with the pages. Throws Explained with the compiler's errors.
 */
export async function compileTypescript(folder) {
  say('compiling TypeScript');
  const args = [packageFile('typescript', 'bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', folder];
  const { code, output } = await run(process.execPath, args, { onLine: () => {} });
  if (code !== 0) throw new Explained(`${output.trim()}\nThe TypeScript sources were not compiled.`);
  await addBorder(folder);
  await bundlePages(folder);
}

/** Builds dist/. */
export async function buildTypescript() {
  await compileTypescript(dist);
  removeOrphans();
  chmodSync(join(dist, 'cli', 'main.js'), 0o755);
}
