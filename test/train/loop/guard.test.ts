import { describe, expect, it } from 'vitest';
import { Budget } from '../../../src/train/loop/budget.ts';
import { Guard, type GuardOptions } from '../../../src/train/loop/guard.ts';
import { rng } from '../../helpers/reference.ts';

const options = (onSpike: GuardOptions['onSpike']): GuardOptions => ({
  onSpike,
  spikeThreshold: 6,
  spikeWindow: 64,
});

/** A guard after a steady run. */
function settled(onSpike: GuardOptions['onSpike'], seed = 1): Guard {
  const guard = new Guard(options(onSpike));
  const random = rng(seed);
  for (let step = 1; step <= 50; ++step) {
    const verdict = guard.observe(step, 3 + 0.05 * random.normal(), 1 + 0.1 * random.normal());
    expect(verdict).toEqual({ skip: false, stop: false });
  }
  return guard;
}

describe('guard', () => {
  it('warns of, skips or stops at a jump of the loss or the gradient norm, as told', () => {
    expect(settled('warn').observe(51, 9, 1)).toMatchObject({
      skip: false,
      stop: false,
      warning: /step 51: loss 9 is/,
    });
    expect(settled('skip').observe(51, 3, 40)).toMatchObject({
      skip: true,
      stop: false,
      warning: /gradient norm 40/,
    });
    expect(settled('stop').observe(51, 9, 1)).toMatchObject({ stop: true });
  });

  it('never lets a value through that is not finite, and stops after twenty in a row', () => {
    const guard = settled('warn');
    for (let i = 1; i <= 20; ++i) {
      const verdict = guard.observe(50 + i, Number.NaN, Number.POSITIVE_INFINITY);
      expect(verdict).toMatchObject({
        skip: true,
        stop: i === 20,
        warning: /loss NaN is not finite; the update is skipped/,
      });
    }
    expect(settled('stop').observe(51, 3, Number.NaN)).toMatchObject({ skip: true, stop: true });
  });

  it('goes on from its state with the same verdicts', () => {
    const guard = settled('skip');
    const copy = new Guard(options('skip'));
    copy.restore(JSON.parse(JSON.stringify(guard.state())));
    const random = rng(7);
    for (let step = 51; step < 150; ++step) {
      const [loss, norm] = [3 + random.normal() ** 3, 1 + random.normal() ** 2];
      expect(copy.observe(step, loss, norm)).toEqual(guard.observe(step, loss, norm));
    }
  });
});

describe('budget', () => {
  it('turns tokens into steps, and time into steps once some are measured', () => {
    expect(new Budget({ steps: 7 }, { tokensPerStep: 100 }).totalSteps).toBe(7);
    expect(new Budget({ tokens: 1001 }, { tokensPerStep: 100 }).totalSteps).toBe(11);
    const timed = new Budget({ seconds: 100 }, { tokensPerStep: 100 });
    [5, 1, 1.2, 1.1].forEach((seconds, i) => {
      expect(timed.totalSteps).toBeUndefined();
      timed.observe(i + 1, seconds);
    });
    // 100 s, nine tenths of it for steps of 1 s, after the four.
    expect(timed.totalSteps).toBe(4 + 89);
  });

  it('of passes is steps of the present size, and what is left of it when a run goes on', () => {
    const rates = { tokensPerStep: 0, stepsPerPass: 2.5 };
    expect(new Budget({ passes: 3 }, rates).totalSteps).toBe(8);
    // 0.1 times 30 is not 3 in doubles.
    expect(new Budget({ passes: 0.1 }, { ...rates, stepsPerPass: 30 }).totalSteps).toBe(3);
    const done = { step: 4, tokens: 0, passes: 1.6, seconds: 9 };
    for (const [stepsPerPass, steps] of [
      [2.5, 4 + 4],
      [5, 4 + 7],
      [1, 4 + 2],
    ] as const) {
      const budget = new Budget({ passes: 3 }, { ...rates, stepsPerPass });
      budget.spend(done);
      expect(budget.totalSteps).toBe(steps);
    }
    const tokens = new Budget({ tokens: 1000 }, { tokensPerStep: 50 });
    tokens.spend({ step: 4, tokens: 400, passes: undefined, seconds: 9 });
    expect(tokens.totalSteps).toBe(4 + 12);
    expect(() => new Budget({ passes: 1 }, { tokensPerStep: 1 })).toThrow(/how many steps a pass takes/);
  });

  it('refuses none and two', () => {
    expect(() => new Budget({}, { tokensPerStep: 1 })).toThrow(/exactly one of/);
    expect(() => new Budget({ steps: 1, seconds: 1 }, { tokensPerStep: 1 })).toThrow(/exactly one of/);
  });

  it('refuses an amount that training could not end with', () => {
    const options = [{ steps: Number.NaN }, { steps: 2.5 }, { steps: 'a' as never }, { tokens: -1 }];
    for (const amount of options)
      expect(() => new Budget(amount, { tokensPerStep: 1 })).toThrow(/expects a .*number .*but got/);
    expect(() => new Budget({ seconds: Number.POSITIVE_INFINITY }, { tokensPerStep: 1 })).toThrow(
      /`seconds` expects/,
    );
  });
});
