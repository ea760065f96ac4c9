/**
 * A run that is killed and resumed several times gives the same bits as an undisturbed run.
 * Real processes, SIGKILL.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../../src/checkpoint/store.ts';
import { athanor } from '../../helpers/cli.ts';
import {
  expectSameRun,
  newestStep,
  resume,
  runKilled,
  runWhole,
  signalWhen,
} from '../../helpers/killed-run.ts';

const STEPS = 150;
let root: string;
let corpus: string;
let whole: string;
let wholeMs: number;

const command = () => [
  ...['pretrain', '--data', corpus, '--model', 'tiny', '--steps', String(STEPS), '--batch-size', '4'],
  ...[
    '--context',
    '64',
    '--vocab-size',
    '300',
    '--eval-every',
    '5',
    '--save-every',
    '3',
    '--sample-every',
    '10',
  ],
  ...[
    '--warmup-steps',
    '5',
    '--keep-checkpoints',
    '3',
    '--grad-accum',
    '2',
    '--dtype',
    'bf16',
    '--threads',
    '2',
  ],
  ...['--eval-tokens', '2k'],
];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-resume-'));
  corpus = join(root, 'corpus.jsonl');
  const files = ['typescript', 'vitest', 'commander', 'yaml', 'cmake-js', 'node-gyp'].map((name) =>
    join(import.meta.dirname, '../..', '..', 'node_modules', name, 'README.md'),
  );
  const documents = files.filter(existsSync).flatMap((file) => readFileSync(file, 'utf8').split(/\n(?=#)/));
  writeFileSync(corpus, documents.map((text) => JSON.stringify({ text })).join('\n'));
  whole = join(root, 'whole');
  wholeMs = await runWhole(command(), whole);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('killed and resumed', () => {
  it.each([1, 2])('at random moments, it ends with the same bits (%i)', async (seed) => {
    const out = join(root, `killed-${seed}`);
    expect(await runKilled(command(), out, { wholeMs, seed, extra: ['--threads', '1'] })).toBeGreaterThan(1);
    expectSameRun(out, whole);
  });

  it('after SIGTERM, which finishes the step, saves and exits with success', async () => {
    const out = join(root, 'asked');
    const first = await signalWhen(command(), out, (records) => records.length > 0, { signal: 'SIGTERM' });
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/SIGTERM: finishing the step, then saving/);
    const saved = newestStep(out)!;
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(STEPS);
    await resume('pretrain', out);
    expectSameRun(out, whole);
  });
});

describe('what can go wrong', () => {
  it('a damaged checkpoint is named, and the last good one offered', async () => {
    const newest = new CheckpointStore(whole).latest()!.path;
    const weights = join(newest, 'training.safetensors');
    const bytes = readFileSync(weights);
    writeFileSync(
      weights,
      bytes.map((byte, i) => (i === 5000 ? byte ^ 1 : byte)),
    );
    const { code, stderr } = await athanor('pretrain', '--out', whole, '--resume');
    writeFileSync(weights, bytes);
    expect(code).toBe(1);
    expect(stderr).toMatch(/training\.safetensors.*\[ERR_FILE_DAMAGED\]/);
    expect(stderr).toMatch(/the last good one is .*step-0000/);
  });

  it('a folder that holds a run is not overwritten, and none is not resumed', async () => {
    const before = readdirSync(whole);
    expect((await athanor(...command(), '--out', whole)).stderr).toMatch(
      /already holds a run .*\n.*--resume/,
    );
    expect(readdirSync(whole)).toEqual(before);
    const absent = join(root, 'absent');
    expect((await athanor('pretrain', '--out', absent, '--resume')).stderr).toMatch(/holds no run to resume/);
    expect(existsSync(absent)).toBe(false);
  });

  it('a file in the place of the folder is refused, and stays', async () => {
    const size = readFileSync(corpus).length;
    for (const out of [corpus, join(corpus, 'run')]) {
      const { code, stderr } = await athanor(...command(), '--out', out);
      expect(stderr).toMatch(/there is a file where a folder must be \[ERR_ARGUMENT\]\n {2}name a folder/);
      expect(code).toBe(1);
    }
    expect(readFileSync(corpus).length).toBe(size);
  });

  it('a run at its end does no step when resumed, and shows no loss', async () => {
    const { code, stdout } = await athanor('pretrain', '--out', whole, '--resume');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^150 steps, \d+ tokens, validation loss \d/);
  });

  it('a model with another vocabulary than the data is refused before training', async () => {
    const out = join(root, 'mismatch');
    const args = [...command(), '--out', out]
      .map((arg) => (arg === 'tiny' ? whole : arg))
      .map((arg) => (arg === '300' ? '700' : arg));
    const { code, stderr } = await athanor(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the data has a vocabulary of \d+ and the model in .* one of 300 \[ERR_MISMATCH\]/,
    );
  });

  it('an unknown preset is corrected, and asking for two budgets or none refused', async () => {
    const with_ = (...extra: string[]) => [
      'pretrain',
      '--data',
      corpus,
      '--out',
      join(root, 'never'),
      ...extra,
    ];
    const typo = await athanor(...with_('--model', 'gtp2', '--steps', '1'));
    expect(typo.stderr).toMatch(/did you mean gpt2\?/);
    const none = await athanor(...with_('--model', 'tiny'));
    expect(none.stderr).toMatch(/exactly one of --steps, --tokens and --time/);
    // Neither left anything that would stand in the way of a corrected command.
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});
