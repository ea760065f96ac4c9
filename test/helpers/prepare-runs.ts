/** Runs of prepareData in processes of their own, and what they leave. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/package-root.ts';

export const prepareProgram = join(packageRoot, 'test/helpers/prepare-process.mjs');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

/**
 * @param death the phase, and the number of its report, at which the process kills itself
 * @param input standard input; nothing when missing
 */
export function startPrepare(
  given: object,
  death?: { phase: string; report: number },
  input?: string | Buffer,
): { child: ChildProcess; ended: Promise<Ended> } {
  const args = [prepareProgram, JSON.stringify(given), ...(death ? [JSON.stringify(death)] : [])];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // The process may end before it has read everything.
  child.stdin.on('error', () => {}).end(input);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, output })),
  );
  return { child, ended };
}

/** SHA-256 of each file of a folder, by path. */
export function digestsBelow(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), sha256(path)]));
}
