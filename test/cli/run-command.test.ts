/**
 * Commands made for this test, run in this process: everything that a table and a
 * command can declare.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { type CommandResult, defineCommand } from '../../src/cli/command.ts';
import type { CommandTable } from '../../src/cli/commands.ts';
import { count, duration, flag, list, path } from '../../src/cli/options.ts';
import { runCli } from '../../src/cli/run-command.ts';
import { temporaryFolder } from '../helpers/cli.ts';

let seen: Record<string, unknown> | undefined;
let answer: () => CommandResult = () => ({});

const prepare = defineCommand({
  arguments: { '<source>': 'the source', '[more...]': 'more sources' },
  options: {
    out: path('the folder to write to', { required: true }),
    limit: count('at most this many', { default: 10, min: 1 }),
    time: duration('for so long'),
    shuffle: flag('in random order', { default: true, negated: 'in the order of the sources' }),
    dryRun: flag('write nothing'),
    also: list(path('more of it')),
  },
  example: 'data prepare a.txt --out shards',
  async run(options, { args, json }) {
    seen = { ...options, args, jsonMode: json };
    return answer();
  },
  render: (result) => `wrote ${result.files}`,
});

const table: CommandTable = {
  data: {
    summary: 'make token shards',
    commands: {
      prepare: { summary: 'write shards', load: async () => prepare },
      inspect: { summary: 'look at shards', load: () => Promise.reject(new Error('loaded in vain')) },
    },
  },
  prepare: { summary: 'a command of the same name', load: () => Promise.reject(new Error('loaded in vain')) },
};

let stdout = '';
let stderr = '';
beforeEach(() => {
  stdout = '';
  stderr = '';
  seen = undefined;
  answer = () => ({ files: 3 });
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

function config(yaml: string): string {
  const file = join(temporaryFolder(), 'run.yaml');
  writeFileSync(file, yaml);
  return file;
}

describe('a command gets', () => {
  it('defaults for what is not given', async () => {
    expect(await runCli(['data', 'prepare', 'a.txt', '--out', 'o'], table)).toBe(0);
    expect(seen).toEqual({
      args: ['a.txt'],
      out: 'o',
      limit: 10,
      time: undefined,
      shuffle: true,
      dryRun: false,
      also: [],
      config: undefined,
      json: false,
      debug: false,
      jsonMode: false,
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'wrote 3\n', stderr: '' });
  });

  it('typed values for what is', async () => {
    const line = 'a b c --out o --limit 1.5k --time=2m --no-shuffle --dry-run --also x --also y --json';
    expect(await runCli(['data', 'prepare', ...line.split(' ')], table)).toBe(0);
    expect(seen).toMatchObject({
      args: ['a', 'b', 'c'],
      limit: 1500,
      time: 120,
      shuffle: false,
      dryRun: true,
      also: ['x', 'y'],
      jsonMode: true,
    });
    expect(stdout).toBe('{"files":3}\n');
  });

  it('the config file where the command line is silent', async () => {
    const file = config('out: from-file\nlimit: 7\nshuffle: false\nalso: [p, q]\ndry-run: true\n');
    expect(
      await runCli(['data', 'prepare', 'a', '--config', file, '--limit', '8', '--also', 'z'], table),
    ).toBe(0);
    expect(seen).toMatchObject({ out: 'from-file', limit: 8, shuffle: false, dryRun: true, also: ['z'] });
  });
});

describe('a command is not run', () => {
  it.each([
    [['data'], '"athanor data" needs a command after it', 'see athanor data --help for the list'],
    [['data', 'prepar'], 'there is no command "data prepar"', 'did you mean "data prepare"?'],
    [['data', '--out', 'x'], 'unknown option --out', 'see athanor data --help'],
    [
      ['data', 'prepare', '--out', 'o'],
      'the argument <source> is missing',
      'see athanor data prepare --help',
    ],
    [
      ['data', 'prepare', 'a'],
      '--out <path> is required: the folder to write to',
      '"out: ..." in a --config file',
    ],
    [['data', 'prepare', 'a', '--out', ''], '--out expects a path but got ""', ''],
    [
      ['data', 'prepare', 'a', '--out', 'o', '--shuffle'],
      'unknown option --shuffle',
      'did you mean --no-shuffle?',
    ],
    [['data', 'prepare', 'a', '--dryrun'], 'unknown option --dryrun', 'did you mean --dry-run?'],
    [
      ['data', 'prepare', 'a', '--out', 'o', '--limit', '0'],
      '--limit expects a whole number of at least 1',
      '',
    ],
  ])('for %j', async (argv, message, remedy) => {
    expect(await runCli(argv, table)).toBe(2);
    expect(seen).toBeUndefined();
    expect(stderr).toContain(`error: ${message}`);
    expect(stderr).toContain(remedy);
    expect(stdout).toBe('');
  });

  it('for a value in a config file that is out of range, which is named with its line', async () => {
    const file = config('out: o\n\nlimit: 0\n');
    expect(await runCli(['data', 'prepare', 'a', '--config', file], table)).toBe(2);
    expect(stderr).toContain(`error: ${file} line 3: "limit" expects a whole number of at least 1`);
  });

  it('when only help is asked for', async () => {
    expect(await runCli(['data', 'prepare', '--help'], table)).toBe(0);
    expect(seen).toBeUndefined();
    expect(stdout).toMatch(/Usage: athanor data prepare \[options\] <source> \[more\.\.\.\]/);
    expect(stdout).toMatch(/--out <path> .*\(required\)/);
    expect(stdout).toMatch(/--limit <count> .*\(default: 10\)/);
    expect(stdout).toMatch(/--also <path> .*\(may be repeated\)/);
    expect(stdout).toMatch(/Example:\n {2}\$ athanor data prepare a\.txt --out shards\n/);
  });
});

describe('the exit code is', () => {
  const argv = ['data', 'prepare', 'a', '--out', 'o', '--json'];
  it.each([
    [1, new AthanorError('ERR_IO', 'cannot write')],
    [2, new AthanorError('ERR_CONFIG', 'bad')],
    [130, new AthanorError('ERR_INTERRUPTED', 'stopped')],
    [1, new TypeError('a defect')],
  ])('%i after %s, with nothing on stdout', async (code, error) => {
    answer = () => {
      throw error;
    };
    expect(await runCli(argv, table)).toBe(code);
    expect(stdout).toBe('');
    expect(stderr).toContain(`error: ${error.message} [`);
  });
});

it('whatever the arguments, there is an answer and no defect', async () => {
  const words =
    'data prepare inspec help a.txt --out --out=o o --limit 5 --limit=x --time 1m - -- --no-shuffle --shuffle --json -x --= =  \0 é --config'.split(
      ' ',
    );
  let state = 7;
  const random = (below: number) => {
    state = (state * 48271) % 0x7fffffff;
    return state % below;
  };
  const alone = { data: { summary: '', commands: { prepare: { summary: '', load: async () => prepare } } } };
  const codes = new Set<number>();
  for (let round = 0; round < 500; round++) {
    const argv = Array.from({ length: random(9) }, () => words[random(words.length)]!);
    codes.add(await runCli(random(2) === 0 ? argv : ['data', 'prepare', ...argv], alone));
  }
  expect([...codes].sort()).toEqual([0, 1, 2]);
  expect(stderr).not.toMatch(
    /ERR_INTERNAL(?!\]\n {2}this is a defect in athanor: .*\n)|TypeError|RangeError/,
  );
  expect(stderr).not.toContain('ERR_INTERNAL');
});
