/** Records the options of every command, so that no change of the command line goes unnoticed. */
import { expect, it } from 'vitest';
import { type CommandTable, commands } from '../../src/cli/commands.ts';
import { buildProgram } from '../../src/cli/program.ts';

function paths(table: CommandTable, prefix: string[] = []): string[][] {
  return Object.entries(table).flatMap(([name, entry]) =>
    'commands' in entry ? paths(entry.commands, [...prefix, name]) : [[...prefix, name]],
  );
}

async function describeCommand(path: string[]): Promise<string> {
  const { command, module } = await buildProgram(path, commands);
  const positional = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  expect(module?.example, `the example of ${path.join(' ')}`).toMatch(new RegExp(`^${path.join(' ')}( |$)`));
  const options = command.options.map((option) => `  ${option.flags.padEnd(36)}${option.description}`);
  return [['athanor', ...path, ...positional].join(' '), ...options].join('\n');
}

it('the options of every command are those of options.txt', async () => {
  const texts = await Promise.all(paths(commands).map(describeCommand));
  await expect(`${texts.join('\n\n')}\n`).toMatchFileSnapshot('options.txt');
});

it('every option of a command stands under a heading of the help text', async () => {
  for (const path of paths(commands)) {
    const { module } = await buildProgram(path, commands);
    for (const [key, option] of Object.entries(module!.options)) {
      expect(option.group, `--${key} of ${path.join(' ')}`).toBeDefined();
    }
  }
});

it('no text of the help has a line break that would be wrapped again', async () => {
  for (const path of paths(commands)) {
    const { command } = await buildProgram(path, commands);
    const texts = [command.description(), ...command.options.map((option) => option.description)];
    // An indented line is an item of a list, which stays as it is.
    for (const text of texts) expect(text).not.toMatch(/[^\n]\n[^ \n]/);
  }
});

it('every default of an option is a value that the option accepts', async () => {
  for (const path of paths(commands)) {
    const { module } = await buildProgram(path, commands);
    for (const [key, option] of Object.entries(module!.options)) {
      if (option.default === undefined || option.kind === 'list') continue;
      expect(option.parse(String(option.default)), `--${key} of ${path.join(' ')}`).toEqual(option.default);
    }
  }
});
