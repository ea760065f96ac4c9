/** Times the collectives between processes of this machine, beside MPI's own functions. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { freePort } from '../base/free-port.ts';
import { packageRoot } from '../base/package-root.ts';
import type { Communicator, Work } from '../comm/communicator.ts';
import { mpirunArguments } from '../comm/mpirun.ts';
import { type Tensor, zeros } from '../tensor/tensor.ts';

/** The fastest round of one collective. */
export interface CollectiveTiming {
  operation: string;
  /** Of the larger tensor. */
  bytes: number;
  /** Of one operation, on the slowest rank. */
  seconds: number;
}

const ROUNDS = 5;

/** Times each collective on f32 tensors of each size. All ranks call it with the same sizes. */
export async function timeCollectives(
  ranks: Communicator,
  sizes: readonly number[],
): Promise<CollectiveTiming[]> {
  const timings: CollectiveTiming[] = [];
  for (const wanted of sizes) {
    const part = Math.floor(wanted / 4 / ranks.size);
    const bytes = part * ranks.size * 4;
    const sizes = [part * ranks.size, part * (ranks.size - 1), part];
    const tensors = sizes.map((size) => zeros([size])) as [Tensor, Tensor, Tensor];
    const [whole, others, one] = tensors;
    const operations: Record<string, () => Work> = {
      allReduce: () => ranks.allReduce(whole),
      reduceScatter: () => ranks.reduceScatter(whole, one),
      allGather: () => ranks.allGather(one, whole),
      allToAll: () => ranks.allToAll(whole, others),
      broadcast: () => ranks.broadcast(whole, 0),
    };
    for (const [operation, start] of Object.entries(operations)) {
      const seconds = await fastestRound(ranks, start, bytes < 1 << 20 ? 200 : 10);
      timings.push({ operation, bytes, seconds });
    }
    for (const tensor of tensors) tensor.dispose();
  }
  return timings;
}

async function fastestRound(ranks: Communicator, start: () => Work, repeats: number): Promise<number> {
  await start().wait();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; ++round) {
    await ranks.barrier();
    const begin = performance.now();
    let last = start();
    for (let i = 1; i < repeats; ++i) last = start();
    await last.wait();
    const mine = (performance.now() - begin) / 1000 / repeats;
    const all = await ranks.gather([mine]);
    best = Math.min(best, ...[Math.max(...all.flat())]);
  }
  return best;
}

/**
 * The bytes that have to pass each rank's connection per byte of the tensor, so that figures of
 * different collectives and numbers of ranks compare with the speed of the connection.
 */
export function busFactor(operation: string, ranks: number): number {
  if (operation === 'broadcast') return 1;
  return ((ranks - 1) / ranks) * (operation === 'allReduce' ? 2 : 1);
}

/** Runs timeCollectives in `ranks` new processes. */
export async function timeProcesses(
  engine: 'mpi' | 'tcp',
  ranks: number,
  sizes: readonly number[],
): Promise<CollectiveTiming[]> {
  const worker = [join(packageRoot, 'dist/bench/comm-worker.js'), sizes.join(',')];
  return JSON.parse(await printedByRanks(engine, ranks, worker));
}

/** What a program of Node prints that runs as `ranks` new processes. */
export async function printedByRanks(
  engine: 'mpi' | 'tcp',
  ranks: number,
  worker: readonly string[],
): Promise<string> {
  if (engine === 'mpi') {
    return outputOf([start('mpirun', [...mpirunArguments(ranks), process.execPath, ...worker])]);
  }
  const port = String(await freePort());
  const place = (rank: number) => ({
    RANK: String(rank),
    WORLD_SIZE: String(ranks),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: port,
  });
  return outputOf(
    Array.from({ length: ranks }, (_, rank) => start(process.execPath, [...worker], place(rank))),
  );
}

/** Compiled once; run() gives the timings of MPI's own functions. */
export class MpiProgram {
  readonly #folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));

  /** Throws ERR_COMM_SETUP where there is no mpicc. */
  constructor() {
    const source = join(packageRoot, 'native/comm/mpi/bench.c');
    try {
      execFileSync('mpicc', ['-O2', source, '-o', this.#program], { stdio: 'pipe' });
    } catch (error) {
      this.dispose();
      throw new AthanorError(
        'ERR_COMM_SETUP',
        `the program of MPI alone cannot be compiled: ${(error as Error).message.split('\n')[0]}`,
        'install it with: apt-get install libopenmpi-dev openmpi-bin',
      );
    }
  }

  get #program(): string {
    return join(this.#folder, 'bench');
  }

  async run(ranks: number, sizes: readonly number[]): Promise<CollectiveTiming[]> {
    const args = [...mpirunArguments(ranks), this.#program, ...sizes.map(String)];
    const lines = (await outputOf([start('mpirun', args)])).trim().split('\n');
    return lines.map((line) => {
      const [operation, bytes, seconds] = line.split(' ');
      return { operation: operation!, bytes: Number(bytes), seconds: Number(seconds) };
    });
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function start(program: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What the processes print, when all have ended well. */
async function outputOf(processes: readonly ChildProcess[]): Promise<string> {
  const [text, problems] = [[] as string[], [] as string[]];
  const codes = await Promise.all(
    processes.map((child) => {
      child.stdout!.on('data', (chunk: Buffer) => text.push(String(chunk)));
      child.stderr!.on('data', (chunk: Buffer) => problems.push(String(chunk)));
      return new Promise<number | null>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', resolve);
      });
    }),
  );
  if (codes.every((code) => code === 0)) return text.join('');
  throw new AthanorError('ERR_COMM_SETUP', `the ranks failed:\n${problems.join('').trim()}`);
}
