/** Everything that a stage has besides its folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { commands } from '../../src/cli/commands.ts';
import { buildProgram } from '../../src/cli/program.ts';
import * as library from '../../src/index.ts';

const read = (name: string) => readFileSync(join(packageRoot, name), 'utf8');
const filesOf = (folder: string, pattern: RegExp) =>
  readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => read(join(folder, name)));

const stages = filesOf('src/train', /\.ts$/).flatMap((text) =>
  [...text.matchAll(/runStage\(\s*\{\s*name: '(\w+)'/g)].map(([, name]) => name!),
);
/** The commands of stages that have another name than their stage. */
const commandsOf: Readonly<Record<string, readonly string[]>> = { classifier: ['safety', 'train'] };
const exported: Readonly<Record<string, unknown>> = library;

it('the stages are found', () => {
  expect(stages.length).toBeGreaterThan(5);
});

it.each(stages)('%s is exported with its defaults, which are those of its command', async (name) => {
  expect(exported[name]).toBeTypeOf('function');
  const defaults = exported[`${name}Defaults`] as Readonly<Record<string, unknown>>;
  const { module } = await buildProgram(commandsOf[name] ?? [name], commands);
  const { options } = module!;
  expect(Object.keys(defaults).filter((setting) => !(setting in options))).toEqual([]);
  for (const [setting, { kind, default: value }] of Object.entries(options)) {
    if (kind === 'list' || kind === 'flag' || !(setting in defaults)) continue;
    expect([setting, value]).toEqual([setting, defaults[setting]]);
  }
});

it.each(stages)('%s has a guide, and a test that kills its processes', (name) => {
  expect(read('docs/README.md')).toMatch(name === 'pretrain' ? '(pretraining.md)' : `(${name}.md)`);
  const tests = filesOf('test/train', /resume.*\.test\.ts$/).filter((text) => text.includes('runKilled('));
  const words = (commandsOf[name] ?? [name]).map((word) => `'${word}'`).join(', ');
  expect(tests.some((text) => text.includes(`[${words}`) || text.includes(`${words},`))).toBe(true);
});
