/**
 * npm start builds some parts of the engine and npm test the rest: what the first compiled is valid
 * for the second.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { output } from '../helpers/emulator.ts';

/** The compiler's command for each object file of a build with these parts. */
async function commands(folder: string, parts: string): Promise<Map<string, string>> {
  const options = [`-DATHANOR_PARTS=${parts}`, '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON'];
  const { code, text } = await output('cmake', ['-S', packageRoot, '-B', folder, ...options]);
  expect(code, text).toBe(0);
  const entries = JSON.parse(readFileSync(join(folder, 'compile_commands.json'), 'utf8'));
  return new Map(entries.map(({ output, command }: Record<string, string>) => [output ?? command, command]));
}

it('more parts add objects and change none', async () => {
  const folder = temporaryFolder();
  const some = await commands(folder, 'portable');
  const all = await commands(folder, 'all');
  expect(all.size).toBeGreaterThan(some.size + (process.arch === 'x64' ? 30 : -1));
  expect([...some].filter(([object, command]) => all.get(object) !== command)).toEqual([]);
  expect([...some.keys()].filter((name) => /athanor_cpu_(avx|\w*512)|\.cu\b/.test(name))).toEqual([]);
});
