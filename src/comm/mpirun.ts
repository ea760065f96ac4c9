/** How mpirun is called. */
import { cpus } from 'node:os';
import { AthanorError } from '../base/errors.ts';

/**
 * The options of mpirun before the program. Ranks are not bound to cores, because Open MPI binds
 * two ranks to one core each, whatever their threads. More ranks than cores are allowed. Throws
 * ERR_COMM_SETUP for root, whom mpirun refuses unless two variables are set.
 */
export function mpirunArguments(
  ranks: number,
  { env = process.env, isRoot = process.getuid?.() === 0, cores = cpus().length } = {},
): string[] {
  const allowed = env.OMPI_ALLOW_RUN_AS_ROOT === '1' && env.OMPI_ALLOW_RUN_AS_ROOT_CONFIRM === '1';
  if (isRoot && !allowed) {
    throw new AthanorError(
      'ERR_COMM_SETUP',
      'mpirun does not run as root',
      'use another user, or in a container set OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1',
    );
  }
  return ['--bind-to', 'none', ...(ranks > cores ? ['--oversubscribe'] : []), '-n', String(ranks)];
}
