// Runs npm ci, but only if node_modules differs from package-lock.json. npm's own record of its
// installation (node_modules/.package-lock.json) tells, so an install by hand counts too.
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
 * The number of packages of the lock file that are not installed in their version. Optional
 * packages, for other platforms, count only if another version of them is installed.
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

/**
 * Whether every package of the lock file is installed in its version. Optional packages, for other
 * platforms, may be missing.
 */
export function isInstalled(folder = root) {
  return missingPackages(folder) === 0;
}

export async function install() {
  if (isInstalled()) return;
  say('installing packages (npm ci)');
  const { code } = await npm(['ci', '--include=dev', '--no-audit', '--no-fund'], {});
  if (code !== 0) throw new Explained('npm ci failed; its reason stands above.');
}
