/**
 * A user's installation from the registry: both tarballs, installed into an empty project. PATH has
 * Node and npm, but nothing that compiles. Dependencies come from npm's cache or the registry.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { packageVersion } from '../../src/base/package-version.ts';
import { lastLineJson } from '../helpers/cli.ts';
import { buildPrebuilt } from '../helpers/prebuild.ts';

const execute = promisify(execFile);
const project = mkdtempSync(join(tmpdir(), 'athanor-project-'));
const modules = join(project, 'node_modules');
const target = `${process.platform}-${process.arch}`;

/** The folder that is all of PATH: node, npm, npx, and the shell that npx starts programs with. */
function toolFolder(): string {
  const folder = join(project, 'bin');
  mkdirSync(folder);
  const beside = dirname(process.execPath);
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const name of ['npm', 'npx']) symlinkSync(join(beside, name), join(folder, name));
  symlinkSync('/bin/sh', join(folder, 'sh'));
  return folder;
}

/**
 * Runs npm or npx in the project. npm tells its children much about itself, of which nothing may
 * reach this one.
 */
function run(program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|ATHANOR_|NODE_OPTIONS|INIT_CWD)/i.test(name),
  );
  const env = { ...Object.fromEntries(own), PATH: join(project, 'bin') };
  return execute(join(project, 'bin', program), args, { cwd: project, env, maxBuffer: 1 << 26 });
}

beforeAll(async () => {
  const tarballs = await buildPrebuilt();
  toolFolder();
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true }));
  await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs);
}, 600_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the packages, installed', () => {
  it('are on a PATH without a compiler', async () => {
    for (const program of ['c++', 'g++', 'clang++', 'cmake', 'make', 'ninja']) {
      expect(existsSync(join(project, 'bin', program))).toBe(false);
    }
  });

  it('are one version, and the main one asks for the other', () => {
    const read = (name: string) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    const version = packageVersion();
    const main = read('athanor');
    expect(main).toMatchObject({ version, optionalDependencies: { [`@athanor/${target}`]: version } });
    expect(main.devDependencies).toBeUndefined();
    expect(main.scripts).toBeUndefined();
    const { os, cpu, libc, ...prebuilt } = read(`@athanor/${target}`);
    expect(prebuilt.version).toBe(version);
    expect({ os, cpu, libc }).toEqual({ os: [process.platform], cpu: [process.arch], libc: ['glibc'] });
  });

  it('bring no packages that only a build needs', () => {
    const names = readdirSync(modules).filter((name) => !name.startsWith('.'));
    // The two that begin with node- are of SQLite.
    expect(names.sort()).toEqual([
      ...['@athanor', '@hono', '@mozilla', '@photostructure', '@uwdata', 'athanor', 'commander'],
      // The parser of HTML has the five that begin with dom or ent.
      ...['dom-serializer', 'domelementtype', 'domhandler', 'domutils', 'eld', 'entities', 'fzstd'],
      ...['hono', 'htmlparser2', 'hyparquet', 'hyparquet-compressors', 'hysnappy'],
      ...['node-addon-api', 'node-gyp-build', 'picomatch', 'tinybench', 'yaml'],
    ]);
    expect(existsSync(join(modules, 'athanor/native/test'))).toBe(false);
  });

  it('athanor info loads the prebuilt engine with every instruction set', async () => {
    const { stdout } = await run('npx', 'athanor', 'info', '--json');
    const info = lastLineJson(stdout) as { engine: { error: string | null; isas_built: string[] } };
    expect(info.engine.error).toBeNull();
    const all = process.arch === 'x64' ? ['portable', 'avx2', 'avx512', 'avx512bf16'] : ['portable'];
    expect(info.engine.isas_built).toEqual(all);
  });

  it('athanor pretrain trains ten steps', async () => {
    const sentence = (i: number) =>
      `The furnace has burned for ${i} days, and the gold is ${i % 7} parts of ten.\n`;
    writeFileSync(join(project, 'text.txt'), Array.from({ length: 4000 }, (_, i) => sentence(i)).join(''));
    const options = ['--model', 'nano', '--context', '64', '--vocab-size', '300', '--batch-size', '4'];
    const args = ['pretrain', '--data', 'text.txt', '--out', 'run', '--steps', '10', ...options, '--json'];
    const { stdout } = await run('npx', 'athanor', ...args);
    expect(lastLineJson(stdout).step).toBe(10);
    expect(existsSync(join(project, 'run/model.safetensors'))).toBe(true);
  }, 300_000);

  it('athanor build names the packages and programs that it lacks', async () => {
    const failure = await run('npx', 'athanor', 'build').catch((error: { stderr: string }) => error);
    expect(failure.stderr).toMatch(/CMake 3\.20 or newer: not found/);
  });

  it('without the prebuilt package the error names every place', async () => {
    rmSync(join(modules, '@athanor'), { recursive: true });
    const code = "import('athanor').catch((e) => console.log(e.code, e.message))";
    const { stdout } = await run('node', '-e', code);
    expect(stdout).toContain('ERR_NATIVE_LOAD');
    expect(stdout).toContain(`the package @athanor/${target} is not installed`);
    expect(stdout).toContain('build/cmake/Release/athanor.node does not exist');
  });
});

it('the clone does not ask for the prebuilt packages: they are not released before it is', () => {
  const text =
    readFileSync(join(packageRoot, 'package.json'), 'utf8') +
    readFileSync(join(packageRoot, 'package-lock.json'), 'utf8');
  expect(text).not.toContain('@athanor/');
});
