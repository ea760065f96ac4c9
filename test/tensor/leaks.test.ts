/**
 * Tensors that a program forgets. Each child makes gigabytes of them in one synchronous loop, in
 * which no finalizer of Node runs, and must stay small.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { lastLineJson, runNode } from '../helpers/cli.ts';

const module = (path: string) => JSON.stringify(join(packageRoot, 'dist', path));

/**
 * Runs `body` in a child until it has made `bytes` of tensors, `each` of them per round. The
 * largest resident memory of the child in bytes, and what it threw.
 */
async function grow(body: string, bytes: number, each: number, before = '') {
  const end = await runNode([
    '--input-type=module',
    '-e',
    `const { native } = await import(${module('native/addon.js')});
    const { empty, full, parameter, scope, tensor, zeros } = await import(${module('tensor/tensor.js')});
    const { add } = await import(${module('tensor/ops/elementwise.js')});
    ${before}
    let [largest, error] = [0, undefined];
    try {
      for (let made = 0, round = 0; made < ${bytes}; made += ${each}, ++round) {
        ${body}
        if (round % 16 === 0) largest = Math.max(largest, process.memoryUsage.rss());
      }
    } catch (caught) {
      error = { code: caught.code, message: caught.message };
    }
    console.log(JSON.stringify({ largest, error, stats: native.memoryStats() }));`,
  ]);
  expect(end.stderr).toBe('');
  return lastLineJson(end.stdout) as {
    largest: number;
    error?: { code: string; message: string };
    stats: number[];
  };
}

const MiB = 2 ** 20;
const limit = 600e6;

describe('a synchronous loop', () => {
  it.each([
    ['small tensors', 'full([4096], 1);', 16384],
    ['tensors of a megabyte', 'full([1 << 18], 1);', MiB],
    ['large tensors', 'full([1 << 22], 1);', 16 * MiB],
    ['views, of which the last keeps the memory', 'full([1 << 18], 1).detach().detach();', MiB],
    ['arrays', 'tensor(new Float32Array(1 << 16));', MiB / 4],
    ['results of scopes', 'scope(() => full([1 << 18], 1));', MiB],
    ['graphs of the backward pass', 'add(add(weight, weight), weight);', 2 * MiB],
  ])('that forgets %s stays small', async (_, body, each) => {
    const before = 'const weight = parameter(full([1 << 18], 1));';
    const { largest, error } = await grow(body, 2e9, each, before);
    expect(error).toBeUndefined();
    expect(largest).toBeLessThan(limit);
  });

  it('that forgets tokenizers stays small', async () => {
    const before = `
      const tokens = Array.from({ length: 60000 }, (_, i) => i < 256 ? [i] : [...Buffer.from('t' + i)]);
      const bytes = Uint8Array.from(tokens.flat());
      let at = 0;
      const offsets = Uint32Array.from([0, ...tokens.map((token) => (at += token.length))]);
      const kinds = new Uint8Array(tokens.length).fill(1);
      const flags = new Uint8Array(tokens.length);`;
    const body = `new native.NativeTokenizer({
      ...{ bytes, offsets, kinds, flags, merges: new Int32Array() },
      ...{ texts: new Uint8Array(), textOffsets: new Uint32Array(), normalizer: [] },
      ...{ ignoreMerges: false, byteFallback: false, unknown: -1, fuseUnknown: false },
      pieces: [{ kind: 'pattern', named: 'gpt4', text: '', content: '', behavior: 'isolated', invert: false }],
    });`;
    const { largest, error } = await grow(body, 400, 1, before);
    expect(error).toBeUndefined();
    expect(largest).toBeLessThan(limit);
  });

  it('that forgets decoders, which share the memory of weights, stays small', async () => {
    const before = `
      const rest = {
        layers: [],
        finalNorm: { gain: full([64], 1).handle },
        norm: 'rms',
        eps: 1e-5,
        heads: 1,
        kvHeads: 1,
        dtype: 'f32',
      };`;
    const body = 'new native.NativeDecoder({ ...rest, tokenTable: full([16384, 64], 1).handle });';
    const { largest, error } = await grow(body, 2e9, 4 * MiB, before);
    expect(error).toBeUndefined();
    expect(largest).toBeLessThan(limit);
  });

  it('keeps what is still referred to', async () => {
    const body = `
      const kept = full([1 << 16], round);
      all.push(kept, kept.detach());
      full([1 << 18], -1);
      full([1 << 16], -1);`;
    const before = `
      const all = [];
      process.on('exit', () => {
        const isWrong = (kept, i) => kept.toFloats().some((x) => x !== i >> 1);
        if (all.length < 1000 || all.some(isWrong)) console.error('wrong elements');
      });`;
    const { error } = await grow(body, 1e9, 1.5 * MiB, before);
    expect(error).toBeUndefined();
  });
});

describe('a limit of memory', () => {
  const before = 'const all = []; native.setMemoryLimit(100 * 2 ** 20);';

  it('is no obstacle to tensors that replace forgotten ones', async () => {
    const { error, stats } = await grow('full([1 << 22], 1);', 1e9, 16 * MiB, before);
    expect(error).toBeUndefined();
    expect(stats[1]).toBeLessThanOrEqual(100 * MiB);
  });

  it('is named, with the remedies, where everything is in use', async () => {
    const { error } = await grow('all.push(full([1 << 22], 1));', 1e9, 16 * MiB, before);
    expect(error!.code).toBe('ERR_OUT_OF_MEMORY');
    expect(error!.message).toMatch(/^\[full\] asked for 16 MiB with 96 MiB in use of a limit of 100 MiB; /);
    expect(error!.message).toMatch(/scope\(\) and dispose\(\)$/);
  });
});

describe('tensors that are disposed of', () => {
  it('do not make V8 collect garbage, whose marking would take a core from training', async () => {
    const end = await runNode([
      '--trace-gc',
      '--input-type=module',
      '-e',
      `const { empty, outsideScopes } = await import(${module('tensor/tensor.js')});
      console.log('begin');
      for (let step = 0; step < 20; ++step) {
        const held = Array.from({ length: 8 }, () => outsideScopes(() => empty([1 << 22])));
        await new Promise((resolve) => setTimeout(resolve, 2));
        for (const tensor of held) tensor.dispose();
      }
      console.log('end');`,
    ]);
    expect(end.stderr).toBe('');
    const during = end.stdout.slice(end.stdout.indexOf('begin'), end.stdout.indexOf('\nend'));
    expect(during).toContain('begin');
    expect(during).not.toContain('Mark-Compact');
  });
});
