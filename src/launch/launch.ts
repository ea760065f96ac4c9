/**
 * Starts a command as several ranks on this machine. When a rank dies, the others are stopped, and
 * the run may go on from its last checkpoint by itself.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, type ErrorCode } from '../base/errors.ts';
import { FolderLock } from '../native/folder-lock.ts';
import { causeOf, isDeath } from './cause.ts';
import { logOf, type RankEnd, runLocalRanks } from './local-ranks.ts';

/** How a command is started as several ranks. */
export interface LaunchOptions {
  /** Program that runs a command of athanor: Node and the file of the command line. */
  program: readonly string[];
  /** The command and its options. */
  command: readonly string[];
  /** Number of processes. */
  ranks: number;
  /** How often a run that failed is started again. */
  maxRestarts: number;
  /** Whether a new start does without the ranks that died. */
  elastic: boolean;
  /** Folder of the logs of all ranks but the first. */
  logDir: string;
  /** The folder of the run, if the command names one. */
  out: string | undefined;
  onNote: (text: string) => void;
  /** Registers a listener for signals to this process. */
  onSignal: (listener: (signal: NodeJS.Signals) => void) => void;
  /** Called with each process as it starts. */
  onStart?: (rank: number, child: ChildProcess) => void;
}

/** What a launch came to. */
export interface LaunchResult {
  ranks: number;
  restarts: number;
}

/** Exit codes of wrong usage and of Ctrl-C, after which starting again would not help. */
const finalCodes: Readonly<Record<number, ErrorCode>> = { 2: 'ERR_OPTION', 130: 'ERR_INTERRUPTED' };

/**
 * Runs the command as ranks until all end well. Throws ERR_STATE with the rank that failed, and
 * with its last lines, when no restart is left, or where another launch writes to `logDir`;
 * ERR_OPTION for a wrong command line, and ERR_INTERRUPTED after a second Ctrl-C.
 */
export async function launch(options: LaunchOptions): Promise<LaunchResult> {
  // Another launch must not write to the logs of ranks that live.
  using _ = FolderLock.take(options.logDir);
  let { ranks } = options;
  let isStopping = false;
  let forward: (signal: NodeJS.Signals) => void = () => {};
  options.onSignal((signal) => {
    isStopping = true;
    forward(signal);
  });
  for (let restarts = 0; ; ++restarts) {
    const startedAt = performance.now();
    const ends = await runLocalRanks({
      ...options,
      ranks,
      program: [...options.program, ...resuming(options, restarts)],
      onSignal: (listener) => {
        forward = listener;
      },
    });
    const cause = causeOf(ends);
    if (!cause) return { ranks, restarts };
    const failure = failureOf(cause, options.logDir);
    const isFinal = isStopping || (cause.code ?? 0) in finalCodes || restarts === options.maxRestarts;
    if (isFinal) {
      removeIdleLogs(options.logDir, ends);
      throw failedLaunch(failure, cause, options, ranks);
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    const before = ranks;
    if (options.elastic) ranks = Math.max(1, ranks - ends.filter(isDeath).length);
    const fewer = ranks < before ? ` on ${ranks} of ${before} ranks` : '';
    options.onNote(`after ${seconds} s ${failure}`);
    options.onNote(`start ${restarts + 1} of at most ${options.maxRestarts} again${fewer}`);
  }
}

/** The command, which continues the run where one has begun. */
function resuming({ command, out }: LaunchOptions, restarts: number): readonly string[] {
  const isResumable = restarts > 0 && out !== undefined && existsSync(join(out, 'run.json'));
  return isResumable && !command.includes('--resume') ? [...command, '--resume'] : command;
}

function failureOf({ rank, code, signal }: RankEnd, logDir: string): string {
  const why = signal === 'SIGKILL' ? ', which the system sends when memory runs out' : '';
  const how = signal ? `was ended by ${signal}${why}` : `ended with exit code ${code}`;
  const lines = rank === 0 ? '' : lastLines(logDir, rank);
  return `rank ${rank} ${how}${lines && `; its last lines, in ${logOf(logDir, rank)}:\n${indented(lines)}`}`;
}

/** Logs that are empty, or hold what every rank says of a wrong command line. */
function removeIdleLogs(logDir: string, ends: readonly RankEnd[]): void {
  for (const { rank, code } of ends) {
    const log = logOf(logDir, rank);
    const size = statSync(log, { throwIfNoEntry: false })?.size;
    if (size === 0 || (size !== undefined && code === 2)) rmSync(log);
  }
}

const SHOWN_LINES = 10;

function lastLines(logDir: string, rank: number): string {
  if (rank === 0 || !existsSync(logOf(logDir, rank))) return '';
  const text = readFileSync(logOf(logDir, rank), 'utf8').trimEnd();
  return text.split('\n').slice(-SHOWN_LINES).join('\n');
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}

function failedLaunch(failure: string, cause: RankEnd, { out, logDir }: LaunchOptions, ranks: number) {
  const { code, report } = cause;
  const isRun = out !== undefined && existsSync(join(out, 'run.json')) && code !== 2;
  // An error that the rank itself had comes again. A lost rank or a death need not.
  const first = report && !report.isAboutOther ? 'when that is put right, ' : '';
  const logs = [...Array(ranks).keys()].some((rank) => rank > 0 && existsSync(logOf(logDir, rank)));
  const place = logs ? `the logs of the other ranks are in ${logDir}` : 'the message above says why';
  const remedy = isRun ? `${first}continue the run with the same command and --resume; ${place}` : place;
  const others = ranks > 1 ? 'the other ranks were stopped: ' : '';
  return new AthanorError(finalCodes[code ?? 0] ?? 'ERR_STATE', `${others}${failure}`, remedy);
}
