// Compiles the engine through cmake-js. `cmake-js build`, not `compile`: that one answers a compile error by deleting
// the build folder and building everything again.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Explained, root, run, say } from './process.mjs';

const folder = join(root, 'build', 'cmake');
export const addonPath = join(folder, 'Release', 'athanor.node');

// The largest kernel file takes g++ less than this.
const bytesPerJob = 0.8e9;

function jobs() {
  const given = process.env.ATHANOR_BUILD_JOBS;
  if (given === undefined || given === '') {
    return Math.max(1, Math.min(availableParallelism(), Math.floor(process.availableMemory() / bytesPerJob)));
  }
  if (/^[1-9]\d{0,3}$/.test(given)) return Number(given);
  throw new Explained(`ATHANOR_BUILD_JOBS expects a number of parallel compilers but got "${given}"`);
}

/** The path of a file in an installed package. */
export function packageFile(name, path) {
  try {
    return join(dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`)), path);
  } catch {
    throw new Explained(`the package ${name} is not installed. Install the packages first with: npm ci`);
  }
}

/** A build folder that came along with a copied tree, or whose ninja, make or headers are gone, is of no use. */
function dropForeignBuild() {
  const path = join(folder, 'CMakeCache.txt');
  if (!existsSync(path)) return;
  const cache = readFileSync(path, 'utf8');
  const entry = (name) => new RegExp(`^${name}:[A-Z]+=(.*)$`, 'm').exec(cache)?.[1];
  const needed = [
    entry('CMAKE_MAKE_PROGRAM'),
    entry('CMAKE_CXX_COMPILER'),
    ...(entry('CMAKE_JS_INC') ?? '').split(';'),
  ];
  const usable = needed.every((file) => file && existsSync(file));
  if (entry('CMAKE_HOME_DIRECTORY') !== root || !usable) rmSync(folder, { recursive: true, force: true });
}

/** The compiler's or CMake's own messages, without the command lines and progress around them. */
export function errorLines(output) {
  const lines = output.split('\n');
  const first = lines.findIndex((line) => /^FAILED:|\berror:|^CMake Error/.test(line));
  if (first < 0) return lines.slice(-40);
  const noise =
    /^\[\d+\/\d+\]|^\[ *\d+%\]|^FAILED:|^ninja:|^g?make(\[\d+\])?:|^\S*\+\+ .* -o |^: && |^(ERROR|info|http) /;
  return lines.slice(first).filter((line) => line !== '' && !noise.test(line));
}

/** Shows ninja's or make's progress: one changing line on a terminal, else a line every ten seconds. */
function progress() {
  const terminal = process.stderr.isTTY;
  let shown = Date.now();
  return {
    take(line) {
      const match = /^\[\s*(\d+(?:\/\d+|%))\] .*?([^/\s]+)\.o$/.exec(line);
      if (!match) return;
      const text = `  ${match[1]} ${match[2]}`;
      if (terminal) {
        process.stderr.write(`\r\x1b[K${text}`);
      } else if (Date.now() - shown > 10_000) {
        process.stderr.write(`${text}\n`);
        shown = Date.now();
      }
    },
    done() {
      if (terminal) process.stderr.write('\r\x1b[K');
    },
  };
}

/** Builds addonPath; `cmakeArguments` are more arguments for cmake-js. Throws Explained with the compiler's error. */
export async function buildNative(cmakeArguments = []) {
  const cmakeJs = packageFile('cmake-js', 'bin/cmake-js');
  dropForeignBuild();
  const start = Date.now();
  say('building the native engine');
  const display = progress();
  // Options reach CMake only when it configures, and `build` configures only a new folder.
  const steps = cmakeArguments.length > 0 ? ['configure', 'build'] : ['build'];
  for (const step of steps) {
    const args = [cmakeJs, step, '--out', folder, '--parallel', String(jobs()), ...cmakeArguments];
    const { code, output } = await run(process.execPath, args, { onLine: display.take });
    if (code === 0) continue;
    display.done();
    const starved = /Killed signal terminated program|virtual memory exhausted/.test(output);
    const remedy = starved ? '\nThe compiler ran out of memory. Try: ATHANOR_BUILD_JOBS=1 npm run build' : '';
    throw new Explained(`${errorLines(output).join('\n')}\nThe native engine was not built.${remedy}`);
  }
  display.done();
  say(`native engine ready (${((Date.now() - start) / 1000).toFixed(1)} s)`);
}
