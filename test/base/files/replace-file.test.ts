import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { replaceFile } from '../../../src/base/files/replace-file.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

it('a file is replaced whole, and what a killed process left half-written of it goes', () => {
  const folder = temporaryFolder();
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const [path, dead, living, other] = [
    'report.html',
    `report.html.tmp-${pid}`,
    `report.html.tmp-${process.ppid}`,
    `report.html2.tmp-${pid}`,
  ].map((name) => join(folder, name));
  for (const file of [path!, dead!, living!, other!]) writeFileSync(file, 'half');
  replaceFile(path!, 'whole');
  expect(readFileSync(path!, 'utf8')).toBe('whole');
  expect(
    readdirSync(folder)
      .sort()
      .map((name) => join(folder, name)),
  ).toEqual([path, living, other].sort());
});
