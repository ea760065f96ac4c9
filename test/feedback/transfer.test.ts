import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { exportFeedback, importFeedback } from '../../src/feedback/transfer.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { answerRecord, newComparison, newFeedback, safetyEvent } from '../helpers/feedback.ts';

function opened(path = join(temporaryFolder(), 'store.db')): FeedbackStore {
  const store = FeedbackStore.open(path);
  onTestFinished(() => store.close());
  return store;
}

/** A store with all kinds of records and awkward values. */
function filled(): FeedbackStore {
  const store = opened();
  store.recordAnswers([
    answerRecord('a', {
      user: 'ann',
      client: 'key',
      logProbs: [Math.fround(-1e-30), Math.fround(-88.123456)],
    }),
    answerRecord('a', { choice: 1, user: 'ann', text: 'x\u0000y "\n\u2028 \ud800 🎨', messages: null }),
    answerRecord('b', {
      answerIds: [],
      logProbs: [],
      sampling: { logitBias: { 5: -1.5 }, stopStrings: ['\n'] },
    }),
    answerRecord('gone', { user: 'gone' }),
  ]);
  store.addFeedback(newFeedback('a', { user: 'bob', tags: ['x', 'ü'], idempotencyKey: 'k\u0000' }));
  store.addFeedback(newFeedback('b', { rating: null, correction: 'Red.', reason: '\ud800', client: 'key' }));
  store.addComparison(newComparison('a', 'b', { preferred: 'tie', idempotencyKey: 'k' }));
  store.addSafetyEvent(safetyEvent('s1'));
  store.addSafetyEvent(
    safetyEvent('s2', { answer: { id: 'a', choice: 1 }, responseHarmful: true, checks: [], messages: null }),
  );
  store.deleteUser('gone');
  return store;
}

function exported(store: FeedbackStore): { path: string; text: string } {
  const path = join(temporaryFolder(), 'export.jsonl');
  exportFeedback(store, path);
  return { path, text: readFileSync(path, 'utf8') };
}

it('an export does not replace a file of its store', () => {
  const path = join(temporaryFolder(), 'store.db');
  const store = opened(path);
  store.recordAnswers([answerRecord('a')]);
  for (const file of [path, `${path}-wal`, join(path, '..', '.', 'store.db-shm')]) {
    expect(() => exportFeedback(store, file)).toThrow(/store\.db\S* is a file of the store/);
  }
  expect(store.answer({ id: 'a', choice: 0 })).toBeDefined();
  expect(readFileSync(path).toString('latin1', 0, 15)).toBe('SQLite format 3');
});

it('an export and its import give the same store, bit for bit', async () => {
  const store = filled();
  const { path, text } = exported(store);
  expect(statSync(path).mode & 0o077).toBe(0);
  expect(text.split('\n')[0]).toBe('{"format":"athanor feedback","version":1}');
  const other = opened();
  const added = { deletion: 1, answer: 3, feedback: 2, comparison: 1, safety_event: 2 };
  expect(await importFeedback(other, path)).toEqual({ added, present: 0, left_out: 0 });
  expect(exported(other).text).toBe(text);
  expect([...other.snapshot()]).toEqual([...store.snapshot()]);
  // The keys came along.
  const again = newFeedback('a', { user: 'bob', tags: ['x', 'ü'], idempotencyKey: 'k\u0000' });
  expect(other.addFeedback(again)).toMatchObject({ outcome: 'stored', duplicate: true });
  // A second import changes nothing.
  expect(await importFeedback(other, path)).toMatchObject({ present: 9, left_out: 0 });
  expect(exported(other).text).toBe(text);
});

it('is the same for a file of gzip, and for more records than are written together', async () => {
  const store = opened();
  store.recordAnswers(Array.from({ length: 1201 }, (_, i) => answerRecord(`a${i}`)));
  const { path, text } = exported(store);
  const packed = `${path}.gz`;
  writeFileSync(packed, gzipSync(text));
  const other = opened();
  expect((await importFeedback(other, packed)).added.answer).toBe(1201);
  expect(exported(other).text).toBe(text);
});

it('a user who was deleted does not come back with an older export, and is in no later one', async () => {
  const store = filled();
  const before = exported(store);
  expect(before.text).toContain('"user":"ann"');
  store.deleteUser('ann');
  expect(exported(store).text).not.toContain('"ann"');
  // Two answers, and with them feedback, a comparison and a safety event.
  const report = await importFeedback(store, before.path);
  expect(report.added).toEqual({ deletion: 0, answer: 0, feedback: 0, comparison: 0, safety_event: 1 });
  expect(report.left_out).toBe(4);
  expect(exported(store).text).not.toContain('"ann"');
});

it('carries deletions into a store that still has the user', async () => {
  const store = filled();
  const older = exported(store);
  store.deleteUser('ann');
  const newer = exported(store);
  const other = opened();
  await importFeedback(other, older.path);
  expect([...other.answers()].some(({ user }) => user === 'ann')).toBe(true);
  await importFeedback(other, newer.path);
  expect([...other.answers()].map(({ id }) => id)).toEqual(['b']);
});

it('an export shows one moment: what is written meanwhile is not in it', () => {
  const path = join(temporaryFolder(), 'store.db');
  const store = opened(path);
  const writer = opened(path);
  store.recordAnswers(Array.from({ length: 300 }, (_, i) => answerRecord(`a${i}`)));
  let records = 0;
  for (const { kind } of store.snapshot()) {
    if (++records === 1) {
      writer.recordAnswers([answerRecord('late')]);
      writer.addFeedback(newFeedback('late'));
    }
    expect(kind).toBe('answer');
  }
  expect(records).toBe(300);
  expect(store.recordAnswers([answerRecord('next')])).toBe(1);
  for (const _ of store.snapshot()) break;
  expect(store.recordAnswers([answerRecord('after a break')])).toBe(1);
});

describe('an import of a file', () => {
  const bad = (change: (lines: string[]) => string[] | string) => {
    const { path, text } = exported(filled());
    const changed = change(text.trimEnd().split('\n'));
    writeFileSync(path, Array.isArray(changed) ? `${changed.join('\n')}\n` : changed);
    return path;
  };
  const replaced = (kind: string, from: string | RegExp, to: string) =>
    bad((lines) => {
      const at = lines.findIndex((one) => one.includes(`"kind":"${kind}"`));
      expect(lines[at]).toMatch(from);
      return lines.map((one, i) => (i === at ? one.replace(from, to) : one));
    });
  const cases: [string, () => string, string, RegExp][] = [
    ['that was cut after a line', () => bad((lines) => lines.slice(0, -1)), 'ERR_FILE_DAMAGED', /ends early/],
    [
      'that was cut in a line',
      () => bad((lines) => lines.join('\n').slice(0, -40)),
      'ERR_FORMAT',
      /jsonl:9: not JSON/,
    ],
    [
      'that lacks a line',
      () => bad((lines) => lines.toSpliced(3, 1)),
      'ERR_FILE_DAMAGED',
      /has 8 records, and its last line says 9/,
    ],
    [
      'with a line more',
      () => bad((lines) => [...lines, lines[2]!]),
      'ERR_FORMAT',
      /jsonl:12: there is a line after the end/,
    ],
    ['that is empty', () => bad(() => ''), 'ERR_FORMAT', /is no export of a feedback store/],
    ['of rows', () => bad(() => '{"prompt": "a"}\n'), 'ERR_FORMAT', /is no export of a feedback store/],
    [
      'of a later version',
      () => bad((lines) => ['{"format":"athanor feedback","version":2}', ...lines.slice(1)]),
      'ERR_MISMATCH',
      /of version 2/,
    ],
    [
      'with an unknown kind',
      () => replaced('feedback', '"kind":"feedback"', '"kind":"stars"'),
      'ERR_FORMAT',
      /jsonl:6: kind "stars" is no kind of a record/,
    ],
    [
      'with an unknown field',
      () => replaced('feedback', '"rating"', '"stars":5,"rating"'),
      'ERR_FORMAT',
      /unknown field "stars"/,
    ],
    [
      'without a field',
      () => replaced('answer', /"text":"Blue\."/, '"old":1'),
      'ERR_FORMAT',
      /text must be a text, not missing/,
    ],
    [
      'with another rating',
      () => replaced('feedback', '"rating":1', '"rating":2'),
      'ERR_FORMAT',
      /rating must be 1, -1 or null, not 2/,
    ],
    [
      'without rating and correction',
      () => replaced('feedback', '"rating":1', '"rating":null'),
      'ERR_FORMAT',
      /neither a rating nor a correction/,
    ],
    [
      'with other ids',
      () => replaced('answer', '"prompt_ids":[1', '"prompt_ids":[0.5'),
      'ERR_FORMAT',
      /prompt_ids must be a list of token ids/,
    ],
    [
      'with fewer log-probabilities',
      () => replaced('answer', '"answer_ids":[7,8]', '"answer_ids":[7]'),
      'ERR_FORMAT',
      /answer_ids has 1 entries and log_probs has 2/,
    ],
    [
      'with an id with a zero character',
      () => replaced('answer', '"response_id":"a"', '"response_id":"a\\u0000"'),
      'ERR_FORMAT',
      /response_id must be a name/,
    ],
  ];
  it.each(cases)('%s adds nothing and says what is wrong', async (_, make, code, message) => {
    const store = opened();
    await expect(importFeedback(store, make())).rejects.toMatchObject({ code, message });
    expect([...store.snapshot()]).toEqual([]);
  });

  it('that is not there says so', async () => {
    const missing = importFeedback(opened(), join(temporaryFolder(), 'none.jsonl'));
    await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });
});
