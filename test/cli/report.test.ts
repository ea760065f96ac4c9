import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
  const alone = await athanor('compare', a);
  expect(alone.stderr).toContain('at least two runs');
  expect(alone.code).toBe(2);
});

it.each([
  ['', /metrics\.jsonl: it is empty \[ERR_FORMAT\]/],
  ['garbage\n[]\n{"step": 1, "x": []}\n', /none of its 3 lines is a record of a run \[ERR_FORMAT\]/],
])('report and compare refuse a log without a record: %j', async (log, message) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'metrics.jsonl'), log);
  const report = await athanor('report', folder);
  expect(report.stderr).toMatch(message);
  expect(existsSync(join(folder, 'report.html'))).toBe(false);
  const out = join(folder, 'page.html');
  expect((await athanor('compare', makeRun(temporaryFolder()), folder, '--out', out)).stderr).toMatch(
    message,
  );
});

it('a page whose memory is damaged is written without it', async () => {
  const folder = makeRun(temporaryFolder());
  for (const memory of ['{"title": "x", "tables": 7}', '{"title": 1, "stages": [null]}', '{']) {
    const script = `<script type="application/json" id="remembered">${memory}</script>`;
    writeFileSync(join(folder, 'report.html'), script);
    expect((await athanor('report', folder)).stderr).toBe('');
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<dt>Steps</dt><dd>3</dd>');
  }
});
