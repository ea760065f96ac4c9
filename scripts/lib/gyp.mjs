import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageFile } from './native.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { run } from './process.mjs';

export async function gyp(args) {
  requirePrerequisites();
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? ['--nodedir', prefix] : [];
  const { code } = await run(process.execPath, [
    packageFile('node-gyp', 'bin/node-gyp.js'),
    ...args,
    ...headers,
  ]);
  process.exitCode = code;
}
