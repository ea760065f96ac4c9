// The only action of binding.gyp: builds with CMake and copies the addon to the place where
// gyp wants it. With --list it prints the inputs instead, so that gyp runs the action again
// when a source changes.
const { copyFileSync, existsSync, mkdirSync, readdirSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const root = join(__dirname, '..');

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(h|cpp|cu|cuh)$/.test(entry.name) ? [relative(root, path)] : [];
  });
}

async function buildInto(target) {
  const { addonPath, buildNative } = await import('./lib/native.mjs');
  await buildNative();
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(addonPath(), target);
  // Where MPI was found; gyp itself knows nothing of MPI.
  const mpi = join(dirname(addonPath()), 'athanor_mpi.so');
  if (existsSync(mpi)) copyFileSync(mpi, join(dirname(target), 'athanor_mpi.so'));
}

const argument = process.argv[2];
if (argument === '--list') {
  process.stdout.write(sources(join(root, 'native')).sort().join('\n'));
} else if (argument === undefined) {
  process.stderr.write('usage: cmake-from-gyp.cjs --list | <path of the addon to write>\n');
  process.exitCode = 1;
} else {
  buildInto(argument).catch((error) => {
    process.stderr.write(`${error.explained ? error.message : error.stack}\n`);
    process.exitCode = 1;
  });
}
