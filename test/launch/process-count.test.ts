import { expect, it } from 'vitest';
import { gpuProcesses } from '../../src/launch/process-count.ts';

const cuda = { gpus: 8, device: 'cuda' } as const;

it.each<[string, Record<string, string>, number]>([
  ['all', {}, 8],
  ['those that are listed', { CUDA_VISIBLE_DEVICES: '2,3' }, 2],
  ['those with identifiers', { CUDA_VISIBLE_DEVICES: 'GPU-3b5c, MIG-77aa,0' }, 3],
  ['those before the first that does not exist', { CUDA_VISIBLE_DEVICES: '0,1,9,2' }, 2],
  ['those before -1', { CUDA_VISIBLE_DEVICES: '0,1,2,-1,3' }, 3],
])('auto is one process for each GPU: %s', (_, env, processes) => {
  expect(gpuProcesses(cuda, env)).toEqual({ processes });
});

it.each<[string, Parameters<typeof gpuProcesses>]>([
  ['no GPU is used, so one process trains', [{ gpus: 0, device: 'cpu' }, {}]],
  ['no GPU is used, so one process trains', [{ gpus: 8, device: 'cpu' }, {}]],
  ['this machine has one GPU, so one process trains', [{ gpus: 1, device: 'cuda' }, {}]],
  ['this machine has one GPU, so one process trains', [cuda, { CUDA_VISIBLE_DEVICES: '5' }]],
  ['ATHANOR_CUDA_DEVICE chooses GPU 3, so one process trains', [cuda, { ATHANOR_CUDA_DEVICE: '3' }]],
])('auto is one process: %s', (note, args) => {
  expect(gpuProcesses(...args)).toEqual({ processes: 1, note });
});
