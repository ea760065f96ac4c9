/**
 * PPO's operations per token, compared with double precision: sums to the last digits, results to
 * the rounding of f32.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { KlEstimator } from '../../src/native/binding/policy.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import {
  expectClose,
  expectError,
  expectSameForThreads,
  finiteDifferences,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  randomNormal,
  rng,
  tensor,
  values,
} from '../helpers/reference.ts';

/** One chunk of the kernels' sums is 4,096 tokens. */
const sizes = [...oddSizes, 4095, 4096, 4097, 9001];
const ULP = 2 ** -23;
const f32 = (data: ArrayLike<number>) => misalignedTensor([data.length], data);
const i32 = (data: ArrayLike<number>) => tensor([data.length], data, 'i32');
const nan = Number.NaN;

/** Starts of sequences of 0 to 7 tokens that together have `count`. */
function raggedStarts(count: number, seed: number): number[] {
  const random = rng(seed);
  const starts = [0];
  while (starts.at(-1)! < count) starts.push(Math.min(count, starts.at(-1)! + random.integer(8)));
  return starts;
}

function forSizes(check: (n: number, what: string) => void): void {
  forEachIsa(native, (isa) => {
    for (const n of sizes) check(n, `${isa} ${n}`);
  });
}

describe('gae', () => {
  const gamma = 0.97;
  const lambda = 0.9;

  it('is the weighted sum of the one-step errors of each sequence', () => {
    forSizes((n, what) => {
      const [rewards, value] = [randomNormal(n, 1), randomNormal(n, 2)];
      const starts = raggedStarts(n, n);
      const wanted = new Float64Array(n);
      starts.slice(0, -1).forEach((start, s) => {
        const end = starts[s + 1]!;
        for (let t = start; t < end; ++t) {
          for (let k = t; k < end; ++k) {
            const next = k + 1 < end ? value[k + 1]! : 0;
            wanted[t]! += (gamma * lambda) ** (k - t) * (rewards[k]! + gamma * next - value[k]!);
          }
        }
      });
      const [advantages, returns] = native.gae(f32(rewards), f32(value), i32(starts), gamma, lambda);
      expectClose(advantages, wanted, ULP, 1e-12, `advantages ${what}`);
      const wantedReturns = wanted.map((advantage, t) => advantage + value[t]!);
      expectClose(returns, wantedReturns, ULP, 1e-12, `returns ${what}`);
    });
  });

  it('knows no sequences and empty ones', () => {
    const none = f32([]);
    for (const starts of [[0], [0, 0, 0]]) {
      expect(native.gae(none, none, i32(starts), 1, 1).map((t) => values(t).length)).toEqual([0, 0]);
    }
    const [advantages, returns] = native.gae(f32([2]), f32([0.5]), i32([0, 0, 1, 1]), 0.9, 0.9);
    expect([...values(advantages), ...values(returns)]).toEqual([1.5, 2]);
  });

  it('keeps a number that is not finite within its sequence', () => {
    const [advantages] = native.gae(f32([1, nan, 1, 1]), f32([0, 0, 0, 0]), i32([0, 2, 4]), 1, 1);
    expect([...values(advantages)]).toEqual([nan, nan, 2, 1]);
  });

  it('refuses what does not fit together', () => {
    const [a, b] = [f32([1, 2, 3]), f32([1, 2])];
    expectError('ERR_SHAPE', /\[gae\] expected values to be \[3\] but it is \[2\]/, () =>
      native.gae(a, b, i32([0, 3]), 1, 1),
    );
    expectError('ERR_ARGUMENT', /run from 0 to 3 but they run from 0 to 2/, () =>
      native.gae(a, a, i32([0, 2]), 1, 1),
    );
    expectError('ERR_ARGUMENT', /rise but entry 2 is 1 after 2/, () =>
      native.gae(a, a, i32([0, 2, 1, 3]), 1, 1),
    );
    expectError('ERR_DTYPE', /starts to be i32 but it is f32/, () => native.gae(a, a, f32([0, 3]), 1, 1));
    for (const wrong of [-0.1, 1.1, nan]) {
      expectError('ERR_ARGUMENT', /gamma to be from 0 to 1/, () => native.gae(a, a, i32([0, 3]), wrong, 1));
      expectError('ERR_ARGUMENT', /lambda to be from 0 to 1/, () => native.gae(a, a, i32([0, 3]), 1, wrong));
    }
  });
});

describe('whiten', () => {
  it('has mean and biased deviation of double precision', () => {
    forSizes((n, what) => {
      const x = randomNormal(n, 3, 2, 50);
      const mean = x.reduce((sum, v) => sum + v, 0) / n;
      const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n;
      const wanted = Float64Array.from(x, (v) => (v - mean) / Math.sqrt(variance + 1e-8));
      expectClose(native.whiten(f32(x), true), wanted, ULP, 1e-10, what);
      const kept = wanted.map((v) => v + mean);
      expectClose(native.whiten(f32(x), false), kept, ULP, 1e-10, `${what}, mean kept`);
    });
  });

  it('gives zeros for equal numbers, nothing for none, and refuses what is not finite', () => {
    expect([...values(native.whiten(f32([3, 3, 3]), true))]).toEqual([0, 0, 0]);
    expect([...values(native.whiten(f32([3]), false))]).toEqual([3]);
    expect(values(native.whiten(f32([]), true))).toHaveLength(0);
    for (const wrong of [nan, Number.POSITIVE_INFINITY]) {
      expectError('ERR_NOT_FINITE', /\[whiten\] expected finite numbers but the mean of 3 is/, () =>
        native.whiten(f32([1, wrong, 2]), true),
      );
    }
  });
});

describe('klPenalty', () => {
  const formulas = [
    ['k1', (d: number) => d],
    ['k2', (d: number) => (d * d) / 2],
    ['k3', (d: number) => Math.expm1(-d) + d],
  ] as const;

  it('is each estimator of double precision, k2 and k3 never negative', () => {
    forSizes((n, what) => {
      const [logProbs, reference] = [randomNormal(n, 4, 1, -2), randomNormal(n, 5, 1, -2)];
      for (const [kind, formula] of formulas) {
        const wanted = Float64Array.from(logProbs, (v, i) => formula(v - reference[i]!));
        const got = native.klPenalty(f32(logProbs), f32(reference), kind);
        expectClose(got, wanted, ULP, 1e-15, `${kind} ${what}`);
        if (kind !== 'k1') expect(Math.min(...values(got)), what).toBeGreaterThanOrEqual(0);
      }
    });
  });

  it('keeps the digits of a small difference', () => {
    const got = native.klPenalty(f32([-1]), f32([-1 - 2 ** -12]), 'k3');
    expectClose(got, [2 ** -25 - 2 ** -36 / 6], 2e-7);
  });

  it('refuses an estimator that is none, and other sizes', () => {
    expectError('ERR_ARGUMENT', /expected estimator to be 'k1', 'k2' or 'k3' but got 'k4'/, () =>
      native.klPenalty(f32([1]), f32([1]), 'k4' as KlEstimator),
    );
    expectError('ERR_SHAPE', /^\[klPenalty\] expected referenceLogProbs to be \[1\]/, () =>
      native.klPenalty(f32([1]), f32([1, 2]), 'k1'),
    );
  });
});

interface PolicyData {
  logProbs: Float32Array;
  old: Float32Array;
  advantages: Float32Array;
  entropies: Float32Array;
  reference: Float32Array;
  /** Default: all 1. */
  weights?: Float32Array;
}
type PolicySetting = readonly [
  clipLow: number,
  clipHigh: number,
  dualClip: number,
  entropyCoef: number,
  klCoef: number,
];
const settings: readonly PolicySetting[] = [
  [0.2, 0.2, 0, 0, 0],
  [0.2, 0.28, 0, 0, 0.05],
  [0.1, 0.3, 3, 0.01, 0],
  [0, 0.1, 1.2, 0.02, 0.1],
  [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0, 0],
];
const scale = 0.37;

function policyData(n: number): PolicyData {
  const logProbs = randomNormal(n, 6, 1, -3);
  const near = (seed: number) => randomNormal(n, seed, 0.5).map((v, i) => v + logProbs[i]!);
  return {
    logProbs,
    old: near(7),
    advantages: randomNormal(n, 8).map((v, i) => (i % 11 === 5 ? 0 : v)),
    entropies: randomNormal(n, 9, 0.3, 2),
    reference: near(10),
  };
}

const clamp = (x: number, low: number, high: number) => Math.max(low, Math.min(high, x));

/** The loss of token i at this log-probability, before the scale. */
function tokenLoss(
  d: PolicyData,
  i: number,
  logProb: number,
  [low, high, dual, entropyCoef, klCoef]: PolicySetting,
) {
  const advantage = d.advantages[i]!;
  const ratio = Math.exp(logProb - d.old[i]!);
  const [plain, bounded] = [-advantage * ratio, -advantage * clamp(ratio, 1 - low, 1 + high)];
  let loss = Math.max(plain, bounded);
  if (dual > 0 && advantage < 0) loss = Math.min(loss, -dual * advantage);
  const behind = d.reference[i]! - logProb;
  loss += klCoef * (Math.exp(behind) - 1 - behind) - entropyCoef * d.entropies[i]!;
  return { loss, ratio, clipped: bounded > plain };
}

function runPolicy(d: PolicyData, setting: PolicySetting, needGradient = true) {
  const [clipLow, clipHigh, dualClip, entropyCoef, klCoef] = setting;
  return native.policyLoss({
    logProbs: f32(d.logProbs),
    oldLogProbs: f32(d.old),
    advantages: f32(d.advantages),
    entropies: entropyCoef !== 0 ? f32(d.entropies) : undefined,
    referenceLogProbs: klCoef !== 0 ? f32(d.reference) : undefined,
    weights: d.weights && f32(d.weights),
    clipLow,
    clipHigh,
    dualClip,
    entropyCoef,
    klCoef,
    scale,
    needGradient,
  });
}

describe('policyLoss', () => {
  it('has loss, gradients and statistics of double precision', () => {
    forSizes((n, what) => {
      const d = policyData(n);
      for (const setting of settings) {
        const tokens = Array.from(d.logProbs, (v, i) => tokenLoss(d, i, v, setting));
        const logRatios = Array.from(d.logProbs, (v, i) => v - d.old[i]!);
        const ratios = tokens.map(({ ratio }) => ratio);
        const sum = (of: readonly number[]) => of.reduce((all, v) => all + v, 0);
        const [loss, dlogProbs, dentropies, stats] = runPolicy(d, setting);
        expectClose([loss], [scale * sum(tokens.map((token) => token.loss))], 1e-11, 1e-12, `loss ${what}`);
        expectClose(
          stats,
          [
            tokens.filter(({ clipped }) => clipped).length,
            sum(logRatios.map((v) => v ** 2 / 2)),
            Math.max(...ratios.map((r) => Math.abs(r - 1))),
            sum(ratios),
            Math.min(...ratios),
            Math.max(...ratios),
          ],
          1e-12,
          0,
          `statistics ${what}`,
        );
        const slopes = Array.from(d.logProbs, (v, i) => {
          const [slope] = finiteDifferences(([x]) => tokenLoss(d, i, x!, setting).loss, [v], 1e-6);
          return scale * slope!;
        });
        expectClose(dlogProbs!, slopes, 1e-6, 1e-7, `gradient ${what}, ${setting}`);
        if (setting[3] === 0) expect(dentropies).toBeUndefined();
        else expectClose(dentropies!, new Array(n).fill(-scale * setting[3]), ULP, 0, what);
      }
    });
  });

  it('multiplies all terms of a token by its weight, and no statistic', () => {
    forSizes((n, what) => {
      const plain = policyData(n);
      const weights = randomNormal(n, 12).map(Math.abs);
      for (const setting of [settings[0]!, settings[3]!]) {
        const [loss, dlogProbs, dentropies, stats] = runPolicy({ ...plain, weights }, setting);
        const losses = Array.from(
          plain.logProbs,
          (v, i) => tokenLoss(plain, i, v, setting).loss * weights[i]!,
        );
        expectClose([loss], [scale * losses.reduce((all, v) => all + v, 0)], 1e-11, 1e-12, `loss ${what}`);
        const [, slopes, , wantedStats] = runPolicy(plain, setting);
        const weighted = Array.from(values(slopes!), (v, i) => v * weights[i]!);
        expectClose(dlogProbs!, weighted, 4 * ULP, 1e-12, `gradient ${what}`);
        const bonus = Array.from(weights, (weight) => -scale * setting[3] * weight);
        if (dentropies) expectClose(dentropies, bonus, ULP, 0, what);
        expect(stats).toEqual(wantedStats);
      }
    });
    const two = policyData(2);
    expectError('ERR_SHAPE', /\[policyLoss\] expected weights to be \[2\] but it is \[1\]/, () =>
      runPolicy({ ...two, weights: Float32Array.of(1) }, settings[0]!),
    );
  });

  it('R29: adds up over any split of the tokens', () => {
    const n = 9001;
    const d = policyData(n);
    const part = (from: number, to: number): PolicyData => ({
      logProbs: d.logProbs.slice(from, to),
      old: d.old.slice(from, to),
      advantages: d.advantages.slice(from, to),
      entropies: d.entropies.slice(from, to),
      reference: d.reference.slice(from, to),
    });
    const setting = settings[3]!;
    const [whole, dwhole] = runPolicy(d, setting);
    const parts = [part(0, 1), part(1, 4000), part(4000, 4000), part(4000, n)].map((p) =>
      runPolicy(p, setting),
    );
    expectClose([parts.reduce((sum, [loss]) => sum + loss, 0)], [whole], 1e-12);
    expect(parts.flatMap(([, gradient]) => [...values(gradient!)])).toEqual([...values(dwhole!)]);
  });

  it('has ratio exactly 1 and the plain gradient where the policy did not move', () => {
    const d = policyData(100);
    d.old = d.logProbs;
    const [loss, dlogProbs, , stats] = runPolicy(d, settings[0]!);
    const total = d.advantages.reduce((sum, v) => sum + v, 0);
    expectClose([loss], [-scale * total], 1e-12, 1e-13);
    expect(stats).toEqual([0, 0, 0, 100, 1, 1]);
    expectClose(
      dlogProbs!,
      Float64Array.from(d.advantages, (v) => -scale * v),
      ULP,
    );
  });

  it('bounds a ratio that overflows, if it may cost without bound then by dualClip', () => {
    const far = (advantage: number, setting: PolicySetting) =>
      runPolicy(
        {
          logProbs: Float32Array.of(0),
          old: Float32Array.of(-1000),
          advantages: Float32Array.of(advantage),
          entropies: Float32Array.of(0),
          reference: Float32Array.of(0),
        },
        setting,
      );
    const [gain, dgain] = far(1, settings[0]!);
    expectClose([gain, values(dgain!)[0]!], [-1.2 * scale, 0], 1e-12);
    expect(far(-1, settings[0]!)[0]).toBe(Number.POSITIVE_INFINITY);
    const [cost, dcost] = far(-1, [0.2, 0.2, 3, 0, 0]);
    expectClose([cost, values(dcost!)[0]!], [3 * scale, 0], 1e-12);
  });

  it('lets a number that is none through to the loss, its gradient and every statistic but the count', () => {
    for (const at of [0, 5000, 9000]) {
      const d = policyData(9001);
      d.logProbs[at] = nan;
      const [loss, dlogProbs, , stats] = runPolicy(d, settings[2]!);
      expect([loss, values(dlogProbs!)[at], ...stats.slice(1)]).toEqual(new Array(7).fill(nan));
    }
  });

  it('sums nothing to zero', () => {
    const none = new Float32Array(0);
    const [loss, dlogProbs, , stats] = runPolicy(
      { logProbs: none, old: none, advantages: none, entropies: none, reference: none },
      settings[0]!,
    );
    expect([loss, values(dlogProbs!).length]).toEqual([0, 0]);
    expect(stats).toEqual([0, 0, 0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(runPolicy(policyData(3), settings[2]!, false).slice(1, 3)).toEqual([undefined, undefined]);
  });

  it('refuses a coefficient without its tensor, and bounds that are none', () => {
    const a = f32([-1, -2]);
    type Numbers = [number, number, number, number, number];
    const run =
      (numbers: Numbers, entropies?: NativeTensor, reference: NativeTensor | undefined = undefined) =>
      () => {
        const [clipLow, clipHigh, dualClip, entropyCoef, klCoef] = numbers;
        native.policyLoss({
          logProbs: a,
          oldLogProbs: a,
          advantages: a,
          entropies,
          referenceLogProbs: reference,
          clipLow,
          clipHigh,
          dualClip,
          entropyCoef,
          klCoef,
          scale: 1,
          needGradient: true,
        });
      };
    expectError('ERR_ARGUMENT', /entropyCoef is 0.1 but entropies is missing/, run([0.2, 0.2, 0, 0.1, 0]));
    expectError('ERR_ARGUMENT', /klCoef is 0.1 but referenceLogProbs is/, run([0.2, 0.2, 0, 0, 0.1], a));
    expectError('ERR_ARGUMENT', /expected klCoef to be a number/, run([0.2, 0.2, 0, 0, nan], a, a));
    expectError('ERR_ARGUMENT', /clipLow to be at least 0/, run([-0.1, 0.2, 0, 0, 0]));
    expectError('ERR_ARGUMENT', /clipHigh to be at least 0/, run([0.1, nan, 0, 0, 0]));
    for (const wrong of [1, 0.5, -2, nan])
      expectError('ERR_ARGUMENT', /dualClip to be above 1, or 0/, run([0.2, 0.2, wrong, 0, 0]));
    expectError('ERR_SHAPE', /entropies to be \[2\] but it is \[1\]/, run([0.2, 0.2, 0, 0.1, 0], f32([1])));
    expectError('ERR_DTYPE', /entropies to be f32/, run([0.2, 0.2, 0, 0.1, 0], i32([1, 2])));
  });
});

describe('valueLoss', () => {
  const data = (n: number) => [randomNormal(n, 11), randomNormal(n, 12), randomNormal(n, 13)] as const;
  const tokenValueLoss = (v: number, old: number, target: number, clip: number) => {
    const plain = (v - target) ** 2;
    const bounded = clip > 0 ? (old + clamp(v - old, -clip, clip) - target) ** 2 : plain;
    return { loss: Math.max(plain, bounded) / 2, clipped: bounded > plain };
  };

  it('has loss and gradient of double precision, with and without the clip', () => {
    forSizes((n, what) => {
      const [v, old, target] = data(n);
      for (const clip of [0, 0.2, 1]) {
        const tokens = Array.from(v, (x, i) => tokenValueLoss(x, old[i]!, target[i]!, clip));
        const [loss, dvalues, clipped] = native.valueLoss(f32(v), f32(old), f32(target), clip, scale, true);
        const wanted = scale * tokens.reduce((sum, token) => sum + token.loss, 0);
        expectClose([loss], [wanted], 1e-12, 1e-15, `loss ${what}`);
        expect(clipped, what).toBe(tokens.filter((token) => token.clipped).length);
        const slopes = Array.from(v, (x, i) => {
          const [slope] = finiteDifferences(
            ([moved]) => tokenValueLoss(moved!, old[i]!, target[i]!, clip).loss,
            [x],
            1e-6,
          );
          return scale * slope!;
        });
        expectClose(dvalues!, slopes, 1e-6, 1e-7, `gradient ${what}, clip ${clip}`);
      }
    });
  });

  it('lets a number that is none through, whichever of the three it is', () => {
    for (const wrong of [0, 1, 2]) {
      const inputs = data(9);
      inputs[wrong]![4] = nan;
      const [v, old, target] = inputs.map(f32) as [NativeTensor, NativeTensor, NativeTensor];
      expect(native.valueLoss(v, old, target, 0.2, 1, false)[0]).toBeNaN();
    }
  });

  it('refuses a clip that is none, and other sizes', () => {
    const a = f32([1, 2]);
    for (const wrong of [-0.1, nan])
      expectError('ERR_ARGUMENT', /expected clip to be at least 0/, () =>
        native.valueLoss(a, a, a, wrong, 1, true),
      );
    expectError('ERR_SHAPE', /returns to be \[2\]/, () => native.valueLoss(a, a, f32([1]), 0.2, 1, true));
  });
});

it('has the same bits for any number of threads', () => {
  const n = 3 * 4096 + 77;
  const d = policyData(n);
  const starts = i32(raggedStarts(n, 1));
  expectSameForThreads(native, () => {
    const [loss, dlogProbs, dentropies, stats] = runPolicy(d, settings[3]!);
    const [valueLoss, dvalues] = native.valueLoss(
      f32(d.old),
      f32(d.logProbs),
      f32(d.reference),
      0.2,
      1,
      true,
    );
    const sums = native.empty([2 + stats.length], 'f32');
    native.write(sums, Float32Array.of(loss, valueLoss, ...stats));
    return [
      ...native.gae(f32(d.advantages), f32(d.old), starts, 0.99, 0.95),
      native.whiten(f32(d.logProbs), true),
      native.klPenalty(f32(d.logProbs), f32(d.reference), 'k3'),
      dlogProbs!,
      dentropies!,
      dvalues!,
      sums,
    ];
  });
});
