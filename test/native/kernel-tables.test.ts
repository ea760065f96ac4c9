/**
 * A kernel that is left out at the end of a table would be a null pointer at run time. It has to be
 * an error of the compiler, for every backend.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const native = join(packageRoot, 'native');
const isa = ['-DATHANOR_ISA=portable', '-DATHANOR_ISA_portable=1'];

/** What g++ says about the source; for CUDA as the emulator compiles it. */
function messages(source: string, flags: readonly string[]): string {
  const path = join(temporaryFolder(), 'table.cpp');
  writeFileSync(path, source);
  const args = ['-std=gnu++20', '-fsyntax-only', '-I', native, '-Wno-unknown-pragmas', ...flags, path];
  return spawnSync('g++', args, { encoding: 'utf8' }).stderr;
}

describe('kernel tables', () => {
  const files = ['cpu', 'cuda']
    .flatMap((folder) =>
      readdirSync(join(native, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
        join(native, folder, path),
      ),
    )
    .filter((path) => /\.(cpp|cu)$/.test(path))
    .filter((path) => /^[^/\n]*\b(\w+Kernels|auto) (kTable|\w+_table)\b/m.test(readFileSync(path, 'utf8')));

  it('are checked in every file that has one', () => {
    expect(files.length).toBeGreaterThan(35);
    for (const path of files)
      expect(readFileSync(path, 'utf8'), path).toMatch(/=\s*complete_table<\w+Kernels>\(/);
  });

  it.each([
    ['cpu/columns.cpp', isa],
    ['cuda/segments.cu', []],
  ])('of %s have no last entry that may be left out', (path, flags) => {
    const source = readFileSync(join(native, path), 'utf8');
    const shorter = source.replace(/(complete_table<\w+>\([^)]*?)(, )?\w+\);/, '$1);');
    expect(shorter, basename(path)).not.toBe(source);
    expect(messages(source, flags)).toBe('');
    expect(messages(shorter, flags)).toMatch(/error: .*the table lacks an entry at its end/);
  });
});
