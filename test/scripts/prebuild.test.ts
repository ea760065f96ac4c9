/** The decisions of npm run prebuild. test/package/prebuilt.test.ts installs its packages. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { output } from '../helpers/emulator.ts';

const { mainManifest, neededLibraries, platformManifest } = (await import(
  pathToFileURL(join(packageRoot, 'scripts/lib/prebuild.mjs')).href
)) as {
  mainManifest(manifest: object, names: string[]): Record<string, unknown>;
  neededLibraries(binary: Buffer): string;
  platformManifest(target: string, manifest: object, libraries: string): Record<string, unknown>;
};
const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));

describe('npm run prebuild', () => {
  it('names the packages without CUDA as optional dependencies of the same version', () => {
    const packed = mainManifest(manifest, ['linux-x64', 'linux-arm64', 'linux-x64-cuda']);
    const { version } = manifest;
    expect(packed.optionalDependencies).toEqual({
      '@athanor/linux-x64': version,
      '@athanor/linux-arm64': version,
    });
    expect(packed.dependencies).toEqual(manifest.dependencies);
  });

  it('says where a package of the engine can be installed', () => {
    expect(platformManifest('linux-arm64-cuda', manifest, 'glibc 2.31')).toMatchObject({
      name: '@athanor/linux-arm64-cuda',
      version: manifest.version,
      os: ['linux'],
      cpu: ['arm64'],
      libc: ['glibc'],
      description: expect.stringMatching(/with CUDA kernels; needs glibc 2\.31 or newer/),
    });
  });

  it('reads which C and C++ libraries a binary needs', () => {
    const binary = Buffer.from('\0GLIBC_2.4\0GLIBC_2.34\0GLIBCXX_3.4.30\0GLIBC_2.17\0GLIBCXX_3.4.9\0');
    expect(neededLibraries(binary)).toBe('glibc 2.34 and GLIBCXX_3.4.30');
  });

  it('refuses a target that is unknown, or of another machine', async () => {
    const other = process.arch === 'x64' ? 'linux-arm64' : 'linux-x64';
    const prebuild = (target: string) =>
      output(process.execPath, [join(packageRoot, 'scripts/prebuild.mjs'), '--target', target]);
    expect((await prebuild('beos-ppc')).text).toMatch(/unknown target beos-ppc; there are linux-x64, /);
    expect((await prebuild(other)).text).toMatch(
      new RegExp(`${other} is built on linux on \\w+, and this is`),
    );
  });

  it('is not what "npm run build" begins with, by its name', async () => {
    const { code, text } = await output('npm', ['run', 'build', '--', '--fx']);
    expect(code).not.toBe(0);
    expect(text).toContain('build: unknown option --fx');
    expect(text).not.toContain('scripts/prebuild.mjs');
  });
});
