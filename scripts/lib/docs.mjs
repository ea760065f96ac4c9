// TypeDoc needs a TypeScript that is a library, but typescript 7 is only a program.
// typescript-6.mjs answers TypeDoc's import of "typescript" with the package typescript-6.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageFile } from './native.mjs';
import { root, run } from './process.mjs';

export async function docs() {
  const hook = pathToFileURL(join(root, 'scripts', 'lib', 'typescript-6.mjs')).href;
  const typedoc = packageFile('typedoc', 'bin/typedoc');
  const { code } = await run(process.execPath, ['--import', hook, typedoc]);
  process.exitCode = code;
}
