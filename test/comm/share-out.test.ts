import { expect, it } from 'vitest';
import { selfCommunicator } from '../../src/comm/self-communicator.ts';
import { shareOut } from '../../src/comm/share-out.ts';
import { ranksInProcess } from '../helpers/ranks.ts';

it.each([0, 1, 5, 9])(
  'all ranks get the numbers of %i items in their order, each measured once',
  async (count) => {
    const items = Array.from({ length: count }, (_, i) => i);
    // Rows of many lengths, empty ones among them.
    const measure = (item: number) =>
      Array.from({ length: item % 4 }, (_, i) => (i === 2 ? Number.NaN : item + i / 3));
    const wanted = await shareOut(selfCommunicator, items, measure);
    expect(wanted).toEqual(items.map(measure));
    const measured: number[] = [];
    for (const size of [2, 3, 4]) {
      measured.length = 0;
      const found = await Promise.all(
        ranksInProcess(size).map((communicator) =>
          shareOut(communicator, items, async (item) => {
            measured.push(item);
            return measure(item);
          }),
        ),
      );
      for (const rows of found) expect(rows).toEqual(wanted);
      expect(measured.sort((a, b) => a - b)).toEqual(items);
    }
  },
);
