/** Joins the ranks of a run, however its processes were started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { packageRoot } from '../base/package-root.ts';
import { native } from '../native/addon.ts';
import type { NativeNccl } from '../native/binding/comm.ts';
import type { Communicator } from './communicator.ts';
import { EngineCommunicator } from './engine-communicator.ts';
import { type Launch, readLaunch } from './launcher.ts';
import { selfCommunicator } from './self-communicator.ts';

/** The time limit of an operation, in seconds, where ATHANOR_COMM_TIMEOUT is not set. */
export const defaultCommTimeout = 600;

/** How this process joins the others. */
export interface JoinOptions {
  /** Default: what the environment says (readLaunch). */
  launch?: Launch | undefined;
  /** Where the tensors are. Default: the current device. */
  device?: 'cpu' | 'cuda';
  /**
   * Whether NCCL's sums are in rank order, so that their bits are those of the CPU. Without it they
   * are faster, and their bits depend on the version of NCCL and on the machine. Default: true
   */
  exact?: boolean;
  /** Time limit of one operation, in seconds. Default: ATHANOR_COMM_TIMEOUT, or 600. */
  timeLimit?: number;
  /** How long processes may start after each other, in seconds. Default: `timeLimit`. */
  connectLimit?: number;
}

/**
 * The communicator of this process: that of the launcher's ranks, or selfCommunicator for a process
 * that was started alone. Call close() when the run is over. Throws ERR_COMM_SETUP when the
 * processes cannot meet and ERR_COMM_TIMEOUT when some do not come.
 */
export async function joinRanks(options: JoinOptions = {}): Promise<Communicator> {
  const launch = 'launch' in options ? options.launch : readLaunch();
  const timeLimit = options.timeLimit ?? timeLimitOf(process.env.ATHANOR_COMM_TIMEOUT);
  if (!launch || launch.size === 1) return selfCommunicator;
  const { rank, size, localRank, transport } = launch;
  // Read when CUDA starts: each rank of a machine takes a GPU of its own.
  process.env.ATHANOR_CUDA_DEVICE ??= String(localRank);
  // A prebuilt engine has no MPI module beside it, but `athanor build` may have made one.
  const built = join(packageRoot, 'build/cmake/Release/athanor_mpi.so');
  if (transport.kind === 'mpi' && existsSync(built)) process.env.ATHANOR_MPI ??= built;
  const address = transport.kind === 'tcp' ? transport : { host: '', port: 0 };
  const engine = new native.NativeCommunicator({
    engine: transport.kind,
    rank,
    size,
    host: address.host,
    port: address.port,
    timeLimit,
    connectLimit: options.connectLimit ?? timeLimit,
  });
  await engine.connect();
  const ranks = new EngineCommunicator(engine);
  if ((options.device ?? native.device()) === 'cpu') return ranks;
  return new EngineCommunicator(engine, await joinGpus(ranks, options.exact ?? true));
}

/** Every rank tells the others whether it can use NCCL before any waits for them. */
async function joinGpus(ranks: Communicator, exact: boolean): Promise<NativeNccl> {
  let mine = '';
  try {
    mine = Buffer.from(native.ncclUniqueId()).toString('base64');
  } catch (error) {
    await ranks.gatherText('', 'the id of NCCL');
    throw error;
  }
  const ids = await ranks.gatherText(mine, 'the id of NCCL');
  const without = ids.indexOf('');
  if (without >= 0) {
    throw new AthanorError(
      'ERR_COMM_SETUP',
      `rank ${without} cannot use NCCL`,
      'look at the last lines of that rank',
    );
  }
  return new native.NativeNccl(Buffer.from(ids[0]!, 'base64'), ranks.rank, ranks.size, exact);
}

function timeLimitOf(text: string | undefined): number {
  if (!text) return defaultCommTimeout;
  const seconds = Number(text);
  if (seconds > 0 && seconds < 1e9) return seconds;
  throw new AthanorError(
    'ERR_COMM_SETUP',
    `ATHANOR_COMM_TIMEOUT is '${text}'`,
    'set it to a number of seconds above 0, or unset it',
  );
}
