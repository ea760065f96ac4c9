/** How often a stream sends its text: the more streams, the less often. */
import { expect, it } from 'vitest';
import { pauseOf } from '../../src/serve/generation.ts';

it('few streams send each token, and many together at most some 640 packets per second', () => {
  expect([1, 7].map(pauseOf)).toEqual([0, 0]);
  expect([8, 32, 48, 64, 256].map(pauseOf)).toEqual([50, 50, 75, 100, 100]);
});
