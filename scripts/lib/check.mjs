import { checkLayers } from '../check-layers.mjs';
import { packageFile } from './native.mjs';
import { Explained, root, run } from './process.mjs';
import { checkText, trackedFiles } from './text-rules.mjs';

/** The output of a tool that fails; nothing for one that succeeds. */
async function verdict(program, args) {
  const { code, output } = await run(process.execPath, [program, ...args], { onLine: () => {} });
  return code === 0 ? '' : output.trim() || `exit code ${code}`;
}

/**
 * clang-format reports every line, but it can repair them all: the names of the files are enough.
 */
function filesOnly(output) {
  const files = [...output.matchAll(/^(native\/[^:]+):\d+:\d+: error: code should be clang-formatted/gm)];
  if (files.length === 0) return output;
  return `not formatted: ${[...new Set(files.map(([, file]) => file))].join(' ')}`;
}

/** The types of a project: a folder with a tsconfig.json. */
function types(project) {
  return verdict(packageFile('typescript', 'bin/tsc'), ['-p', project, '--noEmit']);
}

function checks(fix) {
  const names = trackedFiles(root);
  const cpp = names.filter((name) => /^native\/.*\.(h|cpp|cu|cuh)$/.test(name));
  return {
    types: () => types('.'),
    'types of the report page': () => types('src/report/page'),
    'types of the chat page': () => types('src/serve/page'),
    biome: () => {
      const how = fix ? ['--write'] : [];
      const args = ['check', '--error-on-warnings', '--colors=off', '--max-diagnostics=20'];
      return verdict(packageFile('@biomejs/biome', 'bin/biome'), [...args, ...how]);
    },
    'clang-format': () => {
      if (cpp.length === 0) return '';
      const how = fix ? ['-i'] : ['--dry-run', '-Werror'];
      return verdict(packageFile('clang-format-node', 'build/cli.js'), [...how, ...cpp]).then(filesOnly);
    },
    layers: () => checkLayers(root).join('\n'),
    text: () => checkText(root, names).join('\n'),
  };
}

export async function check(args) {
  const unknown = args.find((arg) => arg !== '--fix');
  if (unknown !== undefined) throw new Explained(`check: unknown option ${unknown}; it takes --fix`);
  const results = Object.entries(checks(args.includes('--fix'))).map(async ([name, task]) => {
    const start = performance.now();
    const problems = await task();
    return { name, problems, seconds: (performance.now() - start) / 1000 };
  });
  let failed = false;
  for (const { name, problems, seconds } of await Promise.all(results)) {
    process.stdout.write(`${problems === '' ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)\n`);
    if (problems !== '') process.stdout.write(`${problems.replace(/^/gm, '     ')}\n`);
    failed ||= problems !== '';
  }
  if (failed) process.stdout.write('Some of it repairs itself: npm run format\n');
  process.exitCode = failed ? 1 : 0;
}
