/** A Trainer with a small stage of its own: a line through points. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/base/json.ts';
import { Initializer } from '../../../src/nn/init.ts';
import { Linear } from '../../../src/nn/layers.ts';
import { readMetrics } from '../../../src/report/metrics-log.ts';
import { mul, sub, sum, scale as times } from '../../../src/tensor/ops/elementwise.ts';
import { type Tensor, tensor } from '../../../src/tensor/tensor.ts';
import type { TrainEvent } from '../../../src/train/loop/events.ts';
import type { TrainStage } from '../../../src/train/loop/stage.ts';
import { Trainer, type TrainerOptions } from '../../../src/train/loop/trainer.ts';
import { rng } from '../../helpers/reference.ts';

interface Points {
  x: Tensor;
  y: Tensor;
}

/** Nothing but parameters, nextBatch and loss. */
class Line implements TrainStage<Points> {
  readonly model = new Linear(4, 1, new Initializer(0), { std: 0.1, bias: true });
  readonly parameters = this.model.parameters();
  protected given = 0;

  /** Eight points of y = x0 - 2 x1 + 3 x2 - 4 x3 + 5. */
  nextBatch(): Points {
    this.given += 1;
    const random = rng(this.given);
    const x = Float32Array.from({ length: 32 }, () => random.normal());
    const y = Float32Array.from({ length: 8 }, (_, row) =>
      [1, -2, 3, -4].reduce((total, weight, i) => total + weight * x[4 * row + i]!, 5),
    );
    return { x: tensor(x, [8, 4]), y: tensor(y, [8, 1]) };
  }

  loss({ x, y }: Points, scale: number): Tensor {
    const error = sub(this.model.forward(x), y);
    return times(sum(mul(error, error)), scale / 8);
  }
}

/** The same with what a resumed run needs. */
class ResumableLine extends Line {
  state(): JsonValue {
    return this.given;
  }

  restore(state: JsonValue): void {
    this.given = state as number;
  }
}

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-trainer-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Trains to the end and returns what came of it. */
async function train(stage: Line, options: TrainerOptions) {
  const events: TrainEvent[] = [];
  const trainer = new Trainer(stage, { lr: 0.1, ...options, onEvent: (event) => events.push(event) });
  const resumedAt = trainer.resume();
  const result = await trainer.run();
  trainer.dispose();
  return { result, events, resumedAt, weights: stage.model.weight.toFloats() };
}

const losses = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));

describe('a stage of one’s own', () => {
  it('needs no more than parameters, batches and a loss, and without a folder nothing is written', async () => {
    const before = readdirSync(root);
    const { result, events, weights } = await train(new Line(), { steps: 200 });
    expect(result).toMatchObject({ step: 200, interrupted: false, tokens: 0 });
    expect(losses(events)).toHaveLength(200);
    expect(losses(events)[0]).toBeGreaterThan(10);
    expect(result.loss).toBeLessThan(0.2);
    for (const [i, weight] of [1, -2, 3, -4].entries()) expect(weights[i]).toBeCloseTo(weight, 0);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['step']));
    expect(readdirSync(root)).toEqual(before);
  });

  it('writes checkpoints and metrics into a folder and tells of them', async () => {
    const out = join(root, 'written');
    const { events } = await train(new Line(), { steps: 10, saveEvery: 4, out });
    const saved = events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : []));
    expect(saved).toEqual([4, 8, 10]);
    expect(readdirSync(join(out, 'checkpoints'))).toEqual(['step-00000008', 'step-00000010']);
    expect(readMetrics(out).records.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('is resumed with its parameters, its place in the data and the same bits', async () => {
    const whole = await train(new ResumableLine(), { steps: 20, out: join(root, 'whole') });
    const out = join(root, 'resumed');
    const half = new AbortController();
    const options: TrainerOptions = { steps: 20, out };
    const first = new Trainer(new ResumableLine(), {
      ...options,
      lr: 0.1,
      signal: half.signal,
      onEvent: (event) => event.type === 'step' && event.step === 7 && half.abort(),
    });
    expect(first.resume()).toBeUndefined();
    expect(await first.run()).toMatchObject({ step: 7, interrupted: true });
    first.dispose();
    const second = await train(new ResumableLine(), options);
    expect(second.resumedAt).toBe(7);
    expect(second.events[0]).toEqual({ type: 'note', text: 'resumed at step 7' });
    expect(second.weights).toEqual(whole.weights);
    expect(losses(second.events)).toEqual(losses(whole.events).slice(7));
  });

  it('never saves weights that are not finite, and keeps the checkpoint before them', async () => {
    const out = join(root, 'broken');
    await train(new ResumableLine(), { steps: 2, out });
    // The gradient of the step is finite; the update leaves the range of f32.
    const trainer = new Trainer(new ResumableLine(), { steps: 3, lr: 1e39, out });
    expect(trainer.resume(undefined, { newLength: true })).toBe(2);
    await expect(trainer.run()).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringMatching(/after step 3, .*weight holds a value that is NaN or infinite/),
    });
    trainer.dispose();
    expect(readdirSync(join(out, 'checkpoints'))).toEqual(['step-00000002']);
    const again = await train(new ResumableLine(), { steps: 2, out });
    expect(again.resumedAt).toBe(2);
    expect(again.weights.every(Number.isFinite)).toBe(true);
  });

  it('reports evaluations, samples and warnings, each with its step', async () => {
    const stage: TrainStage<Points> = Object.assign(new Line(), {
      evaluate: async () => ({ metrics: { val_loss: 1 }, score: 1 }),
      sample: async () => [{ prompt: 'x', text: 'y' }],
      stepEvents: () => [{ event: 'warning', text: 'mind the gap' }],
    });
    const events: TrainEvent[] = [];
    const trainer = new Trainer(stage, { steps: 2, onEvent: (event) => events.push(event) });
    await trainer.run();
    trainer.dispose();
    expect(events.filter(({ type }) => type !== 'step')).toEqual([
      { type: 'warning', step: 1, text: 'mind the gap' },
      { type: 'warning', step: 2, text: 'mind the gap' },
      { type: 'evaluation', step: 2, metrics: { val_loss: 1 } },
      { type: 'samples', step: 2, samples: [{ prompt: 'x', text: 'y' }] },
    ]);
  });

  it('makes the next batches during a step, and saves as if it had not', async () => {
    class Ahead extends ResumableLine {
      readonly prefetch = true;
      readonly log: string[] = [];

      override nextBatch(): Points {
        this.log.push(`batch ${this.given + 1}`);
        return super.nextBatch();
      }

      override loss(points: Points, scale: number): Tensor {
        this.log.push('loss');
        return super.loss(points, scale);
      }

      afterUpdate(): void {
        this.log.push('update');
      }
    }
    const whole = await train(new Ahead(), { steps: 6, gradAccum: 2 });
    const out = join(root, 'ahead');
    const stop = new AbortController();
    const stage = new Ahead();
    const first = new Trainer(stage, {
      steps: 6,
      gradAccum: 2,
      lr: 0.1,
      out,
      signal: stop.signal,
      onEvent: (event) => event.type === 'step' && event.step === 2 && stop.abort(),
    });
    await first.run();
    first.dispose();
    const [made, taken] = ['batch', 'loss'].map((what) => stage.log.filter((line) => line.startsWith(what)));
    expect([made!.length, taken!.length]).toEqual([6, 4]);
    expect(stage.log.slice(0, 6)).toEqual(['batch 1', 'batch 2', 'loss', 'loss', 'batch 3', 'batch 4']);
    const second = new Ahead();
    const rest = await train(second, { steps: 6, gradAccum: 2, out });
    expect(rest.resumedAt).toBe(2);
    expect(second.log[0]).toBe('batch 5');
    expect(second.log.filter((line) => line.startsWith('batch')).at(-1)).toBe('batch 12');
    expect(rest.weights).toEqual(whole.weights);
  });

  it('waits for batches that come later, and passes on what goes wrong in making one, a step later', async () => {
    const steps: number[] = [];
    let made = 0;
    const broken: TrainStage<Points> = Object.assign(new Line(), {
      prefetch: true,
      nextBatch: async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (++made === 4) throw new Error('the disk is gone');
        return new Line().nextBatch();
      },
    });
    const trainer = new Trainer(broken, {
      steps: 9,
      onEvent: (event) => event.type === 'step' && steps.push(event.step),
    });
    await expect(trainer.run()).rejects.toThrow('the disk is gone');
    trainer.dispose();
    expect(steps).toEqual([1, 2, 3]);
  });

  it('disposes of batches that own memory, also of those that were made ahead in vain', async () => {
    const open = new Set<number>();
    class Owned implements TrainStage<Points & Disposable> {
      readonly #line = new Line();
      readonly parameters = this.#line.parameters;
      readonly prefetch = true;
      #made = 0;

      nextBatch() {
        const number = ++this.#made;
        open.add(number);
        const points = this.#line.nextBatch();
        return Object.assign(points, { [Symbol.dispose]: () => void open.delete(number) });
      }

      loss(points: Points, scale: number): Tensor {
        return this.#line.loss(points, scale);
      }
    }
    const stop = new AbortController();
    const trainer = new Trainer(new Owned(), {
      steps: 5,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type !== 'step') return;
        expect([...open]).toEqual([event.step + 1]);
        if (event.step === 3) stop.abort();
      },
    });
    await trainer.run();
    trainer.dispose();
    expect(open.size).toBe(0);
  });

  it('stops where no evaluation is better any more', async () => {
    const stage = Object.assign(new Line(), {
      evaluate: async () => ({ metrics: { val_loss: 1 }, score: 1 }),
    });
    const { result } = await train(stage, { steps: 50, evalEvery: 5, patience: 2 });
    expect(result.step).toBe(15);
  });

  it('refuses a run without an end', () => {
    expect(() => new Trainer(new Line(), {})).toThrow(/exactly one of/);
  });
});
