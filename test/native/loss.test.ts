/**
 * Losses fused with the head's matrix product, compared with the whole matrix of logits
 * in double precision.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { onCuda, onEmulator } from '../helpers/device.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
  type FloatType,
  finiteDifferences,
  floatTypes,
  forEachIsa,
  quantize,
  type Round,
  randomIntegers,
  randomNormal,
  randomUniform,
  tensor,
  values,
} from '../helpers/reference.ts';

interface Head {
  n: number;
  d: number;
  vocab: number;
  x: ArrayLike<number>;
  weight: ArrayLike<number>;
  targets: Int32Array;
}

// Tokens, channels, vocabulary.
const shapes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [3, 17, 5],
  [15, 7, 33],
  [5, 33, 130],
  [9, 34, 1027],
];

function makeHead(n: number, d: number, vocab: number, dtype: FloatType): Head {
  const targets = randomIntegers(n, 3, vocab);
  if (n > 2) targets[n - 2] = -100;
  const weight = randomNormal(vocab * d, 2, 2 / Math.sqrt(d));
  return { n, d, vocab, x: quantize(dtype, randomNormal(n * d, 1)), weight, targets };
}

type HeadTensors = { x: NativeTensor; weight: NativeTensor; targets: NativeTensor };

function named(h: Head, dtype: FloatType): HeadTensors {
  return {
    x: tensor([h.n, h.d], h.x, dtype),
    weight: tensor([h.vocab, h.d], h.weight),
    targets: tensor([h.n], h.targets, 'i32'),
  };
}

function tensors(h: Head, dtype: FloatType): [NativeTensor, NativeTensor, NativeTensor] {
  const { x, weight, targets } = named(h, dtype);
  return [x, weight, targets];
}

/** Calls row(i, log-probabilities) for each token that has a target. */
function forEachRow(
  h: Head,
  temperature: number,
  op: Round,
  store: Round,
  row: (i: number, logProbs: Float64Array) => void,
): void {
  const weight = Float64Array.from(h.weight, store);
  for (let i = 0; i < h.n; i++) {
    if (h.targets[i]! < 0) continue;
    const logits = new Float64Array(h.vocab).map((_, j) => {
      let sum = 0;
      for (let k = 0; k < h.d; k++) sum = op(sum + op(h.x[i * h.d + k]! * weight[j * h.d + k]!));
      return op(sum / temperature);
    });
    const top = logits.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (const logit of logits) total = op(total + op(Math.exp(op(logit - top))));
    const logSumExp = op(top + op(Math.log(total)));
    row(
      i,
      logits.map((logit) => op(logit - logSumExp)),
    );
  }
}

/** dx and dweight from the gradients of the logits, [n, vocab]. */
function headGradients(
  h: Head,
  dlogits: Float64Array,
  op: Round,
  store: Round,
): [Float64Array, Float64Array] {
  const weight = Float64Array.from(h.weight, store);
  const dx = new Float64Array(h.n * h.d);
  const dweight = new Float64Array(h.vocab * h.d);
  for (let i = 0; i < h.n; i++) {
    for (let j = 0; j < h.vocab; j++) {
      const g = store(dlogits[i * h.vocab + j]!);
      for (let k = 0; k < h.d; k++) {
        dx[i * h.d + k] = op(dx[i * h.d + k]! + op(g * weight[j * h.d + k]!));
        dweight[j * h.d + k] = op(dweight[j * h.d + k]! + op(g * h.x[i * h.d + k]!));
      }
    }
  }
  return [dx.map(store), dweight];
}

interface CrossEntropy {
  losses: Float64Array;
  loss: number;
  dx: Float64Array;
  dweight: Float64Array;
}

function crossEntropy(
  h: Head,
  tokenWeights: ArrayLike<number> | undefined,
  scale: number,
  op: Round = (v) => v,
  store: Round = (v) => v,
): CrossEntropy {
  const losses = new Float64Array(h.n);
  const dlogits = new Float64Array(h.n * h.vocab);
  let loss = 0;
  forEachRow(h, 1, op, store, (i, logProbs) => {
    const target = h.targets[i]!;
    const factor = op(scale * (tokenWeights?.[i] ?? 1));
    losses[i] = -logProbs[target]!;
    loss += factor * losses[i]!;
    logProbs.forEach((logProb, j) => {
      dlogits[i * h.vocab + j] = op(op(op(Math.exp(logProb)) - (j === target ? 1 : 0)) * factor);
    });
  });
  const [dx, dweight] = headGradients(h, dlogits, op, store);
  return { losses, loss, dx, dweight };
}

interface LogProb {
  logProbs: Float64Array;
  entropies: Float64Array;
  dx: Float64Array;
  dweight: Float64Array;
}

function logProb(
  h: Head,
  temperature: number,
  up: ArrayLike<number>,
  upEntropy: ArrayLike<number> | undefined,
  op: Round = (v) => v,
  store: Round = (v) => v,
): LogProb {
  const logProbs = new Float64Array(h.n);
  const entropies = new Float64Array(h.n);
  const dlogits = new Float64Array(h.n * h.vocab);
  forEachRow(h, temperature, op, store, (i, all) => {
    const target = h.targets[i]!;
    let entropy = 0;
    for (const value of all) entropy = op(entropy - op(op(Math.exp(value)) * value));
    logProbs[i] = all[target]!;
    entropies[i] = entropy;
    all.forEach((value, j) => {
      const p = op(Math.exp(value));
      const direct = op(op((j === target ? 1 : 0) - p) * up[i]!);
      const spread = op(op(p * op(value + entropy)) * (upEntropy?.[i] ?? 0));
      dlogits[i * h.vocab + j] = op(op(direct - spread) / temperature);
    });
  });
  const [dx, dweight] = headGradients(h, dlogits, op, store);
  return { logProbs, entropies, dx, dweight };
}

describe('linearCrossEntropy', () => {
  for (const dtype of floatTypes) {
    it(`gives losses and gradients as the whole logits would (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [n, d, vocab] of shapes) {
          const h = makeHead(n, d, vocab, dtype);
          const tokenWeights = randomUniform(n, 4, 0.5, 1.5);
          const what = `${isa} ${n}x${d}x${vocab}`;
          const [losses, loss, dx, dweight] = native.linearCrossEntropy({
            ...named(h, dtype),
            tokenWeights: tensor([n], tokenWeights),
            scale: 0.25,
            needGradient: true,
          });
          const part =
            (name: 'losses' | 'dx' | 'dweight') =>
            (op: Round, store: Round): Float64Array =>
              crossEntropy(h, tokenWeights, 0.25, op, store)[name];
          expectAccurate(values(losses), dtype, part('losses'), `losses ${what}`);
          expectAccurate(dx!, dtype, part('dx'), `dx ${what}`);
          expectAccurate(values(dweight!), dtype, part('dweight'), `dweight ${what}`);
          const total = values(losses).reduce((sum, v, i) => sum + 0.25 * v * tokenWeights[i]!, 0);
          expect(loss, what).toBeCloseTo(total, 6);
          expect(native.dtypeOf(dx!)).toBe(dtype);
          expect(native.dtypeOf(dweight!)).toBe('f32');
        }
      });
    });
  }

  it('agrees with finite differences', () => {
    const h = makeHead(4, 5, 7, 'f32');
    const tokenWeights = [1, 0.5, 2, 0];
    const [, , dx, dweight] = native.linearCrossEntropy({
      ...named(h, 'f32'),
      tokenWeights: tensor([4], tokenWeights),
      scale: 0.5,
      needGradient: true,
    });
    const slopeX = finiteDifferences((x) => crossEntropy({ ...h, x }, tokenWeights, 0.5).loss, h.x);
    const slopeW = finiteDifferences(
      (weight) => crossEntropy({ ...h, weight }, tokenWeights, 0.5).loss,
      h.weight,
    );
    expectClose(dx!, slopeX, 1e-4, 1e-6, 'dx');
    expectClose(dweight!, slopeW, 1e-4, 1e-6, 'dweight');
  });

  it('gives ignored tokens no loss and no gradient', () => {
    const h = makeHead(3, 8, 20, 'f32');
    h.targets.set([4, -100, 5]);
    const [losses, , dx] = native.linearCrossEntropy({ ...named(h, 'f32'), scale: 1, needGradient: true });
    expect(values(losses)[1]).toBe(0);
    expect([...values(dx!).subarray(8, 16)]).toEqual(new Array(8).fill(0));
    expect(values(losses)[0]).toBeGreaterThan(0);
    h.targets.fill(-100);
    const [none, loss, zero, dweight] = native.linearCrossEntropy({
      ...named(h, 'f32'),
      scale: 1,
      needGradient: true,
    });
    expect([loss, ...values(none)]).toEqual([0, 0, 0, 0]);
    for (const value of [...values(zero!), ...values(dweight!)]) expect(value === 0).toBe(true);
  });

  it('leaves out the gradients when they are not needed', () => {
    const h = makeHead(3, 8, 20, 'f32');
    const all = native.linearCrossEntropy({ ...named(h, 'f32'), scale: 1, needGradient: true });
    const frozen = native.linearCrossEntropy({
      ...named(h, 'f32'),
      scale: 1,
      needGradient: true,
      weightFrozen: true,
    });
    expect(frozen[3]).toBeUndefined();
    expectSameBits(frozen[2]!, all[2]!);
    expectSameBits(frozen[0], all[0]);
    const [losses, , dx, dweight] = native.linearCrossEntropy({
      ...named(h, 'f32'),
      scale: 1,
      needGradient: false,
    });
    expect([dx, dweight]).toEqual([undefined, undefined]);
    expectSameBits(
      losses,
      native.linearCrossEntropy({ ...named(h, 'f32'), scale: 1, needGradient: true })[0],
    );
  });

  it('overwrites the memory that is given for dweight, with the bits that it has elsewhere', () => {
    const h = makeHead(3, 8, 20, 'f32');
    const memory = tensor([20, 8], new Float32Array(160).fill(Number.NaN));
    const inputs = () => ({ ...named(h, 'f32'), scale: 1, needGradient: true });
    const wanted = native.linearCrossEntropy(inputs())[3]!;
    const found = native.linearCrossEntropy({ ...inputs(), dweightMemory: memory })[3]!;
    expectSameBits(found, wanted);
    expectSameBits(memory, wanted);
    h.targets.fill(-100);
    native.linearCrossEntropy({ ...inputs(), dweightMemory: memory });
    expect(values(memory).every((value) => value === 0)).toBe(true);
    expectError('ERR_SHAPE', /dweight to be \[20, 8\]/, () =>
      native.linearCrossEntropy({ ...inputs(), dweightMemory: tensor([8, 20], new Float32Array(160)) }),
    );
  });

  it('survives logits far apart', () => {
    const x = tensor([2, 1], [1000, -1000]);
    const weight = tensor([3, 1], [1, 0, -1]);
    const [losses, , dx] = native.linearCrossEntropy({
      x,
      weight,
      targets: tensor([2], [0, 0], 'i32'),
      scale: 1,
      needGradient: true,
    });
    expectClose(losses, [0, 2000], 1e-6);
    expectClose(dx!, [0, -2], 1e-6);
  });

  for (const dtype of floatTypes) {
    // A head of 70,001 tokens; native/test/ops has chunks at sizes that suit the emulator.
    it.skipIf(onEmulator)(
      `gives a token the same bits alone, in a batch of several chunks, and on any threads (${dtype})`,
      () => {
        const [n, d, vocab] = [403, 3, 70_001];
        const h = makeHead(n, d, vocab, dtype);
        const [x, weight, targets] = tensors(h, dtype);
        const [losses, , dx, dweight] = native.linearCrossEntropy({
          x,
          weight,
          targets,
          scale: 1,
          needGradient: true,
        });
        for (const i of [0, 1, 200, 358, 359, 360, 402]) {
          const alone = native.linearCrossEntropy({
            x: native.slice(x, i, i + 1),
            weight,
            targets: native.slice(targets, i, i + 1),
            scale: 1,
            needGradient: true,
          });
          expectSameBits(native.slice(losses, i, i + 1), alone[0], `loss ${i}`);
          expectSameBits(native.slice(dx!, i, i + 1), alone[2]!, `dx ${i}`);
        }
        // Each column of dweight sums to the sum over tokens of x times (sum of p) - 1, which is 0.
        const sums = new Float64Array(d);
        values(dweight!).forEach((v, i) => {
          sums[i % d]! += v;
        });
        expectClose(sums, new Float64Array(d), 0, dtype === 'f32' ? 1e-2 : 2, 'column sums of dweight');
        expectSameForThreads(native, () => {
          const out = native.linearCrossEntropy({ x, weight, targets, scale: 1, needGradient: true });
          return [out[0], out[2]!, out[3]!];
        });
      },
    );
  }

  // A chunk of the head may take 1 GiB on a GPU.
  it.skipIf(onCuda)('keeps far less memory than the whole logits', async () => {
    await collectGarbage();
    const [n, d, vocab] = [4096, 4, 32_000];
    const h = makeHead(n, d, vocab, 'bf16');
    const inputs = named(h, 'bf16');
    native.trimMemory();
    native.resetPeakMemory();
    const [before] = native.memoryStats();
    native.linearCrossEntropy({ ...inputs, scale: 1, needGradient: true });
    const [, peak] = native.memoryStats();
    expect(peak - before).toBeLessThan((n * vocab * 4) / 2);
  });
});

describe('linearLogProb', () => {
  const temperature = 0.7;
  for (const dtype of floatTypes) {
    it(`gives log-probabilities, entropies and gradients as the whole logits would (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const [n, d, vocab] of shapes) {
          const h = makeHead(n, d, vocab, dtype);
          const up = randomNormal(n, 5);
          const upEntropy = randomNormal(n, 6);
          const what = `${isa} ${n}x${d}x${vocab}`;
          const [logProbs, entropies] = native.linearLogProb(...tensors(h, dtype), temperature);
          const dweight = native.full([vocab, d], 'f32', 0);
          const dx = native.linearLogProbBackward({
            ...named(h, dtype),
            temperature,
            dlogProbs: tensor([n], up),
            dentropies: tensor([n], upEntropy),
            dweight,
          });
          const part =
            (name: keyof LogProb) =>
            (op: Round, store: Round): Float64Array =>
              logProb(h, temperature, up, upEntropy, op, store)[name];
          expectAccurate(values(logProbs), dtype, part('logProbs'), `log-probabilities ${what}`);
          expectAccurate(values(entropies), dtype, part('entropies'), `entropies ${what}`);
          expectAccurate(dx, dtype, part('dx'), `dx ${what}`);
          expectAccurate(values(dweight), dtype, part('dweight'), `dweight ${what}`);
        }
      });
    });
  }

  it('agrees with finite differences, with and without the entropy', () => {
    const h = makeHead(4, 5, 7, 'f32');
    const up = [1, -0.5, 2, 0.25];
    const objective = (head: Head, upEntropy: number[] | undefined): number => {
      const { logProbs, entropies } = logProb(head, temperature, up, upEntropy);
      return logProbs.reduce((sum, v, i) => sum + v * up[i]! + entropies[i]! * (upEntropy?.[i] ?? 0), 0);
    };
    for (const upEntropy of [undefined, [0.3, 1, -1, 0]]) {
      const dweight = native.full([7, 5], 'f32', 1);
      const dx = native.linearLogProbBackward({
        ...named(h, 'f32'),
        temperature,
        dlogProbs: tensor([4], up),
        dentropies: upEntropy && tensor([4], upEntropy),
        dweight,
      });
      expectClose(
        dx,
        finiteDifferences((x) => objective({ ...h, x }, upEntropy), h.x),
        1e-4,
        1e-5,
        'dx',
      );
      const slope = finiteDifferences((weight) => objective({ ...h, weight }, upEntropy), h.weight);
      expectClose(
        dweight,
        slope.map((v) => v + 1),
        1e-4,
        1e-5,
        'dweight, added to',
      );
    }
  });

  it('has the bits that the sampler gives the token', () => {
    for (const dtype of floatTypes) {
      const h = makeHead(6, 19, 301, dtype);
      const [x, weight] = tensors(h, dtype);
      const logits = native.linearLogits(x, weight);
      const streams = tensor([6], [0, 1, 2, 3, 4, 5], 'i32');
      const steps = tensor([6], new Array(6).fill(0), 'i32');
      const [tokens, sampled] = native.sample({
        logits,
        temperature,
        topK: 0,
        topP: 1,
        minP: 0,
        repetitionPenalty: 1,
        seed: 7,
        streams,
        steps,
      });
      expectSameBits(native.linearLogProb(x, weight, tokens, temperature)[0], sampled);
    }
  });

  it.skipIf(onEmulator)(
    'adds into dweight, or overwrites what was there, also over several chunks and for no rows',
    () => {
      for (const n of [0, 5, 403]) {
        const [d, vocab] = [3, n === 403 ? 70_001 : 7];
        const h = makeHead(n, d, vocab, 'f32');
        const up = tensor([n], randomNormal(n, 5));
        const run = (dweight: NativeTensor, overwrite?: boolean) => {
          native.linearLogProbBackward({
            ...named(h, 'f32'),
            temperature: 1,
            dlogProbs: up,
            dweight,
            overwrite,
          });
          return dweight;
        };
        const added = run(native.full([vocab, d], 'f32', 0));
        expectClose(run(native.full([vocab, d], 'f32', Number.NaN), true), values(added), 1e-6, 1e-6);
        const twice = run(run(native.full([vocab, d], 'f32', 0)));
        expectClose(
          twice,
          values(added).map((v) => 2 * v),
          1e-5,
          1e-6,
        );
      }
    },
  );

  it('gives a uniform distribution the entropy log V, and a certain one 0', () => {
    const weight = tensor([3, 2], [1, 100, 1, 0, 1, -100]);
    const x = tensor([2, 2], [1, 0, 0, 10]);
    const [logProbs, entropies] = native.linearLogProb(x, weight, tensor([2], [1, 0], 'i32'), 1);
    expectClose(entropies, [Math.log(3), 0], 1e-6, 1e-6);
    expectClose(logProbs, [-Math.log(3), 0], 1e-6, 1e-6);
  });

  it('has the same bits on any threads', () => {
    const [n, d, vocab] = [37, 20, 1001];
    const h = makeHead(n, d, vocab, 'bf16');
    expectSameForThreads(native, () => {
      const dweight = native.full([vocab, d], 'f32', 0.5);
      const up = tensor([n], randomNormal(n, 5));
      const dx = native.linearLogProbBackward({
        ...named(h, 'bf16'),
        temperature,
        dlogProbs: up,
        dentropies: up,
        dweight,
      });
      return [...native.linearLogProb(...tensors(h, 'bf16'), temperature), dx, dweight];
    });
  });
});

describe('a bf16 weight', () => {
  it('gives the bits of the same numbers in f32', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        const [x, weight, targets] = tensors(makeHead(9, 34, 130, dtype), dtype);
        const narrow = native.cast(weight, 'bf16');
        const [a, b] = [narrow, native.cast(narrow, 'f32')].map((head) => {
          const [losses, , dx, dweight] = native.linearCrossEntropy({
            x,
            weight: head,
            targets,
            scale: 1,
            needGradient: true,
          });
          return [losses, dx!, dweight!, native.linearLogits(x, head)];
        });
        for (const [i, result] of a!.entries()) expectSameBits(result, b![i]!, `${isa} ${dtype} ${i}`);
      }
    });
  });
});

describe('bad input', () => {
  const x = tensor([2, 3], new Array(6).fill(1));
  const weight = tensor([5, 3], new Array(15).fill(1));
  const targets = tensor([2], [0, 4], 'i32');

  it('names a target outside the vocabulary', () => {
    const run = (wrong: number) => () =>
      native.linearCrossEntropy({
        x,
        weight,
        targets: tensor([2], [0, wrong], 'i32'),
        scale: 1,
        needGradient: true,
      });
    expectError('ERR_ARGUMENT', /target 5 at 1 is outside the vocabulary of 5/, run(5));
    expectError('ERR_ARGUMENT', /target -1 at 1 .*-100 is ignored/, run(-1));
  });

  it('names shapes and dtypes that do not fit', () => {
    const short = tensor([1], [0], 'i32');
    expectError('ERR_SHAPE', /linearCrossEntropy.*targets to be \[2\]/, () =>
      native.linearCrossEntropy({ x, weight, targets: short, scale: 1, needGradient: true }),
    );
    expectError('ERR_SHAPE', /tokenWeights to be \[2\]/, () =>
      native.linearCrossEntropy({
        x,
        weight,
        targets,
        tokenWeights: tensor([1], [1]),
        scale: 1,
        needGradient: true,
      }),
    );
    expectError('ERR_DTYPE', /weight to be f32 or bf16/, () =>
      native.linearLogProb(x, native.full([3, 5], 'i32', 0), targets, 1),
    );
    expectError('ERR_SHAPE', /weight to be \[3, 3\]/, () =>
      native.linearLogProb(x, native.view(weight, [3, 5]), targets, 1),
    );
  });

  it('refuses a temperature of 0 and not-a-number', () => {
    for (const temperature of [0, -1, Number.NaN])
      expectError('ERR_ARGUMENT', /temperature/, () => native.linearLogProb(x, weight, targets, temperature));
  });
});
