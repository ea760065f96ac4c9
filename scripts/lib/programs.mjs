// Programs that use this package by its name, as a user's would: the examples and the snippets
// of the documentation.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageFile } from './native.mjs';
import { root, run } from './process.mjs';

/**
 * Compiles all TypeScript files of a folder to JavaScript in `out`, which must lie in this
 * package: there `athanor` is its dist/. Returns the errors of the compiler, an empty text if
 * there are none.
 */
export async function compilePrograms(folder, out) {
  mkdirSync(out, { recursive: true });
  const config = join(out, 'tsconfig.json');
  const options = {
    extends: relative(out, join(root, 'tsconfig.json')),
    compilerOptions: {
      noEmit: false,
      declaration: false,
      paths: {},
      rootDir: relative(out, folder) || '.',
      outDir: '.',
      typeRoots: [relative(out, join(root, 'node_modules/@types'))],
    },
    exclude: [],
    include: [`${relative(out, folder) || '.'}/*.ts`],
  };
  writeFileSync(config, JSON.stringify(options, undefined, 2));
  const { output } = await run(process.execPath, [packageFile('typescript', 'bin/tsc'), '-p', config], {
    onLine: () => {},
  });
  return output.trim();
}
