/** Losses over pairs, and sums of segments, against double precision. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { DpoKind } from '../../src/native/binding/preference.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameForThreads,
  finiteDifferences,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  randomIntegers,
  randomNormal,
  randomUniform,
  tensor,
  values,
} from '../helpers/reference.ts';

const ULP = 2 ** -23;
const scale = 0.21;
const f32 = (data: ArrayLike<number>) => misalignedTensor([data.length], data);
const i32 = (data: ArrayLike<number>) => tensor([data.length], data, 'i32');
const nan = Number.NaN;
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

interface Ranking {
  scores: ArrayLike<number>;
  pairs: ArrayLike<number>;
  margins: ArrayLike<number>;
  weights: ArrayLike<number>;
}

function rankingLoss({ scores, pairs, margins, weights }: Ranking, centering: number): number {
  let loss = 0;
  for (let p = 0; 2 * p < pairs.length; ++p) {
    const [better, worse] = [scores[pairs[2 * p]!]!, scores[pairs[2 * p + 1]!]!];
    const lead = better - worse - margins[p]!;
    loss += weights[p]! * (softplus(-lead) + centering * (better + worse) ** 2);
  }
  return scale * loss;
}

describe('rankingLoss', () => {
  const make = (n: number): Ranking & { count: number } => {
    // Two pairs a score, so that many scores are in several.
    const count = 2 * n;
    return {
      count,
      scores: randomNormal(n, 1, 2),
      pairs: randomIntegers(2 * count, 2, n),
      margins: randomUniform(count, 3),
      weights: randomUniform(count, 4, 0.1, 2),
    };
  };
  const run = (r: Ranking, centering: number, gradient = true) =>
    native.rankingLoss({
      scores: f32(r.scores),
      pairs: i32(r.pairs),
      margins: f32(r.margins),
      weights: f32(r.weights),
      centering,
      scale,
      needGradient: gradient,
    });

  it('has the loss, the gradient and the count of double precision', () => {
    forEachIsa(native, (isa) => {
      for (const n of oddSizes) {
        const r = make(n);
        for (const centering of [0, 0.01]) {
          const what = `${isa} ${n} ${centering}`;
          const [loss, dscores, correct] = run(r, centering);
          expectClose([loss], [rankingLoss(r, centering)], 1e-13, 0, what);
          expectAccurate(
            dscores!,
            'f32',
            (op) => {
              const grads = new Float64Array(n);
              for (let p = 0; p < r.count; ++p) {
                const [b, w] = [r.pairs[2 * p]!, r.pairs[2 * p + 1]!];
                const [sb, sw] = [r.scores[b]!, r.scores[w]!];
                const factor = op(scale * r.weights[p]!);
                const pull = op(-factor * sigmoid(op(r.margins[p]! + op(sw - sb))));
                const center = op(factor * 2 * centering * op(sb + sw));
                grads[b] = op(grads[b]! + op(pull + center));
                grads[w] = op(grads[w]! + op(center - pull));
              }
              return grads;
            },
            what,
          );
          let leading = 0;
          for (let p = 0; p < r.count; ++p)
            if (r.scores[r.pairs[2 * p]!]! > r.scores[r.pairs[2 * p + 1]!]!) leading += 1;
          expect(correct, what).toBe(leading);
        }
      }
    });
  });

  it('agrees with finite differences', () => {
    const r = make(7);
    for (const centering of [0, 0.05]) {
      const slopes = finiteDifferences((scores) => rankingLoss({ ...r, scores }, centering), r.scores);
      expectClose(run(r, centering)[1]!, slopes, 1e-6, 1e-7);
    }
  });

  it('takes margins of 0 and weights of 1 where none are given', () => {
    const r = make(5);
    const plain = { ...r, margins: new Float32Array(r.count), weights: new Float32Array(r.count).fill(1) };
    const [loss, dscores, correct] = run(plain, 0);
    const got = native.rankingLoss({
      scores: f32(r.scores),
      pairs: i32(r.pairs),
      centering: 0,
      scale,
      needGradient: true,
    });
    expect([got[0], got[2]]).toEqual([loss, correct]);
    expect([...values(got[1]!)]).toEqual([...values(dscores!)]);
  });

  it('is zero without pairs, and leaves a score without a pair alone', () => {
    const [loss, dscores, correct] = native.rankingLoss({
      scores: f32([1, 2]),
      pairs: i32([]),
      centering: 0.1,
      scale: 1,
      needGradient: true,
    });
    expect([loss, correct, ...values(dscores!)]).toEqual([0, 0, 0, 0]);
    const [, partial] = native.rankingLoss({
      scores: f32([1, 2, 3]),
      pairs: i32([0, 2]),
      centering: 0.1,
      scale: 1,
      needGradient: true,
    });
    expect(values(partial!)[1]).toBe(0);
    expect(
      native.rankingLoss({
        scores: f32([1]),
        pairs: i32([]),
        centering: 0,
        scale: 1,
        needGradient: false,
      })[1],
    ).toBeUndefined();
  });

  it('lets a score that is no number through', () => {
    const [loss, dscores] = native.rankingLoss({
      scores: f32([1, nan, 3]),
      pairs: i32([0, 1]),
      centering: 0,
      scale: 1,
      needGradient: true,
    });
    expect([loss, ...values(dscores!)]).toEqual([nan, nan, nan, 0]);
  });

  it('names what does not fit', () => {
    const scores = f32([1, 2, 3]);
    const run =
      (pairs: number[], margins?: number[], centering = 0) =>
      () =>
        native.rankingLoss({
          scores,
          pairs: i32(pairs),
          margins: margins && f32(margins),
          centering,
          scale: 1,
          needGradient: true,
        });
    expectError('ERR_ARGUMENT', /score 3 at 1 is outside the table of 3 rows/, run([0, 3]));
    expectError('ERR_ARGUMENT', /score -1 at 0/, run([-1, 1]));
    expectError('ERR_SHAPE', /pairs to be \[2\] but it is \[3\]/, run([0, 1, 2]));
    expectError('ERR_SHAPE', /margins to be \[1\] but it is \[2\]/, run([0, 1], [1, 1]));
    for (const wrong of [-1, nan])
      expectError('ERR_ARGUMENT', /centering to be at least 0/, run([0, 1], [1], wrong));
    expectError('ERR_SHAPE', /scores to be \[n\] but it is \[1, 2\]/, () =>
      native.rankingLoss({
        scores: tensor([1, 2], [1, 2]),
        pairs: i32([0, 1]),
        centering: 0,
        scale: 1,
        needGradient: true,
      }),
    );
  });
});

describe('ktoLoss', () => {
  const [beta, baseline] = [0.3, 0.7];
  const answerLoss = (weight: number, h: number) =>
    Math.abs(weight) * sigmoid(-Math.sign(weight) * beta * (h - baseline));
  const run = (sums: ArrayLike<number>, reference: ArrayLike<number>, weights: ArrayLike<number>) =>
    native.ktoLoss({
      ...{ sums: f32(sums), reference: f32(reference), weights: f32(weights) },
      ...{ beta, baseline, scale, needGradient: true },
    });

  it('has loss, rewards, gradient and count of double precision', () => {
    forEachIsa(native, (isa) => {
      for (const m of oddSizes) {
        const [sums, reference] = [randomNormal(m, 5, 6, -40), randomNormal(m, 6, 6, -40)];
        const weights = randomNormal(m, 7);
        const h = Array.from(sums, (v, i) => v - reference[i]!);
        const what = `${isa} ${m}`;
        const [loss, rewards, dsums, correct] = run(sums, reference, weights);
        const wanted = scale * h.reduce((sum, v, i) => sum + answerLoss(weights[i]!, v), 0);
        expectClose([loss], [wanted], 1e-12, 1e-15, what);
        expect(correct, what).toBe(h.filter((v, i) => Math.sign(weights[i]!) * (v - baseline) > 0).length);
        expectClose(
          rewards,
          Float64Array.from(h, (v) => beta * v),
          ULP,
          0,
          what,
        );
        const slopes = h.map((v, i) => {
          const [slope] = finiteDifferences(([x]) => answerLoss(weights[i]!, x!), [v], 1e-5);
          return scale * slope!;
        });
        expectClose(dsums!, slopes, 1e-6, 1e-8, what);
      }
    });
  });

  it('is stable far from the baseline, zero without answers, and lets through what is no number', () => {
    const [loss, , dsums] = run([1e5, -1e5, 1e5], [0, 0, 0], [1, 1, -1]);
    expectClose([loss], [2 * scale], 1e-15);
    expect([...values(dsums!)].map(Math.abs)).toEqual([0, 0, 0]);
    expect(run([], [], [])[0]).toBe(0);
    expect(run([nan], [0], [1])[0]).toBeNaN();
  });

  it('refuses shapes that do not fit', () => {
    expectError('ERR_SHAPE', /weights/, () => run([1, 2], [1, 2], [1]));
    expectError('ERR_SHAPE', /\[2\].*\[1\]|\[1\].*\[2\]/, () => run([1, 2], [1], [1, 1]));
  });
});

describe('dpoLoss', () => {
  const beta = 0.3;
  const pairLoss = (kind: DpoKind, smoothing: number, h: number): number => {
    if (kind === 'ipo') return (h - 1 / (2 * beta)) ** 2;
    if (kind === 'hinge') return Math.max(0, 1 - beta * h);
    return (1 - smoothing) * softplus(-beta * h) + smoothing * softplus(beta * h);
  };
  const leads = (sums: ArrayLike<number>, reference: ArrayLike<number>) => {
    const m = sums.length / 2;
    return Array.from({ length: m }, (_, p) => sums[p]! - reference[p]! - (sums[m + p]! - reference[m + p]!));
  };

  it('has loss, rewards, gradient and count of double precision', () => {
    forEachIsa(native, (isa) => {
      for (const m of oddSizes) {
        const sums = randomNormal(2 * m, 5, 6, -40);
        const reference = randomNormal(2 * m, 6, 6, -40);
        const h = leads(sums, reference);
        for (const [kind, smoothing] of [
          ['sigmoid', 0],
          ['sigmoid', 0.1],
          ['ipo', 0],
          ['hinge', 0],
        ] as const) {
          const what = `${isa} ${kind} ${smoothing} ${m}`;
          const [loss, rewards, dsums, correct] = native.dpoLoss({
            sums: f32(sums),
            reference: f32(reference),
            beta,
            kind,
            labelSmoothing: smoothing,
            scale,
            needGradient: true,
          });
          const wanted = scale * h.reduce((sum, v) => sum + pairLoss(kind, smoothing, v), 0);
          expectClose([loss], [wanted], 1e-12, 1e-15, what);
          expect(correct, what).toBe(h.filter((v) => v > 0).length);
          const wantedRewards = Float64Array.from(sums, (v, i) => beta * (v - reference[i]!));
          expectClose(rewards, wantedRewards, ULP, 0, what);
          const slopes = h.map((v) => {
            const [slope] = finiteDifferences(([x]) => pairLoss(kind, smoothing, x!), [v], 1e-5);
            return scale * slope!;
          });
          expectClose(dsums!, [...slopes, ...slopes.map((slope) => -slope)], 1e-6, 1e-8, what);
        }
      }
    });
  });

  it('costs log 2 a pair where the policy is the reference, and is stable far from it', () => {
    const same = f32([-3, -4, -5, -6]);
    const [loss, rewards, dsums, correct] = native.dpoLoss({
      sums: same,
      reference: same,
      beta,
      kind: 'sigmoid',
      labelSmoothing: 0,
      scale: 1,
      needGradient: true,
    });
    expectClose([loss], [2 * Math.log(2)], 1e-15);
    expect([...values(rewards), correct]).toEqual([0, 0, 0, 0, 0]);
    expectClose(dsums!, [-beta / 2, -beta / 2, beta / 2, beta / 2], ULP);
    const [won, , dwon] = native.dpoLoss({
      sums: f32([1e5, 0]),
      reference: f32([0, 0]),
      beta,
      kind: 'sigmoid',
      labelSmoothing: 0,
      scale: 1,
      needGradient: true,
    });
    expect([won, ...values(dwon!).map(Math.abs)]).toEqual([0, 0, 0]);
    const [lost, , dlost] = native.dpoLoss({
      sums: f32([-1e5, 0]),
      reference: f32([0, 0]),
      beta,
      kind: 'sigmoid',
      labelSmoothing: 0,
      scale: 1,
      needGradient: true,
    });
    expectClose([lost, ...values(dlost!)], [beta * 1e5, -beta, beta], ULP);
  });

  it('is zero without pairs and lets through what is no number', () => {
    const [loss, rewards, dsums, correct] = native.dpoLoss({
      sums: f32([]),
      reference: f32([]),
      beta,
      kind: 'sigmoid',
      labelSmoothing: 0,
      scale: 1,
      needGradient: true,
    });
    expect([loss, values(rewards).length, values(dsums!).length, correct]).toEqual([0, 0, 0, 0]);
    for (const kind of ['sigmoid', 'ipo', 'hinge'] as const) {
      const [none] = native.dpoLoss({
        sums: f32([nan, 0]),
        reference: f32([0, 0]),
        beta,
        kind,
        labelSmoothing: 0,
        scale: 1,
        needGradient: true,
      });
      expect(none, kind).toBeNaN();
    }
  });

  it('names what does not fit', () => {
    const two = f32([1, 2]);
    const run = (beta: number, kind: DpoKind, smoothing: number) => () =>
      native.dpoLoss({
        sums: two,
        reference: two,
        beta,
        kind,
        labelSmoothing: smoothing,
        scale: 1,
        needGradient: true,
      });
    expectError('ERR_SHAPE', /sums to be \[2 pairs\] but it is \[3\]/, () =>
      native.dpoLoss({
        sums: f32([1, 2, 3]),
        reference: f32([1, 2, 3]),
        beta,
        kind: 'sigmoid',
        labelSmoothing: 0,
        scale: 1,
        needGradient: true,
      }),
    );
    expectError('ERR_SHAPE', /\[2\] and \[4\]/, () =>
      native.dpoLoss({
        sums: two,
        reference: f32([1, 2, 3, 4]),
        beta,
        kind: 'sigmoid',
        labelSmoothing: 0,
        scale: 1,
        needGradient: true,
      }),
    );
    for (const wrong of [0, -1, nan])
      expectError('ERR_ARGUMENT', /beta to be above 0/, run(wrong, 'sigmoid', 0));
    for (const wrong of [-0.1, 0.5, nan])
      expectError('ERR_ARGUMENT', /labelSmoothing to be at least 0 and below 0.5/, run(1, 'sigmoid', wrong));
    expectError(
      'ERR_ARGUMENT',
      /kind to be 'sigmoid', 'ipo' or 'hinge' but got 'kto'/,
      run(1, 'kto' as DpoKind, 0),
    );
    expectError('ERR_ARGUMENT', /labelSmoothing is defined for the kind sigmoid only/, run(1, 'ipo', 0.1));
  });
});

describe('segmentSum and segmentBroadcast', () => {
  it('sum each segment and hand its number back to its elements', () => {
    forEachIsa(native, (isa) => {
      for (const n of [...oddSizes, 10_000]) {
        const x = randomNormal(n, 7);
        const third = Math.floor(n / 3);
        const starts = [0, 0, third, third, n - 1, n, n];
        const sums = starts.slice(1).map((end, s) => x.slice(starts[s]!, end).reduce((sum, v) => sum + v, 0));
        expectClose(native.segmentSum(f32(x), i32(starts)), sums, ULP / 2, 1e-12, `${isa} ${n}`);
        const owner = Array.from(x, (_, i) => starts.findLastIndex((start) => start <= i));
        const spread = native.segmentBroadcast(f32([9, 1, 2, 3, 4, 5]), i32(starts));
        const numbers = [9, 1, 2, 3, 4, 5];
        expect([...values(spread)], `${isa} ${n}`).toEqual(owner.map((s) => numbers[s]!));
      }
    });
  });

  it('know no segments and none but empty ones', () => {
    expect(values(native.segmentSum(f32([]), i32([0])))).toHaveLength(0);
    expect([...values(native.segmentSum(f32([]), i32([0, 0, 0])))]).toEqual([0, 0]);
    expect(values(native.segmentBroadcast(f32([]), i32([0])))).toHaveLength(0);
    expect(values(native.segmentBroadcast(f32([1, 2]), i32([0, 0, 0])))).toHaveLength(0);
  });

  it('name what does not fit', () => {
    const x = f32([1, 2, 3]);
    const sum = (starts: number[]) => () => native.segmentSum(x, i32(starts));
    expectError('ERR_ARGUMENT', /run from 0 to 3 but they run from 1 to 3/, sum([1, 3]));
    expectError('ERR_ARGUMENT', /run from 0 to 3 but they run from 0 to 4/, sum([0, 4]));
    expectError('ERR_ARGUMENT', /rise but entry 2 is -5 after 1/, sum([0, 1, -5, 3]));
    expectError('ERR_SHAPE', /starts to be \[segments \+ 1\] but it is \[0\]/, sum([]));
    expectError('ERR_SHAPE', /starts to be \[4\] but it is \[3\]/, () =>
      native.segmentBroadcast(x, i32([0, 1, 2])),
    );
    expectError('ERR_ARGUMENT', /run from 0 to -2|rise/, () =>
      native.segmentBroadcast(f32([1]), i32([0, -2])),
    );
  });
});

it('has the same bits for any number of threads', () => {
  const n = 30_001;
  const x = randomNormal(n, 8);
  const pairs = randomIntegers(2 * n, 9, n);
  const starts = Int32Array.from({ length: 1001 }, (_, s) => Math.floor((s * n) / 1000));
  expectSameForThreads(native, () => {
    const [loss, dscores] = native.rankingLoss({
      scores: f32(x),
      pairs: i32(pairs),
      centering: 0.01,
      scale,
      needGradient: true,
    });
    const even = f32(x.subarray(1));
    const [dpo, rewards, dsums] = native.dpoLoss({
      sums: even,
      reference: f32(x.subarray(0, n - 1)),
      beta: 0.1,
      kind: 'sigmoid',
      labelSmoothing: 0.1,
      scale,
      needGradient: true,
    });
    const sums = native.segmentSum(f32(x), i32(starts));
    return [
      dscores!,
      rewards,
      dsums!,
      sums,
      native.segmentBroadcast(sums, i32(starts)),
      tensor([2], [loss, dpo]),
    ];
  });
});
