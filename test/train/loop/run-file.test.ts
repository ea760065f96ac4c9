import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRun, writeRun } from '../../../src/train/loop/run-file.ts';

describe('run.json', () => {
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'athanor-run-file-'));
  });
  afterEach(() => rmSync(out, { recursive: true }));

  const path = () => join(out, 'run.json');
  const saved = () => JSON.parse(readFileSync(path(), 'utf8')) as Record<string, unknown>;

  it('gives back the settings of the run', () => {
    writeRun(out, { stage: 'sft', settings: { lr: 0.1, seed: 3 } });
    expect(readRun(out, 'sft')).toMatchObject({ stage: 'sft', settings: { lr: 0.1, seed: 3 } });
  });

  it('refuses a second run in the folder, and a run of another stage', () => {
    writeRun(out, { stage: 'sft', settings: {} });
    expect(() => writeRun(out, { stage: 'sft', settings: {} })).toThrow(/already holds a run/);
    expect(() => readRun(out, 'ppo')).toThrow(/holds a sft run, not ppo/);
  });

  it.each([undefined, 1, 99])('refuses the settings of version %s', (version) => {
    writeRun(out, { stage: 'sft', settings: { lr: 0.1 } });
    writeFileSync(path(), JSON.stringify({ ...saved(), version }));
    expect(() => readRun(out, 'sft')).toThrow(
      expect.objectContaining({ code: 'ERR_MISMATCH', message: expect.stringMatching(/another version/) }),
    );
  });

  it.each<[string, unknown]>([
    ['began', null],
    ['began', { cwd: 1, out: '/x' }],
    ['began', { out: '/x' }],
    ['changes', { step: 1 }],
    ['changes', [{ step: 1, settings: { lr: 0.1 } }]],
    ['changes', [{ step: 'one', settings: {} }]],
  ])('refuses %s of another shape: %j', (key, value) => {
    writeRun(out, { stage: 'sft', settings: { lr: 0.1 } });
    writeFileSync(path(), JSON.stringify({ ...saved(), [key]: value }));
    expect(() => readRun(out, 'sft')).toThrow(expect.objectContaining({ code: 'ERR_FILE_DAMAGED' }));
  });

  it('refuses a file that is not JSON or has no settings', () => {
    for (const text of ['{"stage":', '{"stage": "sft"}']) {
      writeFileSync(path(), text);
      expect(() => readRun(out, 'sft')).toThrow(expect.objectContaining({ code: 'ERR_FILE_DAMAGED' }));
    }
    rmSync(path());
    expect(() => readRun(out, 'sft')).toThrow(expect.objectContaining({ code: 'ERR_FILE_MISSING' }));
  });
});
