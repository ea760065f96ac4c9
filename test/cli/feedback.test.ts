import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';
import { answerRecord, newComparison, newFeedback, safetyEvent } from '../helpers/feedback.ts';

/** Path of a store with a few records. */
function filled(folder: string): string {
  const path = join(folder, 'store.db');
  const store = FeedbackStore.open(path);
  store.recordAnswers([answerRecord('a', { user: 'ann' }), answerRecord('b', { createdAt: Date.now() })]);
  store.addFeedback(newFeedback('a', { user: 'bob', reason: 'too long '.repeat(20) }));
  store.addFeedback(newFeedback('b', { rating: -1, user: 'ann' }));
  store.addComparison(newComparison('a', 'b'));
  store.addSafetyEvent(safetyEvent('s', { promptHarmful: false }));
  store.close();
  return path;
}

it('what cannot be imported or read leaves no store, and a missing folder is named', async () => {
  const folder = temporaryFolder();
  const bad = join(folder, 'bad.jsonl');
  writeFileSync(bad, '{"a": 1}\n');
  const store = join(folder, 'new.db');
  for (const from of [bad, join(folder, 'none.jsonl')]) {
    expect((await athanor('feedback', 'import', store, from)).code).not.toBe(0);
    expect(existsSync(store)).toBe(false);
  }
  const empty = join(folder, 'empty.db');
  writeFileSync(empty, '');
  for (const command of [['stats'], ['list'], ['rows', '--out', join(folder, 'rows')]]) {
    const [name, ...rest] = command;
    const { code, stderr } = await athanor('feedback', name!, empty, ...rest);
    expect([code === 0, stderr]).toEqual([
      false,
      expect.stringMatching(/is empty, so it is no feedback store/),
    ]);
  }
  const out = join(folder, 'out.jsonl');
  expect((await athanor('feedback', 'export', empty, '--out', out)).stderr).toMatch(/is empty/);
  expect(readFileSync(empty, 'utf8')).toBe('');
  expect(readdirSync(folder).sort()).toEqual(['bad.jsonl', 'empty.db']);
  const missing = join(folder, 'missing', 'out.jsonl');
  const exported = await athanor('feedback', 'export', filled(folder), '--out', missing);
  expect(exported.stderr).toMatch(/cannot write .*: the folder .*missing does not exist/);
});

it('stats, list, export, import and delete work on a store', async () => {
  const folder = temporaryFolder();
  const path = filled(folder);
  const stats = await athanor('feedback', 'stats', path);
  expect([stats.code, stats.stderr]).toEqual([0, '']);
  expect(stats.stdout).toMatch(
    /^2 answers of 2 named users, from 1970-01-01T00:00:01.000Z to .*\n2 ratings and corrections: 1 good, 1 bad, 0 corrected\n1 comparisons\n1 safety events: 0 jailbreaks, 1 over-refusals\n[\d.]+ MB, not damaged\n$/,
  );
  expect(lastLineJson((await athanor('feedback', 'stats', path, '--json')).stdout)).toMatchObject({
    ...{ answers: 2, feedback: 2, safety_events: 1, over_refusals: 1, users: 2 },
  });

  const empty = join(folder, 'empty.db');
  FeedbackStore.open(empty).close();
  expect((await athanor('feedback', 'stats', empty)).stdout).toMatch(/^0 answers of 0 named users\n/);

  const listed = (await athanor('feedback', 'list', path, '--limit', '1')).stdout;
  expect(listed).toMatch(
    /^the last 1 of 2:\n\S+Z {2}feedback {2}id="fb-[0-9a-f]+" {2}response_id="b" .*rating=-1\n$/,
  );
  const json = lastLineJson((await athanor('feedback', 'list', path, '--user', 'bob', '--json')).stdout);
  expect(json).toMatchObject({ found: 1, records: [{ user: 'bob', reason: 'too long '.repeat(20) }] });
  const answers = lastLineJson(
    (await athanor('feedback', 'list', path, '--kind', 'answer', '--json')).stdout,
  );
  expect(answers).toMatchObject({ records: [{ response_id: 'a', prompt_ids: [1, 2, 300_000] }, {}] });
  expect((await athanor('feedback', 'list', path, '--kind', 'deletion')).stdout).toBe('none\n');

  const out = join(folder, 'export.jsonl');
  const exported = await athanor('feedback', 'export', path, '--out', out);
  expect(exported.stdout).toContain('2 answers, 2 ratings and corrections, 1 comparisons, 1 safety events');
  expect(readFileSync(out, 'utf8').split('\n').length).toBe(9);

  const deleted = await athanor('feedback', 'delete', path, '--user', 'ann');
  expect(deleted.stdout).toBe(
    'deleted 1 answers, 2 ratings and corrections, 1 comparisons and 0 safety events\n',
  );
  const imported = lastLineJson((await athanor('feedback', 'import', path, out, '--json')).stdout);
  expect(imported).toMatchObject({ added: { answer: 0 }, present: 2, left_out: 4 });
  const other = join(folder, 'new.db');
  expect((await athanor('feedback', 'import', other, out)).stdout).toContain('2 answers, 2 ratings');
  const pruned = await athanor('feedback', 'delete', other, '--older-than-days', '1', '--json');
  expect(lastLineJson(pruned.stdout)).toEqual({ answers: 1, feedback: 1, comparisons: 1, safety_events: 1 });
});

it('says what is wrong', async () => {
  const folder = temporaryFolder();
  const missing = join(folder, 'none.db');
  for (const args of [
    ['stats'],
    ['list'],
    ['export', '--out', join(folder, 'x')],
    ['delete', '--user', 'a'],
  ]) {
    const { code, stderr } = await athanor('feedback', args[0]!, missing, ...args.slice(1));
    expect([args[0], code, stderr]).toEqual([args[0], 1, expect.stringContaining('none.db does not exist')]);
  }
  expect(existsSync(missing)).toBe(false);
  const path = filled(folder);
  for (const args of [[], ['--user', 'a', '--older-than-days', '3']]) {
    const { code, stderr } = await athanor('feedback', 'delete', path, ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining('either --user or --older-than-days')]);
  }
  const { code, stderr } = await athanor('feedback', 'import', path, path);
  expect([code, stderr]).toEqual([1, expect.stringContaining('it is an SQLite database')]);
});
