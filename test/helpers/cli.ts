/** Runs the built command line as a user does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

export const cliPath = join(packageRoot, 'dist/cli/main.js');

export interface Finished {
  readonly code: number | null;
  /** What ended it, if it did not end itself. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  /** Gets the process when it has started, and may end it. */
  started?: (child: ChildProcess) => void;
}

/** Runs a Node program to its end. */
export function runNode(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const env = { ...process.env, ...options.env };
  const child = spawn(process.execPath, args, { cwd: options.cwd ?? packageRoot, env });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end(options.input ?? '');
  options.started?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** `athanor ARGS`. */
export function athanor(...args: string[]): Promise<Finished> {
  return runNode([cliPath, ...args]);
}

/** The object that --json prints as the last line of stdout. */
export function lastLineJson(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
}

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A folder for all tests of a file, to be made outside of them; it is gone when the
 * last has finished.
 */
export function suiteFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-suite-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
