/**
 * The collectives of GPUs: the calls of NCCL over a stand-in (native/test/fake/fake_nccl.cpp),
 * which refuses what NCCL's documentation forbids, on emulated kernels.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import type { TypedArray } from '../../src/native/binding.ts';
import { buildEmulatedAddon, buildEmulator, testBuild } from '../helpers/emulator.ts';
import { type RankRun, runRanks } from '../helpers/rank-processes.ts';

interface Cases {
  cases(size: number): object[];
  titleOf(one: object): string;
  resultOf(one: object, rank: number, size: number): TypedArray;
  hashOf(values: TypedArray): string;
  argumentCodes: string[];
}
const url = pathToFileURL(join(packageRoot, 'test/comm/collective-cases.mjs')).href;
const { cases, titleOf, resultOf, hashOf, argumentCodes } = (await import(url)) as Cases;

const env: Record<string, string> = {
  ATHANOR_NCCL: join(testBuild, 'libfake_nccl.so'),
  TEST_DEVICE: 'cuda',
};
beforeAll(async () => {
  await buildEmulator('fake_nccl');
  env.ATHANOR_NATIVE = await buildEmulatedAddon();
}, 1_200_000);

function expectSuccess(run: RankRun): void {
  expect(
    run.codes.every((code) => code === 0),
    run.output + JSON.stringify(run.found),
  ).toBe(true);
}

describe('ranks with GPUs', () => {
  it.each([2, 3])('%i ranks give the bits of sums in rank order, whatever NCCL does', async (size) => {
    const run = await runRanks('variables', size, 'values', env);
    expectSuccess(run);
    for (const [rank, found] of run.found.entries()) {
      const wanted = cases(size).map((one) => [titleOf(one), hashOf(resultOf(one, rank, size))]);
      expect(found!.hashes).toEqual(Object.fromEntries(wanted));
    }
  });

  it("without `exact` they use NCCL's own sums", async () => {
    const run = await runRanks('variables', 3, 'inexact', env);
    expectSuccess(run);
    // The stand-in sums from the last rank to the first.
    const backwards = Math.fround(Math.fround(1 + 1e8) - 1e8);
    expect(backwards).not.toBe(Math.fround(Math.fround(-1e8 + 1e8) + 1));
    for (const found of run.found) expect(found).toMatchObject({ sums: [backwards], scattered: [backwards] });
  });

  it('refuses tensors that do not fit', async () => {
    const run = await runRanks('variables', 2, 'arguments', env);
    expectSuccess(run);
    for (const found of run.found) expect(found!.codes).toEqual(argumentCodes);
  });

  it('sums numbers and texts over the other transport', async () => {
    const run = await runRanks('variables', 3, 'numbers', env);
    expectSuccess(run);
    for (const found of run.found) expect(found).toMatchObject({ texts: ['', 'ü', 'üü'] });
  });

  it('an NCCL that is too old, or none, is one line on every rank', async () => {
    const old = await runRanks('variables', 2, 'numbers', { ...env, ATHANOR_FAKE_NCCL_VERSION: '21403' });
    for (const found of old.found) {
      expect(found!.code).toBe('ERR_COMM_SETUP');
      expect(found!.message).toMatch(
        /libfake_nccl\.so is of version 2\.14\.3 and 2\.18\.0 or later is needed; install it with: pip/,
      );
    }
    const none = await runRanks('variables', 2, 'numbers', { ...env, ATHANOR_NCCL: '/nowhere/libnccl.so.2' });
    for (const found of none.found) expect(found!.code).toBe('ERR_CUDA_LIBRARY_MISSING');
  });

  it('a rank that starts another operation is found, and not waited for', async () => {
    const run = await runRanks('variables', 2, 'mismatch', env);
    expect(run.codes).not.toContain(0);
    for (const found of run.found) expect(found!.code).toMatch(/ERR_MISMATCH|ERR_COMM_LOST/);
    const blocked = await runRanks('variables', 2, 'mismatch, blocked', env);
    for (const found of blocked.found) expect(found!.code).toMatch(/ERR_MISMATCH|ERR_COMM_LOST/);
  });
});
