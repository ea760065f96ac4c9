import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runNames, writeComparison } from '../../src/report/comparison.ts';
import { writeReport } from '../../src/report/html-report.ts';
import { MetricsLog } from '../../src/report/metrics-log.ts';
import { runLog } from './run-log.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-comparison-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function makeRun(name: string, settings: object): string {
  const folder = join(root, name);
  const log = MetricsLog.open(folder);
  for (const record of runLog({ steps: 30, evaluateEvery: 10 })) log.append(record);
  log.close();
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ stage: 'pretrain', settings }));
  return folder;
}

describe('writeComparison', () => {
  it('writes the figures of each run, with a link to its page, and the settings that differ', () => {
    const folders = [makeRun('a', { lr: 0.001, batchSize: 8 }), makeRun('b', { lr: 0.002, batchSize: 8 })];
    writeReport(folders[0]!);
    mkdirSync(join(root, 'pages'));
    const out = join(root, 'pages', 'both.html');
    expect(writeComparison(folders, { out })).toEqual(['a', 'b']);
    const page = readFileSync(out, 'utf8');
    expect(page).toContain('<title>a, b</title>');
    expect(page).toContain('<a href="../a/report.html">a</a>');
    expect(page).toContain('<td>b</td><td data-label="Validation loss"><span>3.052</span></td>');
    expect(page).toContain(
      '<td>lr</td><td data-label="a"><span>0.001</span></td><td data-label="b"><span>0.002</span></td>',
    );
    expect(page).not.toContain('batch size');
  });

  it('says when there is nothing to compare', () => {
    const out = join(root, 'none.html');
    expect(() => writeComparison([root], { out })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => writeComparison([root, join(root, 'a')], { out })).toThrow(
      expect.objectContaining({ code: 'ERR_FILE_MISSING' }),
    );
  });
});

it('runs are named by the shortest ends of their paths that tell them apart', () => {
  expect(runNames(['runs/x', 'runs/y/'])).toEqual(['x', 'y']);
  expect(runNames(['one/sft', 'two/sft', 'two/ppo'])).toEqual(['one/sft', 'two/sft', 'ppo']);
  expect(runNames(['same', 'same'])).toEqual(['same (1)', 'same (2)']);
});
