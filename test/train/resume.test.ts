/** A run that is killed again and again, and resumed, ends with the same bits as one left alone. Real processes, SIGKILL. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../src/checkpoint/store.ts';
import { type MetricRecord, readMetrics } from '../../src/report/metrics-log.ts';
import { rng } from '../helpers/reference.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const STEPS = 150;
let root: string;
let corpus: string;
let whole: string;
let wholeMs: number;

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** Runs the command; `interrupt` gets the process and may end it. */
function athanor(args: string[], interrupt?: (pid: number) => void): Promise<Exit> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (piece: Buffer) => {
      stderr += piece.toString();
    });
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    interrupt?.(child.pid!);
  });
}

const settings = (out: string) => [
  ...[
    'pretrain',
    '--data',
    corpus,
    '--model',
    'tiny',
    '--out',
    out,
    '--steps',
    String(STEPS),
    '--batch-size',
    '4',
  ],
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
    '--warmup',
    '5',
    '--keep',
    '3',
    '--grad-accum',
    '2',
    '--dtype',
    'bf16',
    '--threads',
    '2',
    '--eval-tokens',
    '2k',
  ],
];

/** What must not depend on the clock. */
function course(out: string): MetricRecord[] {
  const timings = new Set(['seconds', 'tokens_per_second', 'flops_per_second']);
  return readMetrics(out).records.map(
    (record) =>
      Object.fromEntries(Object.entries(record).filter(([key]) => !timings.has(key))) as MetricRecord,
  );
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-resume-'));
  corpus = join(root, 'corpus.jsonl');
  const files = ['typescript', 'vitest', 'commander', 'yaml', 'cmake-js', 'node-gyp'].map((name) =>
    join(import.meta.dirname, '..', '..', 'node_modules', name, 'README.md'),
  );
  const documents = files.filter(existsSync).flatMap((file) => readFileSync(file, 'utf8').split(/\n(?=#)/));
  writeFileSync(corpus, documents.map((text) => JSON.stringify({ text })).join('\n'));
  whole = join(root, 'whole');
  const startedAt = performance.now();
  const { code, stderr } = await athanor(settings(whole));
  wholeMs = performance.now() - startedAt;
  expect(stderr).not.toMatch(/error/);
  expect(code).toBe(0);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function expectSameRun(out: string): void {
  for (const file of ['model.safetensors', 'config.json', 'tokenizer.json']) {
    expect(readFileSync(join(out, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
  }
  const last = (folder: string) => new CheckpointStore(folder).latest()!.path;
  const moments = (folder: string) => readFileSync(join(last(folder), 'training.safetensors'));
  expect(moments(out).equals(moments(whole)), 'optimizer state').toBe(true);
  expect(course(out)).toEqual(course(whole));
}

describe('killed and resumed', () => {
  it.each([1, 2])('at random moments, it ends with the same bits (%i)', async (seed) => {
    const out = join(root, `killed-${seed}`);
    const random = rng(seed);
    let kills = 0;
    // From within start-up to some way into training, whatever is being done then; longer when a busy machine does not
    // get from one checkpoint to the next.
    let patience = wholeMs / 5;
    for (let attempt = 0; attempt < 60; ++attempt) {
      const before = new CheckpointStore(out).latest()?.step;
      const args = existsSync(join(out, 'run.json'))
        ? ['pretrain', '--out', out, '--resume', '--threads', '1']
        : settings(out);
      const { code, signal, stderr } = await athanor(args, (pid) => {
        const timer = setTimeout(
          () => {
            try {
              process.kill(pid, 'SIGKILL');
            } catch {
              // It was done first.
            }
          },
          patience * (0.4 + 1.2 * random.uniform()),
        );
        timer.unref();
      });
      if (signal === 'SIGKILL') {
        kills += 1;
        if (new CheckpointStore(out).latest()?.step === before) patience *= 1.3;
      } else {
        expect(stderr).not.toMatch(/error/);
        expect(code).toBe(0);
        break;
      }
    }
    expect(kills).toBeGreaterThan(1);
    expectSameRun(out);
  });

  it('after SIGTERM, which finishes the step, saves and exits with success', async () => {
    const out = join(root, 'asked');
    const first = await athanor(settings(out), (pid) => {
      const watch = setInterval(() => {
        const started =
          existsSync(join(out, 'metrics.jsonl')) && readFileSync(join(out, 'metrics.jsonl'), 'utf8') !== '';
        if (!started) return;
        clearInterval(watch);
        process.kill(pid, 'SIGTERM');
      }, 5);
    });
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/SIGTERM: finishing the step, then saving/);
    const saved = new CheckpointStore(out).latest()!.step;
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(STEPS);
    expect((await athanor(['pretrain', '--out', out, '--resume'])).code).toBe(0);
    expectSameRun(out);
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
    const { code, stderr } = await athanor(['pretrain', '--out', whole, '--resume']);
    writeFileSync(weights, bytes);
    expect(code).toBe(1);
    expect(stderr).toMatch(/training\.safetensors.*\[ERR_FILE_DAMAGED\]/);
    expect(stderr).toMatch(/the last good one is .*step-0000/);
  });

  it('a folder that holds a run is not overwritten, and none is not resumed', async () => {
    const before = readdirSync(whole);
    expect((await athanor(settings(whole))).stderr).toMatch(/already holds a run .*\n.*--resume/);
    expect(readdirSync(whole)).toEqual(before);
    const absent = join(root, 'absent');
    expect((await athanor(['pretrain', '--out', absent, '--resume'])).stderr).toMatch(
      /holds no run to resume/,
    );
    expect(existsSync(absent)).toBe(false);
  });

  it('a model with another vocabulary than the data is refused before training', async () => {
    const out = join(root, 'mismatch');
    const args = settings(out)
      .map((arg) => (arg === 'tiny' ? whole : arg))
      .map((arg) => (arg === '300' ? '700' : arg));
    const { code, stderr } = await athanor(args);
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
    const typo = await athanor(with_('--model', 'gtp2', '--steps', '1'));
    expect(typo.stderr).toMatch(/did you mean gpt2\?/);
    const none = await athanor(with_('--model', 'tiny'));
    expect(none.stderr).toMatch(/exactly one of --steps, --tokens and --time/);
    // Neither left anything that would stand in the way of a corrected command.
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});
