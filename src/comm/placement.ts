/** What a user should know of where the ranks of a machine run. */
import type { Launch } from './launcher.ts';

/** The cores of a machine and of this process. */
export interface Cores {
  /** Of the machine. */
  all: number;
  /** Those that this process may use (sched_getaffinity). */
  allowed: number;
  /** Threads of this process's kernels. */
  threads: number;
}

/** Notes for the main rank's console: ranks that share cores, or that are bound to too few. */
export function placementNotes({ localSize, launcher }: Launch, { all, allowed, threads }: Cores): string[] {
  const notes: string[] = [];
  if (localSize !== undefined && localSize > all) {
    notes.push(
      `${localSize} ranks share the ${all} cores of this machine, so each is slower; one rank per core is the most that helps`,
    );
  }
  if (allowed < all && allowed < threads) {
    notes.push(
      `this rank computes with ${threads} threads but ${launcher} bound it to ${allowed} of ${all} cores; ` +
        'start mpirun with --bind-to none, or give each rank its cores with --map-by slot:PE=COUNT',
    );
  }
  return notes;
}
