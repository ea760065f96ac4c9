import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { backward, checkpoint, noGrad } from '../../src/tensor/autograd.ts';
import { geglu, gelu, geluErf, relu, swiglu } from '../../src/tensor/ops/activation.ts';
import { causalSelfAttention } from '../../src/tensor/ops/attention.ts';
import { add, axpby, cast, mean, mul, scale, sub, sum } from '../../src/tensor/ops/elementwise.ts';
import { embedding } from '../../src/tensor/ops/embedding.ts';
import { geluFeedForward, linear } from '../../src/tensor/ops/linear.ts';
import { linearCrossEntropy, linearLogProb } from '../../src/tensor/ops/loss.ts';
import { layerNorm, rmsNorm } from '../../src/tensor/ops/norm.ts';
import { gatherRows, reshape } from '../../src/tensor/ops/rows.ts';
import { keep, parameter, scope, Tensor, tensor, zeros } from '../../src/tensor/tensor.ts';
import { onCuda, onEmulator } from '../helpers/device.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { expectGradients } from '../helpers/gradient-check.ts';
import { randomIntegers, randomNormal } from '../helpers/reference.ts';

let stream = 0;
const param = (...shape: number[]) => {
  stream += 1;
  return parameter(
    tensor(
      randomNormal(
        shape.reduce((a, b) => a * b, 1),
        stream,
      ),
      shape,
    ),
  );
};
const constant = (...shape: number[]) => {
  stream += 1;
  return keep(
    tensor(
      randomNormal(
        shape.reduce((a, b) => a * b, 1),
        stream,
      ),
      shape,
    ),
  );
};
const ints = (values: ArrayLike<number>) => keep(tensor(Int32Array.from(values)));
/** A scalar with a gradient that differs from element to element. */
const weighed = (t: Tensor, weights: Tensor) => sum(mul(t, weights));

afterEach(() => native.setNumThreads(0));

describe('gradients of operations agree with finite differences', () => {
  it('axpby, add, sub, mul, scale, mean', () => {
    const [a, b, w] = [param(3, 5), param(3, 5), constant(3, 5)];
    expectGradients(() => weighed(axpby(mul(a, b), 2, sub(a, scale(b, 3)), -1), w), { a, b });
    expectGradients(() => mean(mul(add(a, a), a)), { a });
  });

  it('cast, reshape, gatherRows with repeated rows', () => {
    const [a, w] = [param(4, 6), constant(3, 6)];
    expectGradients(() => weighed(gatherRows(reshape(reshape(a, [2, 12]), [4, 6]), ints([2, 0, 2])), w), {
      a,
    });
    // bf16 has 8 bits, so the difference is of the gradient's own cast.
    const loss = scope(() => {
      const value = sum(cast(cast(a, 'bf16'), 'f32'));
      a.grad = undefined;
      backward(value);
      return a.grad!.toFloats();
    });
    expect([...loss]).toEqual(Array(24).fill(1));
  });

  it('relu, gelu, swiglu, geglu', () => {
    const [x, w, half] = [param(4, 10), constant(4, 10), constant(4, 5)];
    expectGradients(() => weighed(gelu(x), w), { x });
    expectGradients(() => weighed(geluErf(x), w), { x });
    expectGradients(() => weighed(swiglu(x), half), { x });
    expectGradients(() => weighed(geglu(x), half), { x });
    expectGradients(() => weighed(relu(x), w), { x }, { step: 1e-3 });
  });

  it('linear and the GELU feed-forward', () => {
    const [x, weight, bias, w] = [param(5, 7), param(3, 7), param(3), constant(5, 3)];
    expectGradients(() => weighed(linear(x, weight, bias), w), { x, weight, bias });
    const [up, upBias, down, downBias] = [param(9, 7), param(9), param(3, 9), param(3)];
    expectGradients(() => weighed(geluFeedForward(x, { up, upBias, down, downBias }), w), {
      x,
      up,
      upBias,
      down,
      downBias,
    });
  });

  it('layer norm and RMS norm, through both of their outputs', () => {
    const [x, delta, weight, bias] = [param(4, 8), param(4, 8), param(8), param(8)];
    const [w, v] = [constant(4, 8), constant(4, 8)];
    const both = ({ y, sum: total }: { y: Tensor; sum: Tensor }) => add(weighed(y, w), weighed(total, v));
    expectGradients(() => both(layerNorm(x, delta, weight, bias)), { x, delta, weight, bias });
    expectGradients(() => both(rmsNorm(x, delta, weight)), { x, delta, weight });
    expectGradients(() => both(rmsNorm(x, delta, weight, 1e-5, 1)), { x, delta, weight });
    expectGradients(() => weighed(layerNorm(x, undefined, weight).y, w), { x, weight });
  });

  // Attention takes bf16 on CUDA.
  it.skipIf(onCuda)('attention with rotary positions over packed sequences', () => {
    const qkv = param(7, 4 * 8);
    const index = { positions: ints([0, 1, 2, 3, 0, 1, 2]), cuSeqlens: ints([0, 4, 7]) };
    const shape = { heads: 2, kvHeads: 1, headDim: 8 };
    const table = keep(new Tensor(native.ropeTable(8, 8, 100)));
    const w = constant(7, 16);
    // The operation consumes its input, so each pass gets a copy.
    expectGradients(() => weighed(causalSelfAttention(scale(qkv, 1), index, shape, table), w), { qkv });
    // Four of eight channels rotate, a token sees two, and scores are capped.
    const part = keep(new Tensor(native.ropeTable(8, 4, 100, [1, 0.5], 1.25)));
    const other = { ...shape, window: 2, softcap: 1.5, scale: 0.7 };
    expectGradients(() => weighed(causalSelfAttention(scale(qkv, 1), index, other, part), w), { qkv });
  });

  it('embedding with repeated tokens, and the fused cross-entropy with ignored targets and weights', () => {
    const [table, places, head] = [param(6, 4), param(3, 4), param(6, 4)];
    const tokens = ints([1, 5, 1]);
    const w = constant(3, 4);
    expectGradients(() => weighed(embedding(tokens, table, ints([0, 1, 2]), places, 'f32'), w), {
      table,
      places,
    });
    const x = param(5, 4);
    const targets = ints([0, 5, -100, 2, 2]);
    const tokenWeights = keep(tensor([1, 0.5, 3, 2, 1]));
    for (const softcap of [undefined, 1.5]) {
      const options = { tokenWeights, scale: 0.3, softcap };
      expectGradients(() => scale(linearCrossEntropy(x, head, targets, options).loss, 2), { x, head });
    }
    const up = constant(5);
    expectGradients(() => weighed(linearLogProb(x, head, targets, 0.7, 1.5).logProbs, up), { x, head });
    expectGradients(() => weighed(linearLogProb(x, head, targets, 0.7, 1.5).entropies, up), { x, head });
  });
});

describe('the graph', () => {
  it('adds up what reaches a tensor by several ways', () => {
    const a = parameter(tensor([3]));
    const b = mul(a, a);
    backward(add(mul(b, a), b));
    // d(a^3 + a^2)/da = 3 * 9 + 2 * 3
    expect(a.grad!.item()).toBe(33);
  });

  it('accumulates over calls until the gradient is dropped', () => {
    const a = parameter(tensor([2]));
    for (let i = 0; i < 3; ++i) backward(scale(a, 5));
    expect(a.grad!.item()).toBe(15);
  });

  it('shares no memory between the gradients of two leaves', () => {
    const [a, b] = [parameter(tensor([1])), parameter(tensor([1]))];
    const total = add(layerNorm(reshape(a, [1, 1]), reshape(b, [1, 1]), zeros([1])).sum, zeros([1, 1]));
    backward(reshape(total, [1]));
    backward(scale(a, 1));
    expect([a.grad!.item(), b.grad!.item()]).toEqual([2, 1]);
  });

  it('says when there is nothing to differentiate, and when the root is no scalar', () => {
    const a = parameter(tensor([1, 2]));
    expect(() => backward(scale(a, 1))).toThrow(/one element but got \[2\]/);
    expect(() => noGrad(() => backward(sum(a)))).toThrow(/nothing here requires a gradient/);
  });
});

describe('onGradient', () => {
  /** What a pass reports: each leaf's name, and its gradient at that moment. */
  function reported(leaves: Record<string, Tensor>, root: () => Tensor, batches = 1) {
    const calls: [string, Float32Array][] = [];
    const onGradient = (leaf: Tensor) => {
      const [name] = Object.entries(leaves).find(([, one]) => one === leaf)!;
      calls.push([name, leaf.grad!.toFloats()]);
    };
    for (let i = 1; i <= batches; ++i) scope(() => backward(root(), i === batches ? { onGradient } : {}));
    const final = Object.fromEntries(Object.entries(leaves).map(([name, leaf]) => [name, leaf.grad]));
    for (const [name, grad] of calls) expect([...grad]).toEqual([...final[name]!.toFloats()]);
    return { names: calls.map(([name]) => name), calls };
  }

  it('reports each leaf once and finally, the last layer first, while the pass goes on', () => {
    const [x, a, b, c] = [constant(4, 4), param(4, 4), param(4, 4), param(4, 4)];
    const leaves = { a, b, c };
    const root = () => sum(linear(gelu(linear(gelu(linear(x, a)), b)), c));
    let before: string[] = [];
    backward(root(), {
      onGradient: (leaf) => {
        if (leaf === c) before = Object.keys(leaves).filter((name) => leaves[name as 'a'].grad);
      },
    });
    expect(before).toEqual(['c']);
    expect(reported(leaves, root).names).toEqual(['c', 'b', 'a']);
    expect(reported(leaves, root).names).toEqual(['c', 'b', 'a']);
  });

  it('waits for the last use of a weight that is used several times', () => {
    const [table, middle] = [param(6, 4), param(4, 4)];
    const [tokens, targets] = [ints([1, 5, 1]), ints([2, 0, 3])];
    const root = () =>
      linearCrossEntropy(
        linear(embedding(tokens, table, undefined, undefined, 'f32'), middle),
        table,
        targets,
      ).loss;
    expect(reported({ table, middle }, root).names).toEqual(['middle', 'table']);
    const square = param(3);
    expect(reported({ square }, () => sum(mul(square, square))).names).toEqual(['square']);
  });

  it('knows the weights inside of a recomputed part, also of two parts that share one', () => {
    const [x, shared, own, last] = [param(4, 4), param(4, 4), param(4, 4), param(4, 4)];
    const root = () => {
      const [first] = checkpoint((value) => [gelu(linear(value!, shared))], [x]);
      const [second] = checkpoint((value) => [gelu(linear(linear(value!, shared), own))], [first!]);
      return sum(linear(second!, last));
    };
    expect(reported({ x, shared, own, last }, root).names).toEqual(['last', 'own', 'x', 'shared']);
  });

  it('is given to the last of several accumulated batches, and reports their sum', () => {
    const w = param(3, 3);
    const x = constant(2, 3);
    const { calls } = reported({ w }, () => sum(linear(x, w)), 3);
    w.grad = undefined;
    const once = reported({ w }, () => sum(linear(x, w)));
    expect(calls).toHaveLength(1);
    once.calls[0]![1].forEach((value, i) => {
      expect(calls[0]![1][i]).toBeCloseTo(3 * value, 5);
    });
  });

  it('says nothing of a leaf that gets no gradient', () => {
    const [used, unused] = [param(3), param(3)];
    noGrad(() => scale(unused, 2));
    expect(reported({ used, unused }, () => sum(scale(used, 2))).names).toEqual(['used']);
  });
});

describe('scopes', () => {
  const live = () => native.memoryStats()[0];
  beforeEach(collectGarbage);

  it('free what was made inside but for what they return, also after an exception', () => {
    const before = live();
    const kept = scope(() => {
      const a = zeros([1000]);
      zeros([1000]);
      return { list: [a] };
    });
    expect(kept.list[0]!.disposed).toBe(false);
    expect(live() - before).toBeLessThan(8000);
    kept.list[0]!.dispose();
    let escaped: Tensor | undefined;
    expect(() =>
      scope(() => {
        escaped = zeros([1000]);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(escaped!.disposed).toBe(true);
    expect(() => escaped!.read()).toThrow(/was disposed/);
    expect(live()).toBe(before);
  });

  it('hand what they return to the scope around them', () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => zeros([4]));
      expect(inner.disposed).toBe(false);
    });
    expect(inner!.disposed).toBe(true);
  });

  it.skipIf(onEmulator)('a thousand training steps leave memory where it was', () => {
    const [x, w] = [param(16, 32), param(32, 32)];
    const step = () => {
      scope(() => backward(sum(linear(gelu(linear(x, w)), w))));
      for (const p of [x, w]) {
        p.grad!.dispose();
        p.grad = undefined;
      }
    };
    for (let i = 0; i < 10; ++i) step();
    const before = live();
    for (let i = 0; i < 1000; ++i) step();
    expect(live()).toBe(before);
  });

  it.skipIf(onCuda)('a kernel whose tasks find no memory fails, and the engine goes on', () => {
    const [x, w] = [constant(4096, 512), constant(512, 512)];
    const run = () => scope(() => linear(x, w).toFloats()[0]!);
    const before = run();
    const [heads, tokens] = [2, 4096];
    const qkv = constant(tokens, 3 * heads * 64);
    const attend = () =>
      native.attentionForward({
        qkv: qkv.handle,
        cuSeqlens: ints([0, tokens]).handle,
        ...{ heads, kvHeads: heads, scale: 0.125 },
      });
    // Enough for the outputs and not for the tiles that each task packs.
    const [allocated] = native.memoryStats();
    native.setMemoryLimit(allocated + tokens * heads * 65 * 4 + (1 << 19));
    try {
      expect(attend).toThrow(/ERR_OUT_OF_MEMORY|asked for/);
    } finally {
      native.setMemoryLimit(0);
    }
    for (const made of attend()) made.dispose();
    expect(run()).toBe(before);
  });

  // The limit is of the allocator of the CPU.
  it.skipIf(onCuda)('memory beyond the limit is refused with the amount and the knobs', async () => {
    await collectGarbage();
    const [allocated, , , limit] = native.memoryStats();
    native.setMemoryLimit(allocated + (1 << 20));
    try {
      expect(() => zeros([1 << 20])).toThrow(
        /asked for 4 MiB .*lower the batch size.*scope\(\) and dispose\(\)/,
      );
    } finally {
      native.setMemoryLimit(0);
    }
    expect(native.memoryStats()[3]).toBe(limit);
    expect(randomIntegers(1, 1, 2)).toHaveLength(1);
  });
});

it('a recomputed part in which nothing trains stops the gradient', () => {
  const [x, w] = [constant(4), param(4)];
  scope(() => {
    const [inside] = checkpoint((value) => [scale(value!, 3)], [x]);
    backward(sum(mul(inside!, w)));
  });
  expect([...w.grad!.toFloats()]).toEqual([...x.toFloats().map((v) => 3 * v)]);
  expect(x.grad).toBeUndefined();
});
