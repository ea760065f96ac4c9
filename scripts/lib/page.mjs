// The programs and styles for the browser: src/report/page, with uPlot, and src/serve/page. Each is
// bundled into files that src/base/page-files.ts reads.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFile } from './native.mjs';
import { root } from './process.mjs';

/** The files that `bundlePages` writes, below the compiled package. */
export const pageFiles = [
  ...['page.js', 'page.css'].map((name) => `report/page/${name}`),
  ...['page.js', 'page.css', 'page.html'].map((name) => `serve/page/${name}`),
];

/** Writes the `pageFiles` into `folder`, the compiled package. */
export async function bundlePages(folder) {
  await Promise.all([bundleReport(folder), bundleChat(folder)]);
}

async function bundleReport(folder) {
  const licence = readFileSync(packageFile('uplot', 'LICENSE'), 'utf8');
  const library = readFileSync(packageFile('uplot', 'dist/uPlot.min.css'), 'utf8');
  write(folder, 'report', {
    'page.js': `/* uPlot:\n${licence}*/\n${await programOf('report')}`,
    'page.css': `${library}\n${sourceOf('report', 'page.css')}`,
  });
}

async function bundleChat(folder) {
  write(folder, 'serve', {
    'page.js': await programOf('serve'),
    'page.css': sourceOf('serve', 'page.css'),
    'page.html': sourceOf('serve', 'page.html'),
  });
}

/** main.ts of a page with all that it imports, as one script. */
async function programOf(room) {
  // Imported here, since who builds only the engine may not have it.
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({ input: join(root, 'src', room, 'page/main.ts'), platform: 'browser' });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  await bundle.close();
  return output[0].code;
}

function sourceOf(room, name) {
  return readFileSync(join(root, 'src', room, 'page', name), 'utf8');
}

function write(folder, room, files) {
  const out = join(folder, room, 'page');
  mkdirSync(out, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(out, name), text);
}
