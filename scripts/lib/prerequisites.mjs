// Looks for the programs of a build before it starts, and names each missing one with the line
// that installs it.
import { spawnSync } from 'node:child_process';
import { Explained } from './process.mjs';

/** The first group of `pattern` in the output of the program; undefined if it does not run. */
function outputOf(program, args, pattern) {
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? pattern.exec(stdout)?.[1] : undefined;
}

function atLeast(version, wanted) {
  const [major, minor = 0] = version.split('.').map(Number);
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}

function compilerProblem() {
  // CMake looks in this order.
  const programs = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  for (const program of programs) {
    const version = outputOf(program, ['-dumpfullversion', '-dumpversion'], /^(\d[\d.]*)/m);
    if (version === undefined) continue;
    const clang = outputOf(program, ['--version'], /(clang)/) !== undefined;
    return atLeast(version, clang ? [14, 0] : [10, 0]) ? undefined : `${program} is version ${version}`;
  }
  return process.env.CXX ? `CXX=${process.env.CXX} does not run` : 'not found';
}

function cmakeProblem() {
  const version = outputOf('cmake', ['--version'], /version (\d[\d.]*)/);
  if (version === undefined) return 'not found';
  return atLeast(version, [3, 20]) ? undefined : `this is ${version}`;
}

function makeProblem() {
  const found = ['ninja', 'make'].some((program) => spawnSync(program, ['--version']).status === 0);
  return found ? undefined : 'not found';
}

const prerequisites = [
  { name: 'g++ 10 or newer, or clang++ 14', apt: 'g++', problem: compilerProblem },
  { name: 'make or ninja', apt: 'make', problem: makeProblem },
  { name: 'CMake 3.20 or newer', apt: 'cmake', problem: cmakeProblem },
];

/** Throws one message that names everything that is missing and the one line that installs it. */
export function requirePrerequisites() {
  const missing = prerequisites
    .map((entry) => ({ ...entry, what: entry.problem() }))
    .filter(({ what }) => what !== undefined);
  if (missing.length === 0) return;
  const names = missing.map(({ name, what }) => `  ${name}: ${what}\n`);
  const packages = missing.map(({ apt }) => apt).join(' ');
  throw new Explained(
    `athanor cannot be built on this machine yet. It needs\n${names.join('')}Install with:\n  sudo apt-get install -y ${packages}`,
  );
}
