// Compiles the engine through cmake-js. It runs `cmake-js build`, not `compile`, because `compile`
// reacts to a compile error by deleting the build folder and building everything again.
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { about, BuildProgress, plannedObjects } from './build-plan.mjs';
import { slowness } from './machine.mjs';
import { Explained, root, run, say } from './process.mjs';

const folder = join(root, 'build', 'cmake');

/** The path of the addon that the build makes for a target of CMakeLists.txt. */
export function addonPath(target = 'athanor') {
  return join(folder, 'Release', `${target}.node`);
}

// The memory that g++ needs at most for the largest kernel file.
const bytesPerJob = 0.8e9;

/**
 * Number of compilers that run at the same time: $ATHANOR_BUILD_JOBS, or as many as cores
 * and memory allow.
 */
export function jobs() {
  const given = process.env.ATHANOR_BUILD_JOBS;
  if (given === undefined || given === '') {
    return Math.max(1, Math.min(availableParallelism(), Math.floor(process.availableMemory() / bytesPerJob)));
  }
  if (/^[1-9]\d{0,3}$/.test(given)) return Number(given);
  throw new Explained(`ATHANOR_BUILD_JOBS expects a number of parallel compilers but got "${given}"`);
}

/**
 * The command for a missing package. A clone has a lock file; a project that uses athanor has
 * no build tools.
 */
function installCommand(name) {
  if (existsSync(join(root, 'package-lock.json'))) return 'npm ci';
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const build = Object.entries(peerDependencies).map(([peer, version]) => `${peer}@${version}`);
  return `npm install ${Object.hasOwn(peerDependencies, name) ? build.join(' ') : name}`;
}

/** The path of a file in an installed package. */
export function packageFile(name, path) {
  try {
    return join(dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`)), path);
  } catch {
    throw new Explained(
      `the package ${name} is not installed. Install what is missing with: ${installCommand(name)}`,
    );
  }
}

/** The entries of the build folder's CMakeCache.txt; undefined if it is not configured. */
export function buildCache() {
  const path = join(folder, 'CMakeCache.txt');
  if (!existsSync(path)) return undefined;
  const entries = readFileSync(path, 'utf8').matchAll(/^([\w-]+):[A-Z]+=(.*)$/gm);
  return new Map([...entries].map(([, name, value]) => [name, value]));
}

/**
 * Removes a build folder that cannot be used: it came with a copied tree, or its ninja, make or
 * headers are gone.
 */
function dropForeignBuild() {
  const cache = buildCache();
  if (cache === undefined) return;
  const needed = [
    cache.get('CMAKE_MAKE_PROGRAM'),
    cache.get('CMAKE_CXX_COMPILER'),
    ...(cache.get('CMAKE_JS_INC') ?? '').split(';'),
  ];
  const usable = needed.every((file) => file && existsSync(file));
  if (cache.get('CMAKE_HOME_DIRECTORY') !== root || !usable) rmSync(folder, { recursive: true, force: true });
}

/**
 * The new value of ATHANOR_PARTS, or undefined if it can stay. Parts are only added, so that no
 * built part is thrown away. `built` is its value in the build folder, undefined for a new folder;
 * `wanted` are parts of this machine, undefined for all.
 */
export function partsToSet(built, wanted) {
  if (built === 'all') return undefined;
  if (wanted === undefined) return built === undefined ? undefined : 'all';
  const parts = new Set([...(built?.split(';') ?? []), ...wanted]);
  return built !== undefined && parts.size === built.split(';').length ? undefined : [...parts].join(';');
}

/** The messages of the compiler or CMake, without command lines and progress. */
export function errorLines(output) {
  const lines = output.split('\n');
  const first = lines.findIndex((line) => /^FAILED:|\berror:|^CMake Error/.test(line));
  if (first < 0) return lines.slice(-40);
  const noise =
    /^\[\d+\/\d+\]|^\[ *\d+%\]|^FAILED:|^ninja:|^g?make(\[\d+\])?:|^\S*\+\+ .* -o |^: && |^(ERROR|info|http) /;
  return lines.slice(first).filter((line) => line !== '' && !noise.test(line));
}

/**
 * Shows the progress of the build: one changing line on a terminal, else a line every ten seconds.
 */
function display(objects) {
  const progress = new BuildProgress(objects, jobs(), slowness());
  const start = Date.now();
  let shown = start;
  return {
    take(line) {
      if (!progress.take(line)) return;
      const text = `  ${progress.text((Date.now() - start) / 1000)}`;
      if (process.stderr.isTTY) {
        process.stderr.write(`\r\x1b[K${text}`);
      } else if (Date.now() - shown > 10_000) {
        process.stderr.write(`${text}\n`);
        shown = Date.now();
      }
    },
    about: () => about(progress.secondsLeft(0)),
    done() {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    },
  };
}

function failure(output) {
  const starved = /Killed signal terminated program|virtual memory exhausted/.test(output);
  const remedy = starved ? '\nThe compiler ran out of memory. Try: ATHANOR_BUILD_JOBS=1 npm run build' : '';
  return new Explained(`${errorLines(output).join('\n')}\nThe native engine was not built.${remedy}`);
}

/** Configures a new folder, or one whose settings change. */
async function configure(cmakeJs, parts, cmakeArguments) {
  const cache = buildCache();
  // A folder from before ATHANOR_PARTS has all parts.
  const toSet = partsToSet(cache === undefined ? undefined : (cache.get('ATHANOR_PARTS') ?? 'all'), parts);
  const settings = [...(toSet === undefined ? [] : [`--CDATHANOR_PARTS=${toSet}`]), ...cmakeArguments];
  if (cache !== undefined && settings.length === 0) return;
  const args = [cmakeJs, 'configure', '--out', folder, ...settings];
  const { code, output } = await run(process.execPath, args, { onLine: () => {} });
  if (code !== 0) throw failure(output);
}

/** The output of a build that only says what is out of date. */
async function dryRun(target) {
  const ninja = join(folder, 'build.ninja');
  if (!existsSync(ninja)) {
    return (await run('cmake', ['--build', folder, '--target', target, '--', '-n'], { onLine: () => {} }))
      .output;
  }
  // Under another name, because a dry run of build.ninja would stop at "CMake may have
  // to run again".
  const copy = join(folder, 'plan.ninja');
  copyFileSync(ninja, copy);
  const args = ['-C', folder, '-f', copy, '-n', target];
  const { output } = await run(buildCache().get('CMAKE_MAKE_PROGRAM'), args, { onLine: () => {} });
  rmSync(copy);
  return output;
}

/**
 * Builds addonPath(target). Throws Explained with the compiler's error. `parts` are those of
 * machineParts(), undefined for all; `cmakeArguments` are more arguments for cmake-js.
 */
export async function buildNative({ parts, target = 'athanor', cmakeArguments = [] } = {}) {
  const cmakeJs = packageFile('cmake-js', 'bin/cmake-js');
  dropForeignBuild();
  const start = Date.now();
  await configure(cmakeJs, parts, cmakeArguments);
  const objects = plannedObjects(await dryRun(target));
  const shown = display(objects);
  if (objects.length > 0) {
    const compilers = jobs() === 1 ? 'one compiler' : `${jobs()} compilers`;
    say(`building the native engine: ${objects.length} files, ${shown.about()} with ${compilers}`);
  }
  const args = [cmakeJs, 'build', '--out', folder, '--target', target, '--parallel', String(jobs())];
  const { code, output } = await run(process.execPath, args, { onLine: shown.take });
  shown.done();
  if (code !== 0) throw failure(output);
  say(`native engine ready (${((Date.now() - start) / 1000).toFixed(1)} s)`);
}
