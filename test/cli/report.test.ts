import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

function makeRun(folder: string): string {
  const lines = [1, 2, 3].map((step) => JSON.stringify({ step, loss: 4 - step / 2 }));
  writeFileSync(join(folder, 'metrics.jsonl'), lines.join('\n'));
  return folder;
}

it('report writes the page of a folder, and compare that of several', async () => {
  const [a, b] = [makeRun(temporaryFolder()), makeRun(temporaryFolder())];
  const report = await athanor('report', a);
  expect(report.stderr).toBe('');
  expect(report.stdout).toBe(`${join(a, 'report.html')}\n`);
  expect(readFileSync(join(a, 'report.html'), 'utf8')).toContain('<dt>Steps</dt><dd>3</dd>');

  const out = join(b, 'page.html');
  const compare = await athanor('compare', a, b, '--out', out, '--title', 'Two runs', '--json');
  expect(lastLineJson(compare.stdout)).toMatchObject({
    report: out,
    runs: [expect.any(String), expect.any(String)],
  });
  expect(readFileSync(out, 'utf8')).toContain('<title>Two runs</title>');

  expect((await athanor('report', join(b, 'nowhere'))).stderr).toContain('ERR_FILE_MISSING');
  expect((await athanor('compare', a)).stderr).toContain('at least two runs');
});
