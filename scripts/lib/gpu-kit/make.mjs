// Makes the GPU kit: Node, the engine with its CUDA kernels, the compiled package with the
// libraries that it needs, the kernels' test program, a text, and the script with its steps.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { addonPath, buildNative } from '../native.mjs';
import { Explained, root, run, say } from '../process.mjs';
import { compileTypescript } from '../typescript.mjs';

const own = join(root, 'scripts/lib/gpu-kit');
/** What a machine may be sent in one piece. */
const MOST_BYTES = 60 * 2 ** 20;

/** Libraries beside Node that an older system may lack. The C library is the machine's own. */
const ownLibraries = /^(libstdc\+\+|libgcc_s|libatomic)\./;

/** Packages that the compiled code imports, with what they import. */
function runtimePackages(folder = root, found = new Map()) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    if (found.has(name)) continue;
    const places = [join(folder, 'node_modules', name), join(root, 'node_modules', name)];
    const place = places.find((path) => existsSync(join(path, 'package.json')));
    if (!place) throw new Explained(`gpu-kit: the package ${name} is not installed; run: npm ci`);
    found.set(name, place);
    runtimePackages(place, found);
  }
  return found;
}

/** Shared libraries of a program, by name. */
function librariesOf(program) {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/^\s*(\S+) => (\/\S+)/gm)].map(([, name, path]) => [name, path]);
}

function copyProgram(from, to) {
  copyFileSync(from, to);
  chmodSync(to, 0o755);
  try {
    // Symbols are half of a program, and a crash says its address in any case.
    execFileSync('strip', [to], { stdio: 'ignore' });
  } catch {
    // Without strip the kit is larger.
  }
}

function writeProgram(path, text) {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/** Fills the folder that the script unpacks. */
function fill(folder, { addon, program }) {
  for (const name of ['bin', 'lib', 'build/Release', 'scripts', 'node_modules']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const node = realpathSync(process.execPath);
  copyProgram(node, join(folder, 'bin/node'));
  for (const [name, path] of librariesOf(node)) {
    if (ownLibraries.test(name)) copyFileSync(realpathSync(path), join(folder, 'lib', name));
  }
  copyFileSync(addon, join(folder, 'build/Release/athanor.node'));
  if (program) copyProgram(program, join(folder, 'bin/athanor_test_gpu'));
  const call = (file) => `#!/bin/sh\nexec "$KIT/bin/node" "$KIT/${file}" "$@"\n`;
  writeProgram(join(folder, 'bin/athanor'), call('dist/cli/main.js'));
  writeProgram(join(folder, 'bin/device'), call('device.mjs'));
  for (const name of ['device.mjs', 'peaks.mjs', 'libraries.sh']) cpSync(join(own, name), join(folder, name));
  copyFileSync(join(root, 'scripts/bench-torch.py'), join(folder, 'scripts/bench-torch.py'));
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  for (const [name, place] of runtimePackages()) {
    const filter = (path) => !/\.(map|md|ts|mts|cts)$/.test(path) && !path.includes('/prebuilds/');
    cpSync(place, join(folder, 'node_modules', name), { recursive: true, dereference: true, filter });
  }
  writeFileSync(join(folder, 'corpus.txt'), corpus());
}

/** A text to train on: the project's own pages. */
function corpus() {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return pages
    .sort()
    .map((name) => readFileSync(join(root, 'docs', name), 'utf8'))
    .join('\n');
}

async function must(program, args) {
  const { code } = await run(program, args);
  if (code !== 0) throw new Explained(`gpu-kit: failed: ${program} ${args.join(' ')}`);
}

/** Compiles the test program of the kernels; the first time takes an hour of one core. */
async function testProgram() {
  const folder = join(root, 'build/test-gpu');
  await must('cmake', ['-S', join(root, 'native/test'), '-B', folder, '-DATHANOR_GPU=ON']);
  await must('cmake', ['--build', folder, '--parallel', String(availableParallelism())]);
  return join(folder, 'athanor_test_gpu');
}

function sizeOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

/**
 * Makes the kit in `out`. For tests the programs may be given: then nothing is compiled for GPUs.
 * @param options.addon the engine; default: it is built with CUDA
 * @param options.program the test program of the kernels; `false`: none
 * @param options.dist the compiled package; default: it is compiled
 * @param options.level of the compression
 */
export async function makeKit(out, { addon, program, dist, level = 9 } = {}) {
  const engine = addon ?? (await cudaAddon());
  const tests = program === false ? undefined : (program ?? (await testProgram()));
  rmSync(out, { recursive: true, force: true });
  const inside = join(out, 'kit');
  mkdirSync(inside, { recursive: true });
  fill(inside, { addon: engine, program: tests });
  if (dist) cpSync(dist, join(inside, 'dist'), { recursive: true });
  else await compileTypescript(join(inside, 'dist'));
  execFileSync('tar', ['-czf', join(out, 'kit.tar.gz'), '-C', inside, '.'], {
    env: { ...process.env, GZIP: `-${level}` },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  rmSync(inside, { recursive: true });
  cpSync(join(own, 'steps'), join(out, 'steps'), { recursive: true });
  cpSync(join(own, 'gpu-check.sh'), join(out, 'gpu-check.sh'));
  chmodSync(join(out, 'gpu-check.sh'), 0o755);
  return sizeOf(out);
}

async function cudaAddon() {
  const target = `athanor_prebuilt_cuda`;
  await buildNative({ target });
  return addonPath(target);
}

export async function gpuKit(args) {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string', default: join(root, 'build/gpu-kit') },
      addon: { type: 'string' },
      program: { type: 'string' },
    },
  });
  const bytes = await makeKit(values.out, values);
  const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (bytes > MOST_BYTES) throw new Explained(`gpu-kit: ${values.out} has ${size}, above 60 MiB`);
  say(`${values.out}: ${size}. On the machine with the GPU: ${join(values.out, 'gpu-check.sh')}`);
  say(`then here: npm run gpu:report FOLDER, in ${dirname(values.out)} or elsewhere`);
}
