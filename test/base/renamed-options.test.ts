/** An old name of an option is refused, and the error gives the new name. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newNameOf, renamedOptions } from '../../src/base/renamed-options.ts';
import { commands } from '../../src/cli/commands.ts';
import { readConfig } from '../../src/cli/config-file.ts';
import { optionName } from '../../src/cli/options.ts';
import { buildProgram, selectCommand } from '../../src/cli/program.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const users = [
  ['pretrain'],
  ['sft'],
  ['ppo'],
  ['bench', 'generate'],
  ['tokenizer', 'train'],
  ['data', 'prepare'],
] as const;

async function optionsOf(path: readonly string[]) {
  const { module } = await buildProgram(path, commands);
  return module!.options;
}

/** A command that has the option of this name. */
async function userOf(name: string): Promise<readonly string[]> {
  for (const path of users) {
    if (Object.keys(await optionsOf(path)).some((key) => optionName(key) === name)) return path;
  }
  throw new Error(`no command of the test has --${name}`);
}

describe.each(Object.entries(renamedOptions))('--%s, now --%s', (old, name) => {
  it('is refused on the command line', async () => {
    await expect(selectCommand([...(await userOf(name)), `--${old}`, '1'], commands)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: `unknown option --${old}`,
      remedy: `its new name is --${name}`,
    });
  });

  it.each([old, old.replaceAll('-', '_')])('is refused in a config file, as %s', async (key) => {
    const file = join(temporaryFolder(), 'run.yaml');
    writeFileSync(file, `${key}: 1\n`);
    const options = await optionsOf(await userOf(name));
    expect(() => readConfig(file, options)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', remedy: `its new name is "${name}"` }),
    );
  });
});

it('a new name is given only where the command has that option', () => {
  expect(newNameOf('warmup', ['warmup-steps'])).toBe('warmup-steps');
  expect(newNameOf('warmup', ['steps'])).toBeUndefined();
  expect(newNameOf('constructor', ['steps'])).toBeUndefined();
});
