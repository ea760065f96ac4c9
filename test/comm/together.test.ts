import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { mainFirst, together } from '../../src/comm/together.ts';
import { ranksInProcess } from '../helpers/ranks.ts';

const settled = (results: PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)));

describe('together', () => {
  it('gives each rank its own result', async () => {
    const found = await Promise.all(
      ranksInProcess(3).map((c) => together(c, 'work', async () => c.rank * 2)),
    );
    expect(found).toEqual([0, 2, 4]);
  });

  it.each(['', 'no luck'])('fails on all ranks when it fails on one (%o)', async (message) => {
    const results = await Promise.allSettled(
      ranksInProcess(3).map((c) =>
        together(c, 'the work', async () => {
          if (c.rank === 1) throw new TypeError(message);
        }),
      ),
    );
    const others = `AthanorError: the work: rank 1 failed: ${message}`;
    expect(results[0]).toMatchObject({ reason: { code: 'ERR_RANK_FAILED' } });
    expect(settled(results)).toEqual([others, message ? `TypeError: ${message}` : 'TypeError', others]);
  });
});

describe('mainFirst', () => {
  it('lets the others begin when the main rank is done', async () => {
    const order: string[] = [];
    await Promise.all(
      ranksInProcess(3).map((c) =>
        mainFirst(c, 'work', async () => {
          order.push(`${c.rank} begins`);
          if (c.rank === 0) await delay(20);
          order.push(`${c.rank} ends`);
        }),
      ),
    );
    expect(order.slice(0, 2)).toEqual(['0 begins', '0 ends']);
    expect(order).toHaveLength(6);
  });

  it('does not begin on the others when the main rank fails', async () => {
    const begun: number[] = [];
    const results = await Promise.allSettled(
      ranksInProcess(2).map((c) =>
        mainFirst(c, 'the data', () => {
          begun.push(c.rank);
          throw new Error('no text');
        }),
      ),
    );
    expect(begun).toEqual([0]);
    expect(settled(results)).toEqual(['Error: no text', 'AthanorError: the data: rank 0 failed: no text']);
  });
});
