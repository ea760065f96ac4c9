/** What a resumed run accepts as its saved state. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/base/json.ts';
import { ExampleLoader } from '../../../src/data/rows/example-loader.ts';
import { misfit } from '../../../src/train/loop/saved-state.ts';

/** States of new runs. */
const fresh: Record<string, JsonObject> = {
  sft: { step: 1, idle: { updates: 0 }, stage: { loader: { epoch: 0, taken: 0, of: {} }, batches: 0 } },
  reward: { step: 1, idle: { updates: 0 }, stage: { comparisons: { given: 0, size: 5, rows: 'ab' } } },
  dpo: { step: 1, idle: { updates: 0 }, stage: { pairs: { given: 0, size: 5, rows: 'ab' } } },
  ppo: { step: 1, idle: { updates: 0 }, stage: { iteration: 0, rows: 'ab', kl_coef: 1, kl_start: 1 } },
};

/** What the first version with checkpoints wrote for the same runs. */
const first: Record<string, JsonObject> = {
  sft: { step: 6, stage: { loader: { epoch: 3, batch: 0, of: { batchSize: 8 } }, batches: 6 } },
  reward: { step: 7, stage: { comparisons: { given: 56, size: 57 } } },
  dpo: { step: 7, stage: { pairs: { given: 56, size: 57 } } },
  ppo: { step: 2, stage: { iteration: 2, kl_coef: 0.04 } },
};

describe('a saved state', () => {
  it.each(Object.keys(fresh))('of an older version is taken: %s', (stage) => {
    expect(misfit(first[stage]!, fresh[stage]!)).toBeUndefined();
  });

  it('that lacks what every version wrote, or has it in another kind, is not', () => {
    expect(misfit({ ...first.ppo!, stage: { kl_coef: 1 } }, fresh.ppo!)).toBe('stage.iteration is missing');
    expect(misfit({ ...first.ppo!, idle: 3 }, fresh.ppo!)).toBe('idle is 3, not an object');
  });
});

describe('the place of an example loader', () => {
  const example = (token: number) => ({ tokens: Int32Array.of(token, 9), targets: Int32Array.of(9, -100) });
  const options = { batchSize: 2, context: 4, packing: false, seed: 0 };
  const loaderOf = () => new ExampleLoader([1, 2, 3, 4, 5].map(example), options);

  it('may count batches of a size that it names', () => {
    const whole = loaderOf();
    whole.next();
    const { epoch, of } = whole.state() as JsonObject;
    const again = loaderOf();
    again.restore({ epoch: epoch!, batch: 1, of: { ...(of as JsonObject), batchSize: 2 } });
    expect(again.next()).toEqual(whole.next());
  });

  it('must be one', () => {
    const { epoch, of } = loaderOf().state() as JsonObject;
    expect(() => loaderOf().restore({ epoch: epoch!, of: of! })).toThrow(TypeError);
  });
});
