import { describe, expect, it } from 'vitest';
import { KlController } from '../../../src/train/rl/kl-controller.ts';

describe('R22: the coefficient', () => {
  const adapted = (kl: number, responses = 512) => {
    const controller = new KlController({ coef: 0.15, target: 6, horizon: 10_000 });
    controller.update(kl, responses);
    return controller.coef;
  };

  it('moves by a fifth of n / horizon at most', () => {
    expect(adapted(12)).toBeCloseTo(0.151536, 12);
    expect(adapted(1000)).toBeCloseTo(0.151536, 12);
    expect(adapted(0)).toBeCloseTo(0.148464, 12);
    expect(adapted(-5)).toBeCloseTo(0.148464, 12);
  });

  it('moves in proportion near the target, where it stays', () => {
    expect(adapted(6.6)).toBeCloseTo(0.15 * (1 + (0.1 * 512) / 10_000), 12);
    expect(adapted(6)).toBe(0.15);
  });

  it('is fixed without a target', () => {
    const controller = new KlController({ coef: 0.15, horizon: 10_000 });
    controller.update(100, 512);
    expect(controller.coef).toBe(0.15);
  });

  it('refuses a target of nothing', () => {
    expect(() => new KlController({ coef: 0.1, target: 0, horizon: 1 })).toThrow(/`targetKl` is 0/);
  });
});
