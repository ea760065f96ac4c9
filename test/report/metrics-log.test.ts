import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { METRICS_FILE, type MetricRecord, MetricsLog, readMetrics } from '../../src/report/metrics-log.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-metrics-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * The log of a run per step: a warning before the record of step 5, an evaluation and a sample
 * after every second step.
 */
function recordsOf(step: number): MetricRecord[] {
  const records: MetricRecord[] = [{ step, loss: 1 / step, lr: 1e-3 }];
  if (step === 4) records.unshift({ event: 'warning', step, text: 'a jump' });
  if (step % 2 === 0) {
    records.push({ event: 'evaluation', step, val_loss: 2 / step });
    records.push({ event: 'sample', step, prompt: 'p', text: 'NaN' });
  }
  return records;
}

function run(log: MetricsLog, from: number, to: number): void {
  for (let step = from; step <= to; ++step) for (const record of recordsOf(step)) log.append(record);
  log.flush();
  log.close();
}

describe('MetricsLog', () => {
  it('writes one object a line and reads it back', () => {
    run(MetricsLog.open(folder), 1, 3);
    const { records, badLines } = readMetrics(folder);
    expect(records).toEqual([...recordsOf(1), ...recordsOf(2), ...recordsOf(3)]);
    expect(badLines).toBe(0);
    expect(readFileSync(join(folder, METRICS_FILE), 'utf8').split('\n')[0]).toBe(
      '{"step":1,"loss":1,"lr":0.001}',
    );
  });

  it('keeps what JSON has no word for, and texts that only look like it', () => {
    const log = MetricsLog.open(folder);
    log.append({
      step: 1,
      loss: Number.NaN,
      grad_norm: Number.POSITIVE_INFINITY,
      x: Number.NEGATIVE_INFINITY,
    });
    log.append({ event: 'sample', step: 1, prompt: 'Infinity', text: 'NaN' });
    log.close();
    expect(readMetrics(folder).records).toEqual([
      { step: 1, loss: Number.NaN, grad_norm: Number.POSITIVE_INFINITY, x: Number.NEGATIVE_INFINITY },
      { event: 'sample', step: 1, prompt: 'Infinity', text: 'NaN' },
    ]);
  });

  it.each([1, 2, 3, 4, 5, 6])('resumed at step %d after a kill, it ends as if never killed', (saved) => {
    run(MetricsLog.open(folder), 1, 8);
    const whole = readFileSync(join(folder, METRICS_FILE), 'utf8');
    const kill = recordsOf(saved).findIndex(({ event }) => event === undefined) + 1;
    const resumed = MetricsLog.open(folder, { resumeStep: saved });
    // What the trainer owes of the step that it resumes at, then the rest.
    for (const record of recordsOf(saved).slice(kill)) resumed.append(record);
    run(resumed, saved + 1, 8);
    expect(readFileSync(join(folder, METRICS_FILE), 'utf8')).toBe(whole);
  });

  it('keeps the history of resumptions, and what was logged before the first step only once', () => {
    const log = MetricsLog.open(folder);
    log.append({ event: 'evaluation', step: 0, val_loss: 9 });
    log.append({ step: 1, loss: 1 });
    log.append({ event: 'resume', step: 1 });
    log.append({ event: 'evaluation', step: 1, val_loss: 8 });
    log.close();
    MetricsLog.open(folder, { resumeStep: 1 }).close();
    const events = () => readMetrics(folder).records.map(({ step, event }) => [step, event]);
    expect(events()).toEqual([
      [0, 'evaluation'],
      [1, undefined],
      [1, 'resume'],
    ]);
    MetricsLog.open(folder, { resumeStep: 0 }).close();
    expect(events()).toEqual([]);
  });

  it('repairs a last line torn by a kill, and keeps the others byte for byte', () => {
    const kept = '{"step":1,"loss":1.50,"own_field":"x"}\n';
    writeFileSync(join(folder, METRICS_FILE), `${kept}{"step":2,"lo`);
    expect(readMetrics(folder)).toEqual({ records: [{ step: 1, loss: 1.5, own_field: 'x' }], badLines: 1 });
    const log = MetricsLog.open(folder, { resumeStep: 2 });
    log.append({ step: 2, loss: 1 });
    log.close();
    expect(readFileSync(join(folder, METRICS_FILE), 'utf8')).toBe(`${kept}{"step":2,"loss":1}\n`);
    expect(readdirSync(folder)).toEqual([METRICS_FILE]);
  });

  it('counts every kind of line that is no record', () => {
    run(MetricsLog.open(folder), 1, 1);
    for (const line of [
      '',
      'null',
      '7',
      '"text"',
      '[]',
      '{}',
      '{"step":"three"}',
      '{"step":"NaN"}',
      '\0\0\0',
      '{"step":2',
    ])
      appendFileSync(join(folder, METRICS_FILE), `${line}\n`);
    appendFileSync(join(folder, METRICS_FILE), Buffer.from([0xff, 0xfe, 0x0a]));
    expect(readMetrics(folder)).toEqual({ records: recordsOf(1), badLines: 10 });
  });

  it('reads lines across the pieces that a long file is read in', () => {
    const text = 'é'.repeat(700_000);
    const log = MetricsLog.open(folder);
    for (let step = 1; step <= 5; ++step) log.append({ event: 'sample', step, text });
    log.close();
    const { records, badLines } = readMetrics(folder);
    expect(badLines).toBe(0);
    expect(records.map((record) => record.text === text)).toEqual([true, true, true, true, true]);
  });

  it('names what is missing and where it cannot write', () => {
    expect(() => readMetrics(folder)).toThrow(expect.objectContaining({ code: 'ERR_FILE_MISSING' }));
    writeFileSync(join(folder, 'file'), '');
    expect(() => MetricsLog.open(join(folder, 'file'))).toThrow(/file/);
  });
});
