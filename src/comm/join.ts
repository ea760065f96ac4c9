/** Joins the ranks of a run, however its processes were started. */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
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
  /** Time limit of one operation, in seconds. Default: ATHANOR_COMM_TIMEOUT, or 600. */
  timeLimit?: number;
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
  const { rank, size, transport } = launch;
  const address = transport.kind === 'tcp' ? transport : { host: '', port: 0 };
  const engine = new native.NativeCommunicator({
    engine: transport.kind,
    rank,
    size,
    host: address.host,
    port: address.port,
    timeLimit,
  });
  await engine.connect();
  return new EngineCommunicator(engine);
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
