/** Small pretraining runs on several ranks of this machine, over TCP and over MPI. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMetrics } from '../../src/report/metrics-log.ts';
import { athanor, cliPath, runNode } from './cli.ts';
import { mpirun } from './mpirun.ts';
import { leftIn } from './run-files.ts';

/** Steps of each run; a checkpoint is written every fourth. */
export const STEPS = 40;

export interface Ended {
  code: number | null;
  /** What was written to stderr, or by mpirun to both streams. */
  output: string;
}

export interface WayOptions {
  env?: Record<string, string>;
  /** Gets the id of the launcher's process when it has started. */
  started?: (pid: number) => void;
  /** Options of `athanor launch`. */
  launch?: readonly string[];
}

/** Runs a command line as so many ranks. */
export type Way = (size: number, args: readonly string[], options?: WayOptions) => Promise<Ended>;

export const ways: Record<'TCP' | 'mpirun', Way> = {
  TCP: async (size, args, { env = {}, started, launch = [] } = {}) => {
    const words = [cliPath, 'launch', '-n', String(size), ...launch, '--', ...args];
    const { code, stderr } = await runNode(words, { env, started: ({ pid }) => started?.(pid!) });
    return { code, output: stderr };
  },
  mpirun: (size, args, { env = {}, started } = {}) =>
    mpirun(size, args, { env, started: ({ pid }) => started?.(pid!) }),
};

/** Makes the data of runs. Returns the command line of a run, which goes on if it can. */
export async function launchedRuns(root: string) {
  const [corpus, data] = [join(root, 'corpus.txt'), join(root, 'data')];
  const lines = Array.from({ length: 300 }, (_, i) => `Line ${i}: cat ${(i * 7) % 13} sat on ${i % 17}.`);
  writeFileSync(corpus, lines.join('\n'));
  await athanor('data', 'prepare', corpus, '--out', data, '--vocab-size', '300');
  return (out: string, ...more: string[]) => [
    ...['pretrain', '--data', data, '--model', 'tiny', '--context', '32', '--batch-size', '2'],
    ...['--grad-accum', '4', '--steps', String(STEPS), '--save-every', '4', '--dtype', 'f32'],
    ...['--schedule', 'constant', '--out', out, ...more],
    ...(existsSync(join(out, 'run.json')) ? ['--resume'] : []),
  ];
}

/** What must be equal whatever happened to a run. */
export function bitsOf(out: string) {
  const { model, moments } = leftIn(out);
  const losses = readMetrics(out).records.flatMap(({ loss, step, event }) => (event ? [] : [[step, loss]]));
  return { model, moments, losses };
}

/** The process of a rank among the children of its launcher; undefined once it has ended. */
export function processOf(launcher: number, rank: number): number | undefined {
  const names = ['OMPI_COMM_WORLD_RANK', 'RANK'];
  try {
    const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, 'utf8').split(' ');
    return children
      .filter(Boolean)
      .map(Number)
      .find((pid) => {
        const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return names.some((name) => variables.includes(`${name}=${rank}`));
      });
  } catch {
    return undefined;
  }
}
