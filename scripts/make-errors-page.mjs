#!/usr/bin/env node
// Writes docs/reference/errors.md from the table of errors. Run it after a
// change of src/base/errors.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScript } from './lib/node-version.mjs';

async function main() {
  const [{ buildTypescript }, { errorsPage }, { root }] = await Promise.all([
    import('./lib/typescript.mjs'),
    import('./lib/errors-page.mjs'),
    import('./lib/process.mjs'),
  ]);
  await buildTypescript();
  const { errorTable } = await import(join(root, 'dist/base/errors.js'));
  writeFileSync(join(root, 'docs/reference/errors.md'), errorsPage(errorTable));
}

runScript(main);
