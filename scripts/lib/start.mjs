import { join } from 'node:path';
import { build } from './build.mjs';
import { install } from './install.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { root, run } from './process.mjs';

/** Everything that a fresh clone lacks. */
export async function prepare() {
  requirePrerequisites();
  await install();
  await build();
}

export async function start(args) {
  await prepare();
  const { code } = await run(process.execPath, [join(root, 'dist/cli/main.js'), 'quickstart', ...args]);
  process.exitCode = code;
}
