/**
 * The places that may have the addon. If $ATHANOR_NATIVE is set, its file is the only one. A
 * checkout, which has src/, uses the addon that was built in it and never a package, because a
 * prebuilt engine would hide the developer's changes. An installed package tries the prebuilt
 * packages of its own version, the one with CUDA first, and then the addon that
 * `athanor build` made.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A file to load, or the reason why this place has none. */
export type Candidate = { readonly path: string } | { readonly problem: string };

/** The prebuilt packages for this platform, best first. */
export function platformPackages(platform = process.platform, arch = process.arch): string[] {
  const name = `@athanor/${platform}-${arch}`;
  return [`${name}-cuda`, name];
}

function prebuilt(name: string, root: string, version: string): Candidate {
  let description: string;
  try {
    description = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    return { problem: `the package ${name} is not installed` };
  }
  const found = (JSON.parse(readFileSync(description, 'utf8')) as { version: string }).version;
  if (found !== version)
    return { problem: `the package ${name} has version ${found}, but athanor has ${version}` };
  return { path: join(dirname(description), 'athanor.node') };
}

/**
 * Every place, in the order in which they are tried.
 * @param root the folder of athanor's own package
 */
export function candidates(root: string, version: string, env = process.env): Candidate[] {
  const chosen = env.ATHANOR_NATIVE;
  if (chosen) return [{ path: chosen }];
  const built = ['build/cmake/Release/athanor.node', 'build/Release/athanor.node'];
  const local = built.map((path) => ({ path: join(root, path) }));
  if (existsSync(join(root, 'src'))) return local;
  return [...platformPackages().map((name) => prebuilt(name, root, version)), ...local];
}
