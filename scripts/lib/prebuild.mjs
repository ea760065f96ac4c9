// Makes the files of a release: the package itself, with its JavaScript compiled, and a package
// that holds the engine for one platform. The first names the second as an optional dependency of
// the same version. Only the packed package.json has that entry: in a clone, npm ci would ask the
// registry for a version that is not released yet.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { addonPath, buildNative } from './native.mjs';
import { npm } from './npm.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { Explained, root, say } from './process.mjs';
import { compileTypescript } from './typescript.mjs';

const out = join(root, 'build', 'prebuild');

// Each package holds the addon of this CMake target, which must have these instruction sets. A
// package with CUDA is large and is installed by name; the others come with the main package.
const x64 = ['portable', 'avx2', 'avx512', 'avx512bf16'];
export const targets = {
  'linux-x64': { addon: 'athanor_prebuilt_no_cuda', isas: x64, cuda: false },
  'linux-x64-cuda': { addon: 'athanor_prebuilt_cuda', isas: x64, cuda: true },
  'linux-arm64': { addon: 'athanor_prebuilt_no_cuda', isas: ['portable'], cuda: false },
  'linux-arm64-cuda': { addon: 'athanor_prebuilt_cuda', isas: ['portable'], cuda: true },
};

function readManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

function emptyFolder(name) {
  const folder = join(out, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The newest versions of the C and C++ libraries that a binary needs. Older systems cannot load it.
 */
export function neededLibraries(binary) {
  const text = binary.toString('latin1');
  const newest = (name, pattern, least) => {
    const minors = [...text.matchAll(pattern)].map(([, minor]) => Number(minor));
    return `${name}${Math.max(...minors, least)}`;
  };
  const glibc = newest('2.', /GLIBC_2\.(\d+)/g, 17);
  return `glibc ${glibc} and ${newest('GLIBCXX_3.4.', /GLIBCXX_3\.4\.(\d+)/g, 21)}`;
}

/** The package.json of a prebuilt package. `manifest` is that of the main package. */
export function platformManifest(target, manifest, libraries) {
  const [os, cpu] = target.split('-');
  const what = targets[target].cuda ? 'with CUDA kernels' : 'without CUDA kernels';
  const { version, license, author, homepage, repository, bugs } = manifest;
  return {
    name: `@athanor/${target}`,
    version,
    description: `The native engine of athanor for ${os} on ${cpu}, ${what}; needs ${libraries} or newer`,
    license,
    author,
    homepage,
    repository,
    bugs,
    main: 'athanor.node',
    files: ['athanor.node'],
    os: [os],
    cpu: [cpu],
    libc: ['glibc'],
    engines: manifest.engines,
  };
}

/** The package.json of the main package for packing, with the prebuilt packages of `names`. */
export function mainManifest(manifest, names) {
  const { devDependencies, overrides, allowScripts, scripts, ...rest } = manifest;
  const prebuilt = names.filter((name) => !targets[name].cuda);
  const entries = prebuilt.map((name) => [`@athanor/${name}`, manifest.version]);
  return { ...rest, optionalDependencies: Object.fromEntries(entries) };
}

async function pack(folder) {
  const { code, output } = await npm([
    'pack',
    '--ignore-scripts',
    '--json',
    '--pack-destination',
    out,
    folder,
  ]);
  if (code !== 0) throw new Explained(`npm pack failed:\n${output}`);
  const tarball = join(out, JSON.parse(output.slice(output.indexOf('[')))[0].filename);
  say(`${tarball} (${(statSync(tarball).size / 1e6).toFixed(1)} MB)`);
}

/**
 * Packs the engine. The addon is loaded once, so that none is shipped without one of
 * its instruction sets.
 */
async function packPlatform(target, manifest) {
  const { addon, isas, cuda } = targets[target];
  const path = addonPath(addon);
  if (!existsSync(path)) throw new Explained(`${path} does not exist: run without --skip-build`);
  const native = createRequire(import.meta.url)(path);
  const built = native.builtIsas();
  if (built.join() !== isas.join()) {
    const remedy = `node scripts/build.mjs --native -- --CDATHANOR_ISAS="${isas.join(';')}"`;
    throw new Explained(
      `${target} needs ${isas.join(' ')}, and this build has ${built.join(' ')}. Run: ${remedy}`,
    );
  }
  const folder = emptyFolder(`@athanor-${target}`);
  writeJson(
    join(folder, 'package.json'),
    platformManifest(target, manifest, neededLibraries(readFileSync(path))),
  );
  const text = `# @athanor/${target}\n\nThe native engine of athanor ${manifest.version}, built${cuda ? ' with CUDA' : ''}.\nInstall \`athanor\`, which loads it.\n`;
  writeFileSync(join(folder, 'README.md'), text);
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  cpSync(path, join(folder, 'athanor.node'));
  await pack(folder);
}

async function packMain(manifest, names) {
  const folder = emptyFolder('athanor');
  await compileTypescript(join(folder, 'dist'));
  chmodSync(join(folder, 'dist', 'cli', 'main.js'), 0o755);
  const wanted = manifest.files.filter((name) => !name.startsWith('!') && name !== 'dist');
  for (const name of [...wanted, 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  writeJson(join(folder, 'package.json'), mainManifest(manifest, names));
  await pack(folder);
}

function checkTarget(name) {
  if (!Object.hasOwn(targets, name)) {
    throw new Explained(`prebuild: unknown target ${name}; there are ${Object.keys(targets).join(', ')}`);
  }
}

/**
 * Checks the machine: its own compiler compiles the engine, and the engine is loaded to
 * check its contents.
 */
function checkMachine(target) {
  const [os, cpu] = target.split('-');
  if (os !== process.platform || cpu !== process.arch) {
    throw new Explained(
      `prebuild: ${target} is built on ${os} on ${cpu}, and this is ${process.platform} on ${process.arch}`,
    );
  }
}

export async function prebuild(args) {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: 'string', default: `${process.platform}-${process.arch}` },
      also: { type: 'string', multiple: true, default: [] },
      'skip-build': { type: 'boolean', default: false },
    },
  });
  const names = [...new Set([values.target, ...values.also])];
  names.forEach(checkTarget);
  checkMachine(values.target);
  const { addon } = targets[values.target];
  if (!values['skip-build']) {
    requirePrerequisites();
    await buildNative({ target: addon });
  }
  mkdirSync(out, { recursive: true });
  const manifest = readManifest();
  await packPlatform(values.target, manifest);
  await packMain(manifest, names);
}
