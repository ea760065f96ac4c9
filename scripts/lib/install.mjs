// npm ci, but only when node_modules is not what package-lock.json says. npm's own record of what it installed
// (node_modules/.package-lock.json) tells, so an install by hand counts too.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './npm.mjs';
import { Explained, root, say } from './process.mjs';

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/**
 * How many packages of the lock file are not there at their version. Optional ones, for other platforms, count only
 * where another version of them is there.
 */
export function missingPackages(folder = root) {
  const wanted = packagesOf(join(folder, 'package-lock.json'));
  const installed = packagesOf(join(folder, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).filter(([path, { integrity, optional }]) => {
    if (path === '') return false;
    const found = installed[path];
    if (found === undefined || !existsSync(join(folder, path))) return optional !== true;
    return found.integrity !== integrity;
  }).length;
}

/** True when every package of the lock file is there at its version; optional ones, for other platforms, may lack. */
export function isInstalled(folder = root) {
  return missingPackages(folder) === 0;
}

export async function install() {
  if (isInstalled()) return;
  say('installing packages (npm ci)');
  const { code } = await npm(['ci', '--include=dev', '--no-audit', '--no-fund'], {});
  if (code !== 0) throw new Explained('npm ci failed; its reason stands above.');
}
