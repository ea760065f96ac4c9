/** The parts of the build scripts that make decisions. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';

function script(name: string): Promise<unknown> {
  return import(pathToFileURL(join(packageRoot, 'scripts', name)).href);
}

describe('isInstalled', async () => {
  const { isInstalled } = (await script('lib/install.mjs')) as { isInstalled(folder?: string): boolean };

  function tree(wanted: object, installed: object | undefined, folders: string[]): string {
    const root = temporaryFolder();
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...wanted } }));
    for (const folder of ['node_modules', ...folders]) mkdirSync(join(root, folder), { recursive: true });
    const record = join(root, 'node_modules/.package-lock.json');
    if (installed) writeFileSync(record, JSON.stringify({ packages: installed }));
    return root;
  }
  const a = { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } };

  it('is true of the tree that these tests run in', () => {
    expect(isInstalled()).toBe(true);
  });

  it.each([
    ['all is there', a, a, true],
    ['nothing is', a, undefined, false],
    ['a version differs', a, { 'node_modules/a': { version: '2.0.0', integrity: 'sha512-b' } }, false],
    ['a package is new', { ...a, 'node_modules/b': { integrity: 'x' } }, a, false],
    ['another platform is missing', { ...a, 'node_modules/b': { integrity: 'x', optional: true } }, a, true],
  ])('when %s: %#', (_, wanted, installed, expected) => {
    expect(isInstalled(tree(wanted, installed, ['node_modules/a']))).toBe(expected);
  });

  it('is false when a folder was deleted', () => {
    expect(isInstalled(tree(a, a, []))).toBe(false);
  });
});

describe('errorLines', async () => {
  const { errorLines } = (await script('lib/native.mjs')) as { errorLines(output: string): string[] };

  it('keeps what the compiler says under ninja', () => {
    const output = [
      'info CMD BUILD',
      '[1/3] Building CXX object CMakeFiles/a.dir/native/a.cpp.o',
      'FAILED: CMakeFiles/b.dir/native/b.cpp.o ',
      '/usr/bin/c++ -O3 -MF x.d -o CMakeFiles/b.dir/native/b.cpp.o -c native/b.cpp',
      "native/b.cpp:3:5: error: 'x' was not declared in this scope",
      '    3 |     x;',
      'ninja: build stopped: subcommand failed.',
      'ERROR OMG Process terminated: 1',
    ].join('\n');
    expect(errorLines(output)).toEqual([
      "native/b.cpp:3:5: error: 'x' was not declared in this scope",
      '    3 |     x;',
    ]);
  });

  it('keeps what the compiler says under make', () => {
    const output =
      '[ 50%] Building CXX object a.o\nnative/b.cpp:3:5: error: no\nmake[2]: *** [a.o] Error 1\nmake: *** [all] Error 2\n';
    expect(errorLines(output)).toEqual(['native/b.cpp:3:5: error: no']);
  });

  it('keeps what CMake says, and the end of anything else', () => {
    expect(errorLines('-- ok\nCMake Error at CMakeLists.txt:3:\n  no\n')).toEqual([
      'CMake Error at CMakeLists.txt:3:',
      '  no',
    ]);
    expect(errorLines(`${'x\n'.repeat(100)}last`)).toHaveLength(40);
  });
});

describe('checkText', async () => {
  const { checkText, maxLines } = (await script('lib/text-rules.mjs')) as {
    checkText(root: string, names: string[]): string[];
    maxLines: number;
  };
  const word = (...parts: string[]) => parts.join('');

  function check(name: string, text: string): string[] {
    const root = temporaryFolder();
    writeFileSync(join(root, name), text);
    return checkText(root, [name]);
  }

  it.each([
    [`a\n// ${word('TO', 'DO')}: b`, /^a\.ts:2: ".*" is unfinished work/],
    [`throw new Error('${word('Not', ' imple', 'mented')}');`, /^a\.ts:1: .*unfinished work/],
    [`${word('it.on', 'ly')}('x')`, /^a\.ts:1: .*test that does not run/],
    [`"${word('/ho', 'me/me')}/x"`, /^a\.ts:1: .*path of one machine/],
    [`${'<'.repeat(7)} HEAD`, /^a\.ts:1: .*merge conflict/],
    ['\n'.repeat(maxLines + 1), /^a\.ts: 801 lines; the limit is 800/],
  ])('finds %#', (text, problem) => {
    expect(check('a.ts', text)).toEqual([expect.stringMatching(problem)]);
  });

  it('lets ordinary text pass', () => {
    expect(check('a.ts', `// to do what is asked, see docs/home/x\n${'x\n'.repeat(maxLines - 1)}`)).toEqual(
      [],
    );
  });
});

describe('prerequisites', () => {
  const url = pathToFileURL(join(packageRoot, 'scripts/lib/prerequisites.mjs')).href;
  const code = `import { requirePrerequisites } from '${url}';
    try { requirePrerequisites(); } catch (error) { console.log(error.explained, error.message); }`;

  /** With only these programs on the PATH, each printing its text. */
  function requireWith(programs: Record<string, string>, env: Record<string, string> = {}) {
    const folder = temporaryFolder();
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(folder, name), `#!/bin/sh\necho '${text}'\n`);
      chmodSync(join(folder, name), 0o755);
    }
    return runNode(['--input-type=module', '-e', code], { env: { PATH: folder, CXX: '', ...env } });
  }
  const good = { 'g++': '12.2.0', make: 'GNU Make 4.3', cmake: 'cmake version 3.25.1' };

  it('are content with what is enough', async () => {
    expect((await requireWith(good)).stdout).toBe('');
    expect(
      (await requireWith({ 'clang++': 'clang 14.0.0\n14.0.0', ninja: '1', cmake: good.cmake })).stdout,
    ).toBe('');
  });

  it('name all that is missing and the line that installs it', async () => {
    const { stdout } = await requireWith({});
    expect(stdout).toMatch(/^true athanor cannot be built/);
    expect(stdout).toMatch(
      /g\+\+ 10 or newer.*: not found\n.*make or ninja: not found\n.*CMake 3\.20 or newer: not found/,
    );
    expect(stdout).toMatch(/sudo apt-get install -y g\+\+ make cmake\n$/);
  });

  it.each([
    [{ ...good, cmake: 'cmake version 3.16.3' }, {}, /CMake 3\.20 or newer: this is 3\.16\.3/, 'cmake'],
    [{ ...good, 'g++': '9.4.0' }, {}, /g\+\+ is version 9\.4\.0/, 'g\\+\\+'],
    [good, { CXX: 'missing++' }, /CXX=missing\+\+ does not run/, 'g\\+\\+'],
  ])('name what is too old (%#)', async (programs, env, message, apt) => {
    const { stdout } = await requireWith(programs, env as Record<string, string>);
    expect(stdout).toMatch(message);
    expect(stdout).toMatch(new RegExp(`install -y ${apt}\n$`));
  });
});

describe('run', async () => {
  const { run } = (await script('lib/process.mjs')) as {
    run(
      program: string,
      args: string[],
      options: { onLine: (line: string) => void },
    ): Promise<{ code: number; output: string }>;
  };
  const node = (body: string) => {
    const lines: string[] = [];
    return run(process.execPath, ['-e', body], { onLine: (line) => lines.push(line) }).then((result) => ({
      ...result,
      lines,
    }));
  };

  it('gives the output, line by line and whole', async () => {
    const body = "process.stdout.write('a\\nb'); setTimeout(() => process.stdout.write('c\\nd'), 50);";
    expect(await node(body)).toEqual({ code: 0, output: 'a\nbc\nd', lines: ['a', 'bc'] });
  });

  it.each([
    ['process.exit(7)', 7],
    ["process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000)", 137],
  ])('gives the exit code of %s', async (body, code) => {
    expect((await node(body)).code).toBe(code);
  });

  it("keeps make's own variables from what it starts", async () => {
    process.env.MAKEFLAGS = '-j9';
    const { output } = await node('console.log(process.env.MAKEFLAGS)');
    delete process.env.MAKEFLAGS;
    expect(output).toBe('undefined\n');
  });
});

describe('scripts', () => {
  it.each(['build', 'check'])('%s refuses an option that it does not know', async (name) => {
    const { code, stderr } = await runNode([join(packageRoot, `scripts/${name}.mjs`), '--fx']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\w+: unknown option --fx; it takes --\w+/);
  });

  it('cmake-from-gyp lists every source once', async () => {
    const { code, stdout } = await runNode([join(packageRoot, 'scripts/cmake-from-gyp.cjs'), '--list']);
    const files = stdout.split('\n');
    expect(code).toBe(0);
    expect(files).toContain('native/binding/addon.cpp');
    expect(new Set(files).size).toBe(files.length);
  });
});
