/** The ranks of one attempt: a process each on this machine, which end together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolders } from '../base/files/make-folders.ts';
import { freePort } from '../base/free-port.ts';
import { LAUNCHED, parseReport, type RankReport } from './launched.ts';

export interface LocalRanksOptions {
  /** Program and arguments of each process. */
  program: readonly string[];
  ranks: number;
  /** Folder of the logs of all ranks but the first. */
  logDir: string;
  /** Passed on to all ranks. */
  onSignal: (listener: (signal: NodeJS.Signals) => void) => void;
  /** Called with each process as it starts. */
  onStart?: ((rank: number, child: ChildProcess) => void) | undefined;
}

/** How a rank ended. */
export interface RankEnd {
  rank: number;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Whether it was killed here, because another rank had failed. */
  wasStopped: boolean;
  /** What it said of its failure, if anything. */
  report: RankReport | undefined;
}

/** The others may end by themselves, with an error of their own, before they are killed. */
const GRACE_MS = 1500;

/** The report of a rank that has ended is there at once, unless a child of it holds the pipe. */
const REPORT_MS = 500;

/** Variables of other launchers, which a rank must not take for its own. */
const foreign = /^(OMPI_|PMI_|PMIX_|MPI_LOCAL|SLURM_(PROCID|STEP_NUM_TASKS|LOCALID)$)/;

/**
 * Starts the ranks and waits until all have ended. When one fails, the others are stopped within
 * seconds. Returns the ends in the order in which they came.
 */
export async function runLocalRanks(options: LocalRanksOptions): Promise<RankEnd[]> {
  makeFolders(options.logDir);
  const port = await freePort();
  const children = Array.from({ length: options.ranks }, (_, rank) => start(rank, port, options));
  options.onSignal((signal) => {
    for (const child of children) if (isAlive(child)) child.kill(signal);
  });
  const ends: RankEnd[] = [];
  const stopped = new Set<number>();
  let isFailing = false;
  const stopOthers = async () => {
    if (isFailing) return;
    isFailing = true;
    await delay(GRACE_MS);
    for (const [rank, child] of children.entries()) {
      if (!isAlive(child)) continue;
      stopped.add(rank);
      child.kill('SIGKILL');
    }
  };
  await Promise.all(
    children.map(async (child, rank) => {
      const end = { ...(await endOf(child, rank)), wasStopped: stopped.has(rank) };
      ends.push(end);
      if (end.code !== 0) await stopOthers();
    }),
  );
  return ends;
}

function isAlive({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** The file with the output of a rank. */
export function logOf(logDir: string, rank: number): string {
  return join(logDir, `rank-${rank}.log`);
}

function start(rank: number, port: number, options: LocalRanksOptions): ChildProcess {
  const { program, ranks, logDir, onStart } = options;
  const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    ...{ RANK: `${rank}`, WORLD_SIZE: `${ranks}`, LOCAL_RANK: `${rank}`, LOCAL_WORLD_SIZE: `${ranks}` },
    ...{ MASTER_ADDR: '127.0.0.1', MASTER_PORT: `${port}`, [LAUNCHED]: '1' },
  };
  const log = rank === 0 ? undefined : openSync(logOf(logDir, rank), 'w');
  const output = log ?? 'inherit';
  try {
    // In a process group of its own: a Ctrl-C of the terminal reaches a rank once, through here.
    const [command, ...args] = program as [string, ...string[]];
    const child = spawn(command, args, { env, stdio: ['pipe', output, output, 'pipe'], detached: true });
    // A rank that has ended does not read what its launcher has to say.
    child.stdin?.on('error', () => {});
    onStart?.(rank, child);
    return child;
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

async function endOf(child: ChildProcess, rank: number): Promise<Omit<RankEnd, 'wasStopped'>> {
  const text = textOf(child.stdio[3] as Readable | null);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('error', () => resolve([1, null]));
    child.on('exit', (...how) => resolve(how));
  });
  const report = parseReport(await Promise.race([text, delay(REPORT_MS, '', { ref: false })]));
  return { rank, code, signal, report };
}

/** All that a stream gives, or nothing when it breaks. */
function textOf(stream: Readable | null): Promise<string> {
  if (!stream) return Promise.resolve('');
  let text = '';
  return new Promise((resolve) => {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    stream.on('error', () => resolve('')).on('end', () => resolve(text));
  });
}
