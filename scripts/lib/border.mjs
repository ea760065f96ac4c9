// The border of the built package: dist/index.js puts the guard of src/base/border around the API,
// which tsc compiled and which moves to dist/unchecked.js.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What addBorder writes, as paths in the compiled package. */
export const borderFiles = ['index.js', 'unchecked.js', 'unchecked.js.map', 'shapes.js'];

/** Puts the border into `folder`, which tsc has just written. */
export async function addBorder(folder) {
  for (const extension of ['.js', '.js.map'])
    renameSync(join(folder, `index${extension}`), join(folder, `unchecked${extension}`));
  const unchecked = readFileSync(join(folder, 'unchecked.js'), 'utf8');
  writeFileSync(
    join(folder, 'unchecked.js'),
    unchecked.replace('sourceMappingURL=index.js.map', 'sourceMappingURL=unchecked.js.map'),
  );
  await writeShapes(folder);
  writeFileSync(join(folder, 'index.js'), borderOf(exportsOf(unchecked)));
}

function borderOf(names) {
  return [
    '// Written by the build (scripts/lib/border.mjs).',
    "import { guarded } from './base/border/guard.js';",
    "import { shapes } from './shapes.js';",
    "import * as api from './unchecked.js';",
    '',
    `export const {\n  ${names.join(',\n  ')},\n} = guarded(api, shapes);`,
    '',
  ].join('\n');
}

/** The names that a module of `export { … } from` lines exports. */
function exportsOf(text) {
  return [...text.matchAll(/^export \{([^}]*)\}/gm)]
    .flatMap(([, list]) => list.split(','))
    .map((entry) => entry.trim().split(' as ').at(-1))
    .filter((name) => name !== '');
}

/** Writes shapes.js, unless the declarations are those that it was made from. */
async function writeShapes(folder) {
  const file = join(folder, 'shapes.js');
  const made = `// Made from declarations of digest ${digestOf(folder)}.`;
  if (existsSync(file) && readFileSync(file, 'utf8').startsWith(made)) return;
  // Imported here, since it takes a second to load.
  const { shapesOf } = await import('./shapes.mjs');
  const shapes = JSON.stringify(shapesOf(join(folder, 'index.d.ts')));
  writeFileSync(file, `${made}\nexport const shapes = ${shapes};\n`);
}

function digestOf(folder) {
  const hash = createHash('sha256').update(readFileSync(new URL('shapes.mjs', import.meta.url)));
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.d.ts'));
  for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}
