import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Explained, root, run } from './process.mjs';
import { compilePrograms } from './programs.mjs';

export async function example([name, ...args]) {
  const folder = join(root, 'examples');
  const names = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''));
  if (!names.includes(name)) throw new Explained(`example: expected one of ${names.join(', ')}`);
  if (!existsSync(join(root, 'dist/index.d.ts'))) throw new Explained('build first: npm run build');
  const out = join(root, 'build', 'examples');
  const problems = await compilePrograms(folder, out);
  if (problems !== '') throw new Explained(problems);
  const { code } = await run(process.execPath, [join(out, `${name}.js`), ...args]);
  process.exitCode = code;
}
