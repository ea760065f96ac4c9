import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { about, costOf, freshObjects } from './build-plan.mjs';
import { install, missingPackages } from './install.mjs';
import { machineName, machineParts, slowness } from './machine.mjs';
import { addonPath, jobs } from './native.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { root, run, say } from './process.mjs';

/** Prepares everything that a new clone needs, and all of the engine. */
export async function prepare() {
  requirePrerequisites();
  await install();
  await build();
}

/** The steps before the run, as [name, seconds on this machine]. */
function steps(slower) {
  const list = [];
  const packages = missingPackages();
  if (packages > 0) list.push([`install ${packages} packages`, 3 + packages * 0.05 * slower]);
  if (!existsSync(addonPath())) {
    const parts = machineParts();
    const seconds = (costOf(freshObjects(parts)) / jobs() + 6) * slower;
    list.push([`build the native engine for ${parts.join(' and ')}`, seconds]);
  }
  if (!existsSync(join(root, 'dist'))) list.push(['compile the TypeScript sources', 3 * slower]);
  return list;
}

function announce() {
  const slower = slowness();
  const list = steps(slower);
  if (list.length === 0) return;
  say(`a first start on this machine (${machineName()})`);
  const lines = list.map(([what, seconds]) => `${what}: ${about(seconds)}`);
  const all = [...lines, 'train and ask the packaged model: it says how long when it begins'];
  for (const [index, text] of all.entries()) process.stderr.write(`  ${index + 1}. ${text}\n`);
  if (slower > 1.5) {
    process.stderr.write(
      `  This machine is slow or busy: it takes ${slower.toFixed(1)} times as long as the one we measured on.\n`,
    );
  }
}

export async function start(args) {
  requirePrerequisites();
  announce();
  await install();
  await build(['--here']);
  const { code } = await run(process.execPath, [join(root, 'dist/cli/main.js'), 'quickstart', ...args]);
  process.exitCode = code;
}
