/** `athanor bench scaling` as a user runs it, on the smallest model. */
import { expect, it } from 'vitest';
import { athanor, lastLineJson } from '../helpers/cli.ts';

it('times one process and ranks, and shows that each rank holds its share of the moments', async () => {
  const shape = ['--model', 'tiny', '--vocab-size', '5000', '--batch-size', '1', '--context', '16'];
  const { code, stdout } = await athanor(
    'bench',
    'scaling',
    '--ranks',
    '4',
    '--repeats',
    '1',
    '--steps',
    '1',
    ...shape,
    '--json',
  );
  expect(code).toBe(0);
  const { rows } = lastLineJson(stdout) as { rows: Record<string, number | string>[] };
  expect(rows.map(({ kind }) => kind)).toEqual([
    'one process',
    'zero 0',
    'zero 1',
    'zero 1, no overlap',
    'zero 2',
    'zero 3',
  ]);
  const shares = rows.map((row) => row.moments_of_one_process as number);
  expect(shares.slice(0, 2)).toEqual([1, 1]);
  // The model has no more than a hundred chunks to share.
  for (const share of shares.slice(2)) expect(share).toBeLessThan(0.3);
  expect(rows.at(-1)!.peak_bytes).toBeLessThan(rows[0]!.peak_bytes as number);
  for (const row of rows) expect(row.tokens_per_second).toBeGreaterThan(0);
  expect(rows[0]!.waited_seconds).toBeLessThan(1e-3);
});
