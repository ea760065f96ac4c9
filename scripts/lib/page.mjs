// The report's program and style for the browser: src/report/page, bundled with uPlot into two
// files that src/report/page-files.ts puts into every report.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFile } from './native.mjs';
import { root } from './process.mjs';

const source = join(root, 'src/report/page');

/**
 * Writes `page.js` and `page.css` into `folder`/report/page, `folder` being the compiled package.
 */
export async function bundlePage(folder) {
  const licence = readFileSync(packageFile('uplot', 'LICENSE'), 'utf8');
  const library = readFileSync(packageFile('uplot', 'dist/uPlot.min.css'), 'utf8');
  // Imported here, since who builds only the engine may not have it.
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({ input: join(source, 'main.ts'), platform: 'browser' });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  await bundle.close();
  const out = join(folder, 'report', 'page');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'page.js'), `/* uPlot:\n${licence}*/\n${output[0].code}`);
  writeFileSync(join(out, 'page.css'), `${library}\n${readFileSync(join(source, 'page.css'), 'utf8')}`);
}
