/**
 * Processes that exchange over MPI and over TCP: every collective against plain JavaScript, and
 * what happens when a rank is late, wrong or gone.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import type { TypedArray } from '../../src/native/binding.ts';
import { type Launcher, noMpi, type RankRun, runRanks } from '../helpers/rank-processes.ts';

interface Cases {
  cases(size: number): object[];
  titleOf(one: object): string;
  resultOf(one: object, rank: number, size: number): TypedArray;
  hashOf(values: TypedArray): string;
  argumentCodes: string[];
}
const url = pathToFileURL(join(packageRoot, 'test/comm/collective-cases.mjs')).href;
const { cases, titleOf, resultOf, hashOf, argumentCodes } = (await import(url)) as Cases;

function expectSuccess(run: RankRun): void {
  expect(
    run.codes.every((code) => code === 0),
    run.output + JSON.stringify(run.found),
  ).toBe(true);
}

const launchers: Launcher[] = noMpi ? ['variables'] : ['variables', 'mpirun'];
it.runIf(noMpi)(`MPI is not tested: ${noMpi}`, ({ skip }) => skip());

describe.each(launchers)('ranks by %s', (launcher) => {
  it.each([2, 3, 4])('%i ranks give the bits of sums in rank order', async (size) => {
    const run = await runRanks(launcher, size, 'values');
    expectSuccess(run);
    for (const [rank, found] of run.found.entries()) {
      const wanted = cases(size).map((one) => [titleOf(one), hashOf(resultOf(one, rank, size))]);
      expect(found!.hashes).toEqual(Object.fromEntries(wanted));
    }
  });

  it.runIf(launcher === 'variables')('of one machine have no TCP connection to each other', async () => {
    const run = await runRanks(launcher, 4, 'sockets');
    expectSuccess(run);
    for (const found of run.found) expect(found!.tcp).toBe(0);
  });

  it('sums and gathers numbers and texts', async () => {
    const run = await runRanks(launcher, 3, 'numbers');
    expectSuccess(run);
    for (const found of run.found) {
      expect(found).toMatchObject({
        sums: [3, 0.1 + 0.2 + 0.1 * 3, 0],
        gathered: [[], [1], [2, 2]],
        texts: ['', 'ü', 'üü'],
        uneven: { code: 'ERR_MISMATCH', message: '[sum] the ranks give 0, 1, 2 numbers to sum' },
      });
    }
  });

  it('refuses tensors that do not fit, before anything is sent', async () => {
    const run = await runRanks(launcher, 2, 'arguments');
    expectSuccess(run);
    for (const found of run.found) expect(found!.codes).toEqual(argumentCodes);
  });

  it('names both sides where ranks start different operations', async () => {
    const run = await runRanks(launcher, 3, 'mismatch');
    expect(run.codes).not.toContain(0);
    const { code, message } = run.found.find((one) => one)!;
    expect(code).toBe('ERR_MISMATCH');
    expect(message).toMatch(/'gradients 3' \(allReduce of 8 f32\) on rank/);
    expect(message).toMatch(/broadcast from rank 0 of 8 f32 on rank/);
    const sizes = await runRanks(launcher, 2, 'sizes');
    expect(sizes.found.find((one) => one)!.message).toMatch(/of 4 f32 on rank .*of 5 f32 on rank/);
  });

  it('a rank that stands still for an operation learns of others that differ or died', async () => {
    const different = await runRanks(launcher, 2, 'mismatch, blocked');
    expect(different.found.find((one) => one)!.code).toBe('ERR_MISMATCH');
    if (launcher === 'mpirun') return; // it ends the rank itself
    const [first] = (await runRanks(launcher, 2, 'dies, blocked')).found;
    expect(first).toMatchObject({ code: 'ERR_COMM_LOST', message: expect.stringContaining('gradients 3') });
  });

  it('a rank that does not arrive is named, with the operation, after the time limit', async () => {
    const startedAt = performance.now();
    const run = await runRanks(launcher, 3, 'late');
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    const found = run.found.slice(0, 2).filter((one) => one);
    expect(found.length).toBeGreaterThan(0);
    for (const one of found) {
      expect(one!.code).toMatch(/ERR_COMM_TIMEOUT|ERR_COMM_LOST/);
    }
    const { message } = found.find((one) => one!.code === 'ERR_COMM_TIMEOUT')!;
    expect(message).toMatch(/rank 2 did not arrive at 'gradients 3' \(allReduce of 4 f32\) within 2 s/);
    const next = [0, 1]
      .map((rank) => join(run.folder, `next-${rank}.json`))
      .filter((path) => existsSync(path));
    expect(next.length).toBeGreaterThan(0);
    for (const path of next) {
      const { first, then } = JSON.parse(readFileSync(path, 'utf8')) as Record<'first' | 'then', unknown>;
      expect(then).toEqual(first);
    }
  });

  it('a rank that dies ends the others at once', async () => {
    const startedAt = performance.now();
    const run = await runRanks(launcher, 3, 'dies');
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(run.codes).not.toContain(0);
    if (launcher === 'mpirun') {
      expect(run.output).toMatch(/exited on signal 9/);
      return;
    }
    for (const one of run.found.slice(0, 2)) {
      expect(one!.code).toBe('ERR_COMM_LOST');
      expect(one!.message).toMatch(/rank \d was lost during 'gradients 3'/);
    }
    expect(run.found.slice(0, 2).some((one) => /rank 2 was lost/.test(one!.message as string))).toBe(true);
  });

  it('a process that ends in the middle of an operation does not hang', async () => {
    const run = await runRanks(launcher, 2, 'leaves');
    expect(run.codes).toContain(7);
    expect(run.codes).not.toContain(0);
  });
});
