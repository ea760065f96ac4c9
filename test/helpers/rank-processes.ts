/** Runs a program as several processes that join each other, by mpirun or by variables. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '../../src/base/free-port.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { addonPath } from './addon.ts';
import { temporaryFolder } from './cli.ts';

export type Launcher = 'mpirun' | 'variables';

/** Why there can be no ranks over MPI here; undefined where there can. */
export const noMpi: string | undefined = (() => {
  if (spawnSync('mpirun', ['--version']).status !== 0) return 'mpirun is not installed';
  const module = join(dirname(addonPath()), 'athanor_mpi.so');
  return existsSync(module) ? undefined : 'this build of the engine has no MPI module';
})();

export interface RankRun {
  /** Exit codes: one per process, or that of mpirun alone. */
  readonly codes: (number | null)[];
  readonly output: string;
  /** What each rank wrote, by rank; undefined where it wrote nothing. */
  readonly found: (Record<string, unknown> | undefined)[];
  readonly folder: string;
}

const child = join(packageRoot, 'test/comm/rank-child.mjs');

/** Where the processes of `variables` run: each behind the words of `before`, rank 0 at `host`. */
export interface Machines {
  host: string;
  before: (rank: number) => readonly string[];
}
const thisMachine: Machines = { host: '127.0.0.1', before: () => [] };

/** Runs SCENARIO of test/comm/rank-child.mjs. */
export async function runRanks(
  launcher: Launcher,
  count: number,
  scenario: string,
  env: Record<string, string> = {},
  { host, before }: Machines = thisMachine,
): Promise<RankRun> {
  const folder = temporaryFolder();
  const args = [child, scenario, folder];
  const codes: (number | null)[] = [];
  let output = '';
  const port = String(await freePort());
  const started =
    launcher === 'mpirun'
      ? [startMpi(count, args, env)]
      : Array.from({ length: count }, (_, rank) => {
          const [program, ...words] = [...before(rank), process.execPath, ...args];
          return start(program!, words, { ...variables(rank, count, port, host), ...env });
        });
  await Promise.all(
    started.map(async (process, i) => {
      for (const stream of [process.stdout!, process.stderr!]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk;
        });
      }
      codes[i] = await new Promise((resolve) => process.on('close', resolve));
    }),
  );
  const found = Array.from({ length: count }, (_, rank) => {
    const path = join(folder, `${rank}.json`);
    if (!existsSync(path)) return undefined;
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  });
  return { codes, output, found, folder };
}

export function variables(rank: number, count: number, port: string, host = '127.0.0.1') {
  return { RANK: String(rank), WORLD_SIZE: String(count), MASTER_ADDR: host, MASTER_PORT: port };
}

function startMpi(count: number, args: readonly string[], env: Record<string, string>): ChildProcess {
  const allowed = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const options = ['--oversubscribe', '--bind-to', 'none', '-n', String(count)];
  return start('mpirun', [...options, process.execPath, ...args], { ...allowed, ...env });
}

function start(program: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}
