import { expect, it } from 'vitest';
import { readLabelled } from '../../../src/data/rows/labelled.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { jsonl } from '../../helpers/stages.ts';

const read = (rows: readonly object[], category?: string) =>
  readLabelled(jsonl(temporaryFolder(), 'rows.jsonl', rows), { category, onBadLine: 'skip' });

it('labels are numbers, truths, or names of classes', async () => {
  const { rows } = await read([
    { text: 'a', label: 1 },
    { text: 'b', label: false },
    { messages: [{ role: 'user', content: 'c' }], label: true },
  ]);
  expect(rows.map(({ text, messages, label }) => [text ?? messages![0]!.content, label])).toEqual([
    ['a', true],
    ['b', false],
    ['c', true],
  ]);
  const named = await read(
    [
      { text: 'a', label: 'spam' },
      { text: 'b', label: ['other', 'spam'] },
      { text: 'c', label: [] },
      { text: 'd', label: 'ham' },
      { text: 'e', label: 1 },
    ],
    'spam',
  );
  expect(named.rows.map(({ label }) => label)).toEqual([true, true, false, false, true]);
});

it('rows that cannot be used are counted with their reason', async () => {
  const { rows, counts } = await read([
    { text: 'a', label: 0 },
    { text: 'b' },
    { text: 'c', label: 0.5 },
    { text: ' ', label: 1 },
    { label: 1 },
    { text: 'd', label: 'spam' },
  ]);
  expect(rows).toHaveLength(1);
  expect(counts.dropped).toEqual({ bad_row: 4, empty: 1 });
  expect(counts.describe()).toMatch(/rows\.jsonl:2: .*"label" is .*, not 0, 1 or the name of a class/);
});
