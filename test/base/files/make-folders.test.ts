import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolders } from '../../../src/base/files/make-folders.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

it('makes what is missing, and says where it began', () => {
  const folder = temporaryFolder();
  expect(makeFolders(join(folder, 'a/b/c'))).toBe(join(folder, 'a'));
  expect(existsSync(join(folder, 'a/b/c'))).toBe(true);
  expect(makeFolders(join(folder, 'a/b/d'))).toBe(join(folder, 'a/b/d'));
  expect(makeFolders(join(folder, 'a/b'))).toBeUndefined();
});

it('fails as mkdir does', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'good'));
  expect(() => makeFolders(join(folder, 'file'))).toThrow(/EEXIST/);
  expect(() => makeFolders(join(folder, 'file/a'))).toThrow(/ENOTDIR/);
  expect(() => makeFolders(join(folder, 'link'))).toThrow(/ENOENT/);
  expect(makeFolders(join(folder, 'good'))).toBeUndefined();
  // Nothing can be made there, and Node's recursive mkdir would go on for ever.
  expect(() => makeFolders('/proc/athanor/a')).toThrow(/ENOENT/);
});
