/** The places where the engine is looked for, and their order. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { candidates, platformPackages } from '../../src/native/candidates.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';

const [withCuda, plain] = platformPackages() as [string, string];
const local = ['build/cmake/Release/athanor.node', 'build/Release/athanor.node'];

/** A project that has athanor installed, and prebuilt packages of these versions. */
function project(prebuilt: Record<string, string>): string {
  const modules = join(temporaryFolder(), 'node_modules');
  const root = join(modules, 'athanor');
  for (const [name, version] of [['athanor', '1.2.3'], ...Object.entries(prebuilt)]) {
    mkdirSync(join(modules, name!), { recursive: true });
    writeFileSync(join(modules, name!, 'package.json'), JSON.stringify({ name, version }));
  }
  return root;
}

function places(root: string, env: Record<string, string> = {}): string[] {
  return candidates(root, '1.2.3', env).map((place) => ('path' in place ? place.path : place.problem));
}

describe('candidates', () => {
  it('are named after the platform, with CUDA first', () => {
    expect(platformPackages('linux', 'x64')).toEqual(['@athanor/linux-x64-cuda', '@athanor/linux-x64']);
  });

  it('are only what ATHANOR_NATIVE names, where it is set', () => {
    expect(places(project({ [plain]: '1.2.3' }), { ATHANOR_NATIVE: '/x.node' })).toEqual(['/x.node']);
  });

  it('are the prebuilt package before a local build, in an installed package', () => {
    const root = project({ [plain]: '1.2.3' });
    expect(places(root)).toEqual([
      `the package ${withCuda} is not installed`,
      join(root, '..', plain, 'athanor.node'),
      ...local.map((path) => join(root, path)),
    ]);
  });

  it('leave out a prebuilt package of another version, and say so', () => {
    const root = project({ [plain]: '1.2.2', [withCuda]: '1.2.3' });
    expect(places(root).slice(0, 2)).toEqual([
      join(root, '..', withCuda, 'athanor.node'),
      `the package ${plain} has version 1.2.2, but athanor has 1.2.3`,
    ]);
  });

  it('are never a prebuilt package in a checkout', () => {
    const root = project({ [plain]: '1.2.3' });
    mkdirSync(join(root, 'src'));
    expect(places(root)).toEqual(local.map((path) => join(root, path)));
  });
});

describe('an engine that cannot be loaded', () => {
  it('is one error with the reason of every place', async () => {
    const broken = join(temporaryFolder(), 'athanor.node');
    writeFileSync(broken, 'no shared library');
    const addon = pathToFileURL(join(packageRoot, 'dist/native/addon.js')).href;
    const code = `import('${addon}').catch((e) => console.log(e.code, e.message, e.remedy))`;
    const { stdout } = await runNode(['-e', code], { env: { ATHANOR_NATIVE: broken } });
    expect(stdout).toContain('ERR_NATIVE_LOAD the native engine could not be loaded\n');
    expect(stdout).toContain(`${broken}: `);
    expect(stdout).toContain('npx athanor build');
  });
});
