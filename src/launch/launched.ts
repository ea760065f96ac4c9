/** What a rank does when it was started by `athanor launch`. */
import { fstatSync, writeSync } from 'node:fs';
import { AthanorError } from '../base/errors.ts';

/** Set in the environment of such a rank. */
export const LAUNCHED = 'ATHANOR_LAUNCHED';

/**
 * Ends this process when its launcher is gone, which closes standard input: a rank alone would wait
 * for the others and hold the folder of the run.
 */
export function endWithLauncher(): void {
  if (!process.env[LAUNCHED]) return;
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
  process.stdin.resume();
  // Listening must not keep a process alive that is done.
  process.stdin.unref();
}

/** The file descriptor on which a rank tells its launcher why it fails. */
const REPORT = 3;

/** Why a rank failed, as it says itself. */
export interface RankReport {
  /** True where the error is about another rank, so that the cause is to be looked for there. */
  isAboutOther: boolean;
  /** The message of the error. */
  message: string;
}

/** Tells the launcher, if there is one, of the error that ends this process. */
export function reportError(error: unknown): void {
  if (!process.env[LAUNCHED]) return;
  const message = error instanceof Error ? error.message : String(error);
  const report: RankReport = { isAboutOther: isAboutOther(error), message };
  try {
    // A program that the rank has started inherits the variable, and has something else there.
    if (fstatSync(REPORT).isSocket()) writeSync(REPORT, JSON.stringify(report));
  } catch {
    // The launcher is gone, and nobody asks for the cause.
  }
}

/** What a rank wrote to its launcher; undefined where that is no report. */
export function parseReport(text: string): RankReport | undefined {
  try {
    const { isAboutOther, message } = JSON.parse(text) as Record<string, unknown>;
    return { isAboutOther: isAboutOther === true, message: String(message) };
  } catch {
    return undefined;
  }
}

function isAboutOther(error: unknown): boolean {
  const codes = ['ERR_COMM_LOST', 'ERR_RANK_FAILED'];
  return error instanceof AthanorError && codes.includes(error.code);
}
