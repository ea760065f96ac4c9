/** The table of errors: it has exactly the codes that are thrown, and its page is up to date. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorTable } from '../../src/base/errors.ts';
import { packageRoot } from '../../src/base/package-root.ts';

const codes = Object.keys(errorTable).sort();

/** The codes that the files of a folder name. */
function codesIn(folder: string, files: RegExp, except: string): Set<string> {
  const found = new Set<string>();
  for (const name of readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })) {
    if (!files.test(name) || name === except) continue;
    const text = readFileSync(join(packageRoot, folder, name), 'utf8');
    for (const [, code] of text.matchAll(/['"](ERR_[A-Z_]+)['"]/g)) found.add(code!);
  }
  return found;
}

describe('the table of errors', () => {
  const engine = codesIn('native/core', /^error\.cpp$/, '');

  it('has every code of the engine', () => {
    expect(engine.size).toBeGreaterThan(10);
    expect([...engine].filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('has no code that nothing throws', () => {
    const library = codesIn('src', /\.ts$/, 'base/errors.ts');
    const fileErrors = readFileSync(join(packageRoot, 'src/base/errors.ts'), 'utf8').split(
      'class AthanorError',
    )[1]!;
    const thrown = (code: string) =>
      engine.has(code) || library.has(code) || fileErrors.includes(`'${code}'`);
    expect(codes.filter((code) => !thrown(code))).toEqual([]);
  });

  it('is what docs/reference/errors.md says', async () => {
    const url = pathToFileURL(join(packageRoot, 'scripts/lib/errors-page.mjs')).href;
    const { errorsPage } = (await import(url)) as { errorsPage(table: object): string };
    const page = readFileSync(join(packageRoot, 'docs/reference/errors.md'), 'utf8');
    expect(page, 'run node scripts/make-errors-page.mjs').toBe(errorsPage(errorTable));
    expect(page.split('\n').filter((line) => line.length > 100 && !line.startsWith('<!--'))).toEqual([]);
  });
});
