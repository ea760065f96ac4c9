// Checks of the CUDA kernels that need no GPU: the machine code in the addon spills nothing, uses
// no more registers than its occupancy allows, and multiplies with the planned instructions.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { type Kernel, readKernels } from '../helpers/cubin.ts';

/**
 * Part of a mangled name -> most registers of a thread, of 65536 for a multiprocessor. They are
 * given out in steps of 8, so that blocks of 128 threads fit 2, 3 or 4 times with 255, 168 or 128,
 * and blocks of 256 twice, 3 or 4 times with 128, 80 or 64.
 */
const ceilings: [name: string, registers: number][] = [
  ['wgmma_kernelILi64ELi3E', 128], // 512 threads, once
  ['wgmma_kernelILi64ELi1E', 128], // 256 threads, twice
  ['wgmma_kernelILi128ELi2E', 168], // 384 threads, once
  ['wgmma_kernelILi128ELi1E', 248], // 256 threads, once
  ['mma_kernelILi64E', 255],
  ['mma_kernelILi128E', 255],
  ['mma_kernelILi256E', 255],
  ['17wgmma_keys_kernelILi64E', 128], // 512 threads, once
  ['17wgmma_keys_kernelILi128E', 168], // 384 threads, once
  ['20wgmma_queries_kernelILi64E', 168],
  ['20wgmma_queries_kernelILi128E', 168],
  ['11keys_kernelILi64E', 255],
  ['11keys_kernelILi128E', 255],
  ['11keys_kernelILi256E', 255],
  ['14queries_kernelILi64E', 168],
  ['14queries_kernelILi128E', 168],
  ['14queries_kernelILi256E', 255],
  ['17statistics_kernel', 64], // of attention's backward pass
  ['15NormForwardArgs', 80], // layer norm and RMS norm
  ['16NormBackwardArgs', 168], // a row in registers: it is read once
  ['gemm_kernelILb', 168], // bf16: 256 threads, once
  ['gemm_kernelIf', 64], // f32 and, next, f32 of bf16: 256 threads, 4 times
  ['gemm_kernelIN', 64],
  ['epilogue_kernel', 32],
  ['add_row_sums_kernel', 32],
  ['cross_entropy_kernel', 32], // 1024 threads, twice
  ['log_prob_kernel', 32],
  ['log_prob_backward_kernel', 32],
  ['sample_kernel', 128], // 512 threads, once
  ['warpgroup_products_kernel', 128],
  ['12adamw_kernel', 64],
  ['20adamw_rounded_kernel', 64],
  ['add_runs_kernel', 64],
  ['PolicyLoss', 64],
  ['ValueLoss', 64],
  ['RankingLoss', 64],
  ['DpoLoss', 64],
];

/** Part of a mangled name -> what its code must have, on one architecture or both. */
const instructions: [name: string, operations: string[], architectures: number[]][] = [
  ['12wgmma_kernel', ['HGMMA', 'UTMALDG'], [90]],
  ['17wgmma_keys_kernel', ['HGMMA', 'UTMALDG', 'UBLKCP'], [90]],
  ['20wgmma_queries_kernel', ['HGMMA', 'UTMALDG'], [90]],
  ['10mma_kernel', ['HMMA', 'LDSM'], [80, 90]],
  ['11keys_kernel', ['HMMA', 'LDSM'], [80, 90]],
  ['14queries_kernel', ['HMMA', 'LDSM'], [80, 90]],
  ['gemm_kernelILb', ['HMMA', 'LDSM'], [80, 90]],
  ['25warpgroup_products_kernel', ['HGMMA'], [90]],
  ['15products_kernel', ['HMMA'], [80, 90]],
];

const addon = [
  process.env.ATHANOR_NATIVE ?? join(packageRoot, 'build/cmake/Release/athanor.node'),
  join(packageRoot, 'build/Release/athanor.node'),
].find((path) => existsSync(path));
const kernels = addon === undefined ? [] : readKernels(readFileSync(addon));

function named(name: string): Kernel[] {
  const found = kernels.filter((kernel) => kernel.symbol.includes(name));
  expect(found.length, `kernels named ${name}`).toBeGreaterThan(0);
  return found;
}

describe('machine code of the CUDA kernels', () => {
  const isMissing = kernels.length === 0;
  const why = 'this build has no CUDA kernels: nvcc was not found when it was made';

  it('is there for Ampere and for Hopper', ({ skip }) => {
    skip(isMissing, why);
    const symbols = (architecture: number) =>
      kernels
        .filter((k) => k.architecture === architecture)
        .map((k) => k.symbol.replace(/_[0-9a-f]{8}_/g, '_'));
    expect(symbols(80).length).toBeGreaterThan(100);
    expect(symbols(90).sort()).toEqual(symbols(80).sort());
  });

  it('spills no register and indexes no local array', ({ skip }) => {
    skip(isMissing, why);
    const guilty = kernels.filter((k) => k.frameBytes > 0 || k.count('LDL') > 0 || k.count('STL') > 0);
    expect(guilty.map((k) => `sm_${k.architecture} ${k.symbol}: ${k.frameBytes} bytes`)).toEqual([]);
  });

  it('keeps to its registers', ({ skip }) => {
    skip(isMissing, why);
    const over = ceilings.flatMap(([name, most]) =>
      named(name)
        .filter((kernel) => kernel.registers > most)
        .map((kernel) => `sm_${kernel.architecture} ${kernel.symbol}: ${kernel.registers} of ${most}`),
    );
    expect(over).toEqual([]);
  });

  it('multiplies on tensor cores', ({ skip }) => {
    skip(isMissing, why);
    for (const [name, expected, architectures] of instructions) {
      for (const kernel of named(name).filter((k) => architectures.includes(k.architecture))) {
        const found = expected.filter((operation) => kernel.count(operation) > 0);
        expect(found, `sm_${kernel.architecture} ${kernel.symbol}`).toEqual(expected);
      }
    }
  });

  /**
   * Where ptxas cannot follow the registers of products that run on, it waits twice for each
   * (its remark C7518).
   */
  it('waits for products of a warpgroup in groups', ({ skip }) => {
    skip(isMissing, why);
    const multiplying = kernels.filter((kernel) => kernel.count('HGMMA') > 0);
    expect(multiplying.length).toBeGreaterThan(8);
    const guilty = multiplying.filter((kernel) => kernel.count('WARPGROUP.DEPBAR') >= kernel.count('HGMMA'));
    expect(guilty.map((kernel) => kernel.symbol)).toEqual([]);
  });

  /** The reader of machine code itself: a kernel that does what the others must not. */
  it('is read rightly where a kernel has local memory', ({ skip }) => {
    skip(isMissing, why);
    const folder = mkdtempSync(join(tmpdir(), 'athanor-cubin-'));
    try {
      writeFileSync(
        join(folder, 'local.cu'),
        `__global__ void local(float* out, const int* index) {
           float a[512];
           for (int i = 0; i < 512; ++i) a[i] = out[i];
           a[index[0]] = 1;
           out[0] = a[index[1]];
         }`,
      );
      try {
        execFileSync('nvcc', ['-arch=sm_90a', '-cubin', 'local.cu', '-o', 'local.cubin'], {
          cwd: folder,
          stdio: 'pipe',
        });
      } catch (error) {
        skip((error as { code?: string }).code === 'ENOENT', 'nvcc is not on the PATH');
        throw error;
      }
      const [kernel] = readKernels(readFileSync(join(folder, 'local.cubin')));
      expect(kernel).toMatchObject({ architecture: 90, frameBytes: 2048 });
      expect(kernel?.count('LDL')).toBeGreaterThan(0);
      expect(kernel?.count('STL')).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
