/**
 * How this process was started, out of the environment variables of launchers: mpirun of Open MPI
 * and MPICH, srun of Slurm, and those that torchrun and the like set.
 */
import { AthanorError } from '../base/errors.ts';
import type { Ranks } from './communicator.ts';

/** Where a launcher put this process. */
export interface Launch extends Ranks {
  /** Number of this process among those on its machine, and how many those are. */
  localRank: number;
  localSize: number | undefined;
  /** How the ranks meet. */
  transport: { kind: 'mpi' } | { kind: 'tcp'; host: string; port: number };
  /** For people: "mpirun" */
  launcher: string;
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Names {
  launcher: string;
  rank: string;
  size: string;
  localRank: string;
  localSize?: string;
  mpi: boolean;
}

/** In this order: a launcher inside of another one is the nearer one, and its variables count. */
const launchers: readonly Names[] = [
  {
    launcher: 'mpirun of Open MPI',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
    mpi: true,
  },
  {
    launcher: 'mpirun of MPICH',
    rank: 'PMI_RANK',
    size: 'PMI_SIZE',
    localRank: 'MPI_LOCALRANKID',
    localSize: 'MPI_LOCALNRANKS',
    mpi: true,
  },
  {
    launcher: 'the variables RANK and WORLD_SIZE',
    rank: 'RANK',
    size: 'WORLD_SIZE',
    localRank: 'LOCAL_RANK',
    localSize: 'LOCAL_WORLD_SIZE',
    mpi: false,
  },
  {
    launcher: 'srun',
    rank: 'SLURM_PROCID',
    size: 'SLURM_STEP_NUM_TASKS',
    localRank: 'SLURM_LOCALID',
    mpi: false,
  },
];

/**
 * The place of this process among those of its launcher, and how they meet; undefined for a process
 * that was started alone. Throws ERR_COMM_SETUP for variables that are missing or contradict each
 * other.
 */
export function readLaunch(environment: Environment = process.env): Launch | undefined {
  const names = namesIn(environment);
  if (!names) return undefined;
  const { rank, size } = ranksIn(environment, names);
  const localRank = environment[names.localRank] ? integer(environment, names.localRank, names, 0) : rank;
  const local = names.localSize && environment[names.localSize];
  const place = {
    rank,
    size,
    localRank,
    localSize: local ? integer(environment, names.localSize!, names, 1) : undefined,
    launcher: names.launcher,
  };
  if (size === 1) return { ...place, transport: { kind: 'mpi' } };
  return { ...place, transport: transport(environment, names) };
}

/**
 * The place of this process, for work that shares nothing but a folder; rank 0 of 1 for a process
 * that was started alone. Throws as readLaunch.
 */
export function readRanks(environment: Environment = process.env): Ranks {
  const names = namesIn(environment);
  return names ? ranksIn(environment, names) : { rank: 0, size: 1 };
}

function namesIn(environment: Environment): Names | undefined {
  const names = launchers.find(({ rank, size }) => environment[rank] || environment[size]);
  return names?.launcher === 'srun' && !isStep(environment) ? undefined : names;
}

function ranksIn(environment: Environment, names: Names): Ranks {
  const size = integer(environment, names.size, names, 1);
  const rank = integer(environment, names.rank, names, 0);
  if (rank >= size) {
    throw setup(
      `${names.rank} is ${rank} but ${names.size} is ${size}`,
      `number the processes from 0 to ${size - 1}`,
    );
  }
  contradiction(environment, names, rank, size);
  return { rank, size };
}

/**
 * Slurm sets its variables in the batch script too, which is one process and not a step of many.
 */
function isStep(environment: Environment): boolean {
  return Number(environment.SLURM_STEP_NUM_TASKS) > 1;
}

/** ATHANOR_COMM says otherwise; with MASTER_ADDR a launcher of MPI can also be used over TCP. */
function transport(environment: Environment, names: Names): Launch['transport'] {
  const chosen = environment.ATHANOR_COMM;
  if (chosen && chosen !== 'mpi' && chosen !== 'tcp') {
    throw setup(`ATHANOR_COMM is '${chosen}'`, 'set it to mpi or tcp, or unset it');
  }
  if (chosen === 'mpi' || (names.mpi && chosen !== 'tcp')) return { kind: 'mpi' };
  const host = environment.MASTER_ADDR;
  if (!host) {
    throw setup(
      `${names.size} is ${environment[names.size]} but MASTER_ADDR is not set`,
      'set MASTER_ADDR to the machine of rank 0, and MASTER_PORT to a free port of it',
    );
  }
  if (!environment.MASTER_PORT) {
    throw setup(
      'MASTER_ADDR is set but MASTER_PORT is not',
      'set MASTER_PORT to a free port of that machine',
    );
  }
  const port = integer(environment, 'MASTER_PORT', names, 1);
  if (port > 65_535) throw setup(`MASTER_PORT is ${port}`, 'set it to a port from 1 to 65535');
  return { kind: 'tcp', host, port };
}

/** Another launcher's variables may be there too, as under a mpirun that Slurm started. */
function contradiction(environment: Environment, names: Names, rank: number, size: number): void {
  if (!names.mpi || environment.RANK === undefined || environment.WORLD_SIZE === undefined) return;
  if (Number(environment.RANK) === rank && Number(environment.WORLD_SIZE) === size) return;
  throw setup(
    `${names.launcher} made this rank ${rank} of ${size} but RANK and WORLD_SIZE say ` +
      `${environment.RANK} of ${environment.WORLD_SIZE}`,
    'unset RANK and WORLD_SIZE, or start the processes without mpirun',
  );
}

function integer(environment: Environment, name: string, { launcher }: Names, least: number): number {
  const text = environment[name];
  if (text === undefined || text === '') {
    throw setup(`${name} is not set although this process was started by ${launcher}`, `set ${name}`);
  }
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value < 2 ** 31) return value;
  throw setup(`${name} is '${text}'`, `set it to a whole number from ${least}`);
}

function setup(message: string, remedy: string): AthanorError {
  return new AthanorError('ERR_COMM_SETUP', message, remedy);
}
