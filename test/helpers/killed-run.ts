/**
 * Runs training commands as processes, undisturbed or killed with SIGKILL and resumed, and compares
 * them bit for bit. A command is the arguments of `athanor` without --out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CheckpointStore } from '../../src/checkpoint/store.ts';
import { type MetricRecord, readMetrics } from '../../src/report/metrics-log.ts';
import { cliPath, type Finished, runNode } from './cli.ts';
import { rng } from './reference.ts';

/** Runs the command to its end in `out`, and returns the milliseconds it took. */
export async function runWhole(command: readonly string[], out: string): Promise<number> {
  const startedAt = performance.now();
  expectSuccess(await runNode([cliPath, ...command, '--out', out]));
  return performance.now() - startedAt;
}

/**
 * Goes on with what is in `out`. `extra` may name what does not decide a run's course,
 * such as --threads.
 */
export async function resume(name: string, out: string, extra: readonly string[] = []): Promise<void> {
  expectSuccess(await runNode([cliPath, ...name.split(' '), '--out', out, '--resume', ...extra]));
}

/** The words of a command line before its options, such as `safety train`. */
export function nameOf(command: readonly string[]): string {
  const end = command.findIndex((word) => word.startsWith('-'));
  return command.slice(0, end).join(' ');
}

export interface KillOptions {
  /** Of a run that is left alone; kills come from a fifth of it on, whatever is being done then. */
  wholeMs: number;
  seed: number;
  /** Added whenever the run is resumed. */
  extra?: readonly string[];
}

/** Kills and resumes until the run has ended by itself. Returns how often it was killed. */
export async function runKilled(command: readonly string[], out: string, options: KillOptions) {
  const { seed, extra = [] } = options;
  const random = rng(seed);
  let kills = 0;
  // Longer when a busy machine does not get from one checkpoint to the next.
  let patience = options.wholeMs / 5;
  for (let attempt = 0; attempt < 60; ++attempt) {
    const before = newestStep(out);
    const begun = existsSync(join(out, 'run.json'));
    const args = begun
      ? [...nameOf(command).split(' '), '--out', out, '--resume', ...extra]
      : [...command, '--out', out];
    const finished = await runNode([cliPath, ...args], {
      started: (child) => {
        const delay = patience * (0.4 + 1.2 * random.uniform());
        setTimeout(() => child.kill('SIGKILL'), delay).unref();
      },
    });
    if (finished.signal !== 'SIGKILL') {
      expectSuccess(finished);
      return kills;
    }
    kills += 1;
    if (newestStep(out) === before) patience *= 1.3;
  }
  throw new Error(`${out} did not get to its end`);
}

/** Signals the run as soon as its metrics say so, `delay` milliseconds later. */
export function signalWhen(
  command: readonly string[],
  out: string,
  moment: (records: readonly MetricRecord[]) => boolean,
  { signal = 'SIGKILL' as NodeJS.Signals, delay = 0 } = {},
): Promise<Finished> {
  const log = join(out, 'metrics.jsonl');
  return runNode([cliPath, ...command, '--out', out], {
    started: (child) => {
      const watch = setInterval(() => {
        if (child.exitCode !== null) clearInterval(watch);
        if (!existsSync(log) || !moment(readMetrics(out).records)) return;
        clearInterval(watch);
        setTimeout(() => child.kill(signal), delay);
      }, 2);
    },
  });
}

export function expectSuccess({ code, stderr }: Finished): void {
  expect(stderr).not.toMatch(/error/);
  expect(code).toBe(0);
}

/** Step of the newest checkpoint. */
export function newestStep(out: string): number | undefined {
  return new CheckpointStore(out).latest()?.step;
}

/** What the run logged, without what depends on the clock. */
export function course(out: string): MetricRecord[] {
  const timed = /^seconds$|_seconds$|_per_second$|^share_of_/;
  return readMetrics(out).records.map(
    (record) =>
      Object.fromEntries(Object.entries(record).filter(([key]) => !timed.test(key))) as MetricRecord,
  );
}

/** The same model, optimizer state and metrics, to the last bit. */
export function expectSameRun(out: string, whole: string): void {
  const names = (folder: string) => readdirSync(folder).sort();
  expect(names(out)).toEqual(names(whole));
  const read = (folder: string, name: string) => readFileSync(join(folder, name));
  for (const name of names(whole).filter((file) =>
    /\.(safetensors|jinja)$|(config|tokenizer)\.json$/.test(file),
  )) {
    expect(read(out, name).equals(read(whole, name)), name).toBe(true);
  }
  const moments = (folder: string) =>
    readFileSync(join(new CheckpointStore(folder).latest()!.path, 'training.safetensors'));
  expect(moments(out).equals(moments(whole)), 'optimizer state').toBe(true);
  expect(course(out)).toEqual(course(whole));
}
