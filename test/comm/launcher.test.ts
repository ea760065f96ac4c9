/** How a process was started, out of the variables of launchers. */
import { describe, expect, it } from 'vitest';
import { readLaunch } from '../../src/comm/launcher.ts';
import { expectError } from '../helpers/reference.ts';

const torchrun = { RANK: '2', WORLD_SIZE: '4', LOCAL_RANK: '0', MASTER_ADDR: 'node1', MASTER_PORT: '29500' };
const openMpi = { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_LOCAL_RANK: '1' };
const slurm = { SLURM_PROCID: '3', SLURM_NTASKS: '8', SLURM_STEP_NUM_TASKS: '8', SLURM_LOCALID: '1' };
const master = { MASTER_ADDR: 'node1', MASTER_PORT: '29500' };

describe('a process of', () => {
  it('no launcher is alone', () => {
    expect(readLaunch({})).toBeUndefined();
    expect(readLaunch(master)).toBeUndefined();
    // A batch script of Slurm, and an interactive shell on a node
    expect(readLaunch({ SLURM_PROCID: '0', SLURM_NTASKS: '8' })).toBeUndefined();
    expect(readLaunch({ ...slurm, SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '1' })).toBeUndefined();
  });

  it('torchrun meets the others over TCP', () => {
    expect(readLaunch(torchrun)).toMatchObject({
      rank: 2,
      size: 4,
      localRank: 0,
      transport: { kind: 'tcp', host: 'node1', port: 29500 },
    });
  });

  it('mpirun meets them over MPI, of either kind, also inside of Slurm', () => {
    const found = { rank: 1, size: 2, localRank: 1, transport: { kind: 'mpi' } };
    expect(readLaunch(openMpi)).toMatchObject(found);
    expect(readLaunch({ ...slurm, ...openMpi, SLURM_PROCID: '0' })).toMatchObject(found);
    expect(readLaunch({ PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALRANKID: '1' })).toMatchObject(found);
  });

  it('mpirun can use TCP', () => {
    const transport = { kind: 'tcp', host: 'node1', port: 29500 };
    expect(readLaunch({ ...openMpi, ...master, ATHANOR_COMM: 'tcp' })).toMatchObject({ rank: 1, transport });
  });

  it('srun meets them over TCP, or over MPI when that is asked for', () => {
    expect(readLaunch({ ...slurm, ...master })).toMatchObject({ rank: 3, size: 8, localRank: 1 });
    expect(readLaunch({ ...slurm, ATHANOR_COMM: 'mpi' })).toMatchObject({ transport: { kind: 'mpi' } });
  });

  it('a launcher of one process needs no address', () => {
    expect(readLaunch({ RANK: '0', WORLD_SIZE: '1' })).toMatchObject({ rank: 0, size: 1 });
  });
});

it.each([
  ['no address', { ...torchrun, MASTER_ADDR: '' }, /WORLD_SIZE is 4 but MASTER_ADDR is not set/],
  ['no port', { ...torchrun, MASTER_PORT: undefined }, /MASTER_ADDR is set but MASTER_PORT is not/],
  ['a port that is none', { ...torchrun, MASTER_PORT: '70000' }, /MASTER_PORT is 70000/],
  ['a port in words', { ...torchrun, MASTER_PORT: 'http' }, /MASTER_PORT is 'http'/],
  ['a size alone', { WORLD_SIZE: '4', ...master }, /RANK is not set although/],
  ['a rank alone', { RANK: '4', ...master }, /WORLD_SIZE is not set although/],
  ['a rank beyond', { ...torchrun, RANK: '4' }, /RANK is 4 but WORLD_SIZE is 4/],
  ['a rank below', { ...torchrun, RANK: '-1' }, /RANK is '-1'/],
  ['a rank with a fraction', { ...torchrun, RANK: '1.5' }, /RANK is '1.5'/],
  ['no ranks', { ...torchrun, WORLD_SIZE: '0' }, /WORLD_SIZE is '0'/],
  ['two launchers', { ...openMpi, ...torchrun }, /made this rank 1 of 2 but RANK and WORLD_SIZE say 2 of 4/],
  ['an unknown engine', { ...torchrun, ATHANOR_COMM: 'gloo' }, /ATHANOR_COMM is 'gloo'/],
  ['srun without an address', slurm, /SLURM_STEP_NUM_TASKS is 8 but MASTER_ADDR is not set/],
])('refuses %s', (_, environment, message) => {
  expectError('ERR_COMM_SETUP', message, () => readLaunch(environment));
});
