import { expect, it } from 'vitest';
import type { Launch } from '../../src/comm/launcher.ts';
import { placementNotes } from '../../src/comm/placement.ts';

const launch: Launch = {
  rank: 0,
  size: 4,
  localRank: 0,
  localSize: 4,
  transport: { kind: 'mpi' },
  launcher: 'mpirun of Open MPI',
};

it('says nothing of ranks that have their cores', () => {
  expect(placementNotes(launch, { all: 8, allowed: 8, threads: 2 })).toEqual([]);
  expect(placementNotes(launch, { all: 8, allowed: 2, threads: 2 })).toEqual([]);
  expect(placementNotes({ ...launch, localSize: undefined }, { all: 2, allowed: 2, threads: 2 })).toEqual([]);
});

it('says that ranks share cores', () => {
  const [note] = placementNotes(launch, { all: 2, allowed: 2, threads: 1 });
  expect(note).toMatch(/4 ranks share the 2 cores/);
});

it('says that a rank with threads was bound to one core', () => {
  const [note] = placementNotes({ ...launch, localSize: 2 }, { all: 8, allowed: 1, threads: 4 });
  expect(note).toMatch(/4 threads but mpirun of Open MPI bound it to 1 of 8 cores.*--bind-to none/);
});
