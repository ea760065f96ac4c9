/** Runs stages on ranks that are processes, one after another in the same ones. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { runNode } from './cli.ts';
import { variables } from './rank-processes.ts';

export interface RankJob {
  name: string;
  /** A function of the package, with its settings; or `measure`, with `config` and `zero`. */
  command: string;
  settings: object;
  /** The step after which the run is asked to stop. */
  stopAt?: number;
  /** One of the faults of rank-jobs.mjs. */
  fault?: string;
}

/** What came of a job on one rank; `held` is what the main rank says of memory. */
export type JobFound =
  | { loss: number; held: string }
  | { code: string; message: string }
  | { most: number; moments: number };
/** By rank and job. */
export type RanksFound = Record<string, JobFound>[];

/**
 * Does all jobs on `count` ranks, on the device `TEST_DEVICE` of the environment if it is there.
 * Throws what the ranks wrote when one fails.
 */
export async function runJobsOnRanks(
  count: number,
  jobs: readonly RankJob[],
  env: Record<string, string> = {},
): Promise<RanksFound> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-rank-jobs-'));
  try {
    const list = join(folder, 'jobs.json');
    writeFileSync(list, JSON.stringify(jobs));
    const port = String(await freePort());
    const child = join(packageRoot, 'test/helpers/rank-jobs.mjs');
    const ranks = Array.from({ length: count }, (_, rank) =>
      runNode([child, list, folder], { env: { ...variables(rank, count, port), ...env } }),
    );
    const ended = await Promise.all(ranks);
    if (ended.some(({ code }) => code !== 0)) throw new Error(ended.map(({ stderr }) => stderr).join('\n'));
    return ended.map((_, rank) => JSON.parse(readFileSync(join(folder, `${rank}.json`), 'utf8')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
