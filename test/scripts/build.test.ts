/** The parts that npm start builds first, and its estimate of the time. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';

function script(name: string): Promise<unknown> {
  return import(pathToFileURL(join(packageRoot, 'scripts/lib', name)).href);
}

describe('what a machine runs', async () => {
  const { bestInstructionSet, machineParts, slowness } = (await script('machine.mjs')) as {
    bestInstructionSet(features: string[]): string;
    machineParts(): string[];
    slowness(): number;
  };
  const avx2 = ['sse4_2', 'avx2', 'fma'];
  const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq'];

  it.each([
    [[], 'portable'],
    [['avx2'], 'portable'],
    [avx2, 'avx2'],
    [[...avx2, 'avx512f'], 'avx2'],
    [avx512, 'avx512'],
    [[...avx512, 'avx512_bf16'], 'avx512bf16'],
  ])('%j is %s', (features, best) => {
    expect(bestInstructionSet(features)).toBe(best);
  });

  it('is what the engine finds too', async () => {
    const { native } = await import('../../src/native/addon.ts');
    const supported = native.supportedIsas();
    if (native.builtIsas().length > 1) expect(machineParts()[0]).toBe(supported.at(-1));
    else expect(supported).toContain(native.activeIsa());
  });

  it('comes with a speed', () => {
    expect(slowness()).toBeGreaterThan(0.1);
    expect(slowness()).toBeLessThan(1000);
  });
});

describe('partsToSet', async () => {
  const { partsToSet } = (await script('native.mjs')) as {
    partsToSet(built: string | undefined, wanted: string[] | undefined): string | undefined;
  };

  it.each([
    ['a new folder gets what the machine runs', undefined, ['avx2'], 'avx2'],
    ['a new folder has all', undefined, undefined, undefined],
    ['a part that is missing is added', 'avx2', ['avx512', 'cuda'], 'avx2;avx512;cuda'],
    ['parts that are there stay', 'avx2;cuda', ['avx2'], undefined],
    ['all comes after a part', 'avx2', undefined, 'all'],
    ['all stays for a start', 'all', ['avx2'], undefined],
    ['all stays all', 'all', undefined, undefined],
  ])('%s', (_, built, wanted, expected) => {
    expect(partsToSet(built, wanted)).toBe(expected);
  });
});

describe('the plan of a build', async () => {
  const plan = (await script('build-plan.mjs')) as {
    plannedObjects(output: string): string[];
    freshObjects(parts: string[]): string[];
    costOf(objects: string[]): number;
    about(seconds: number): string;
    BuildProgress: new (
      objects: string[],
      jobs: number,
      slowness: number,
    ) => { take(line: string): boolean; secondsLeft(elapsed: number): number; text(elapsed: number): string };
  };
  const ninja = (object: string) => `[1/9] Building CXX object ${object}`;

  it('is read from ninja and from make', () => {
    const object = 'CMakeFiles/athanor_engine.dir/native/ops/a.cpp.o';
    const cuda = 'CMakeFiles/athanor_cuda.dir/native/cuda/b.cu.o';
    const make = `/usr/bin/cmake -E cmake_echo_color --progress-num=2 "Building CUDA object ${cuda}"`;
    const other = '[9/9] Linking CXX shared module Release/athanor.node';
    expect(plan.plannedObjects([ninja(object), make, other].join('\n'))).toEqual([object, cuda]);
  });

  it('of a new folder has each part once', () => {
    const one = plan.freshObjects(['avx2']);
    const more = plan.freshObjects(['avx2', 'cuda']);
    expect(one.some((path) => path.includes('athanor_cuda'))).toBe(false);
    expect(more.filter((path) => path.endsWith('.cu.o')).length).toBeGreaterThan(10);
    expect(new Set(more).size).toBe(more.length);
    expect(plan.costOf(more)).toBeGreaterThan(plan.costOf(one));
  });

  it('says times that can be read at a glance', () => {
    expect([3, 41, 200].map(plan.about)).toEqual(['a few seconds', 'about 45 s', 'about 3 min']);
  });

  it('learns how fast the machine is', () => {
    const objects = Array.from(
      { length: 40 },
      (_, i) => `CMakeFiles/athanor_engine.dir/native/ops/${i}.cpp.o`,
    );
    const progress = new plan.BuildProgress(objects, 2, 1);
    expect(progress.secondsLeft(0)).toBeCloseTo(20);
    expect(progress.take('-- Configuring done')).toBe(false);
    for (const object of objects.slice(0, 20)) expect(progress.take(ninja(object))).toBe(true);
    // Half took four times as long as expected: the rest takes nearly as long again.
    expect(progress.secondsLeft(40)).toBeGreaterThan(25);
    expect(progress.secondsLeft(40)).toBeLessThan(40);
    expect(progress.text(40)).toMatch(/^20 of 40 files, about 3\d s left$/);
    for (const object of objects.slice(20)) progress.take(ninja(object));
    expect(progress.secondsLeft(80)).toBe(0);
  });
});
