import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { Database } from '../../src/feedback/database.ts';
import { MIGRATIONS } from '../../src/feedback/schema.ts';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { runNode, temporaryFolder } from '../helpers/cli.ts';
import { answerRecord, newComparison, newFeedback, safetyEvent } from '../helpers/feedback.ts';

const { DatabaseSync } = createRequire(import.meta.url)(
  '@photostructure/sqlite',
) as typeof import('@photostructure/sqlite');

function opened(path = join(temporaryFolder(), 'store.db')): FeedbackStore & { path: string } {
  const store = FeedbackStore.open(path);
  onTestFinished(() => store.close());
  return Object.assign(store, { path });
}

describe('records', () => {
  it('come back as they were, in the order in which they were written, after the file is opened again', () => {
    const store = opened();
    const answers = [
      answerRecord('a', { client: 'ann', user: 'u1', messages: null }),
      answerRecord('a', {
        choice: 1,
        text: 'a\u0000b "ü" 🎨\n',
        answerIds: [],
        logProbs: [],
        finish: 'length',
      }),
      answerRecord('b', { createdAt: 1, sampling: { logitBias: { 5: -100 } } }),
    ];
    expect(store.recordAnswers(answers)).toBe(3);
    const feedback = [
      newFeedback('a', { rating: -1, tags: ['wrong', 'rude'], reason: 'no', correction: 'Red.' }),
      newFeedback('b', { rating: null, correction: 'x', idempotencyKey: 'k', client: 'ann', user: 'u2' }),
    ];
    const first = store.addFeedback(feedback[0]!);
    store.addFeedback(feedback[1]!);
    const comparison = newComparison('a', 'b', { preferred: 'neither', reason: 'both bad' });
    expect(store.addComparison(comparison)).toMatchObject({ outcome: 'stored', duplicate: false });
    const events = [
      safetyEvent('s1'),
      safetyEvent('s2', {
        answer: { id: 'a', choice: 1 },
        ...{ promptHarmful: false, responseRefused: null, responseHarmful: true, messages: null },
      }),
    ];
    for (const event of events) store.addSafetyEvent(event);
    store.close();

    const again = opened(store.path);
    expect([...again.answers()]).toEqual(answers);
    expect(again.answer({ id: 'a', choice: 1 })).toEqual(answers[1]);
    expect(again.answer({ id: 'a', choice: 2 })).toBeUndefined();
    const head = {
      id: expect.stringMatching(/^fb-[0-9a-f]{24}$/) as string,
      createdAt: expect.any(Number) as number,
    };
    expect([...again.feedback()]).toEqual(feedback.map((one) => ({ ...one, ...head })));
    expect(first).toMatchObject({ id: [...again.feedback()][0]!.id });
    expect([...again.comparisons()]).toEqual([
      { ...comparison, ...head, id: expect.stringMatching(/^cmp-[0-9a-f]{24}$/) as string },
    ]);
    expect([...again.safetyEvents()]).toEqual(events);
  });

  it('are read in pages, and those that are written meanwhile come too', () => {
    const store = opened();
    const ids = Array.from({ length: 450 }, (_, i) => `a${i}`);
    store.recordAnswers(ids.map((id) => answerRecord(id)));
    const seen: string[] = [];
    for (const { id } of store.answers()) {
      if (seen.push(id) === 10) store.recordAnswers([answerRecord('late')]);
    }
    expect(seen).toEqual([...ids, 'late']);
  });

  it('that are there already stay as they are', () => {
    const store = opened();
    store.recordAnswers([answerRecord('a')]);
    expect(store.recordAnswers([answerRecord('a', { text: 'other' }), answerRecord('b')])).toBe(1);
    expect(store.answer({ id: 'a', choice: 0 })!.text).toBe('Blue.');
    store.addSafetyEvent(safetyEvent('s'));
    store.addSafetyEvent(safetyEvent('s', { promptHarmful: false }));
    expect([...store.safetyEvents()]).toEqual([safetyEvent('s')]);
  });

  it('are written together or not at all', () => {
    const store = opened();
    const fault = () =>
      store.transaction(() => {
        store.recordAnswers([answerRecord('a')]);
        store.addSafetyEvent(safetyEvent('s'));
        throw new Error('planted');
      });
    expect(fault).toThrow('planted');
    expect(store.counts()).toEqual({ answers: 0, feedback: 0, comparisons: 0, safetyEvents: 0 });
    store.recordAnswers([answerRecord('a')]);
    expect(store.counts().answers).toBe(1);
  });
});

describe('feedback', () => {
  it('to an unknown answer or choice is not stored', () => {
    const store = opened();
    store.recordAnswers([answerRecord('a')]);
    const answer = { id: 'a', choice: 1 };
    expect(store.addFeedback(newFeedback('a', { answer }))).toEqual({ outcome: 'unknown_answer', answer });
    expect(store.addComparison(newComparison('a', 'none'))).toMatchObject({
      outcome: 'unknown_answer',
      answer: { id: 'none' },
    });
    expect(store.counts()).toMatchObject({ feedback: 0, comparisons: 0 });
  });

  it('with a key is stored once per sender; another body under the key is told apart', () => {
    const store = opened();
    store.recordAnswers([answerRecord('a'), answerRecord('b')]);
    const sent = newFeedback('a', {
      ...{ idempotencyKey: 'k', client: 'ann', user: 'u', tags: ['x'], reason: 'half \ud800 pair' },
    });
    const first = store.addFeedback(sent);
    expect(first).toMatchObject({ outcome: 'stored', duplicate: false });
    expect(store.addFeedback({ ...sent, answer: { choice: 0, id: 'a' } })).toEqual({
      ...first,
      duplicate: true,
    });
    for (const other of [
      { rating: -1 },
      { tags: ['y'] },
      { reason: null },
      { correction: 'c' },
      { answer: { id: 'b', choice: 0 } },
    ] as const) {
      expect(store.addFeedback({ ...sent, ...other })).toEqual({ outcome: 'key_reused' });
    }
    for (const other of [{ client: 'bob' }, { client: null }, { user: null }, { user: 'v' }]) {
      expect(store.addFeedback({ ...sent, ...other })).toMatchObject({ duplicate: false });
    }
    expect(store.counts().feedback).toBe(5);
    expect(store.addFeedback(newFeedback('a'))).toMatchObject({ duplicate: false });
    expect(store.addFeedback(newFeedback('a'))).toMatchObject({ duplicate: false });

    const compared = newComparison('a', 'b', { idempotencyKey: 'k', client: 'ann' });
    const once = store.addComparison(compared);
    expect(store.addComparison(compared)).toEqual({ ...once, duplicate: true });
    expect(store.addComparison({ ...compared, preferred: 'tie' })).toEqual({ outcome: 'key_reused' });
    expect(store.counts().comparisons).toBe(1);
  });

  it('of names and ids that differ after a zero character is told apart', () => {
    const store = opened();
    store.recordAnswers([answerRecord('a', { user: 'ann' }), answerRecord('b', { user: 'ann\0x' })]);
    expect(() => store.answer({ id: 'a\0x', choice: 0 })).toThrow('an id or name has a zero character');
    store.addFeedback(newFeedback('a', { idempotencyKey: 'k\0a' }));
    expect(store.addFeedback(newFeedback('a', { idempotencyKey: 'k\0b' }))).toMatchObject({
      duplicate: false,
    });
    store.deleteUser('ann\0x');
    expect([...store.answers()].map(({ user }) => user)).toEqual(['ann']);
  });

  it('on two answers needs two answers to one prompt', () => {
    const store = opened();
    store.recordAnswers([
      answerRecord('a'),
      answerRecord('a', { choice: 1 }),
      answerRecord('same words', { promptIds: [9], tokenizerHash: 'c' }),
      answerRecord('other', { promptIds: [1, 2], messages: [{ role: 'user', content: 'x' }] }),
      answerRecord('text', { promptIds: [1], messages: null }),
      answerRecord('text 2', { promptIds: [2], messages: null }),
    ]);
    const outcome = (first: string, second: string, choice = 0) =>
      store.addComparison(newComparison(first, second, { second: { id: second, choice } })).outcome;
    expect(outcome('a', 'a', 1)).toBe('stored');
    expect(outcome('a', 'same words')).toBe('stored');
    expect(outcome('a', 'a')).toBe('not_comparable');
    expect(outcome('a', 'other')).toBe('not_comparable');
    expect(outcome('text', 'text 2')).toBe('not_comparable');
    expect(outcome('a', 'text')).toBe('not_comparable');
  });
});

/** All bytes of a store's files. */
function bytesOf(path: string): string {
  const files = ['', '-wal'].map((end) => path + end).filter((file) => existsSync(file));
  return files.map((file) => readFileSync(file, 'latin1')).join('');
}

describe('deletion of a user', () => {
  function filled() {
    const store = opened();
    store.recordAnswers([
      answerRecord('a', { user: 'ann', text: 'SECRET-ANSWER' }),
      answerRecord('b', { user: 'bob' }),
      answerRecord('c', { user: 'ann' }),
      answerRecord('d'),
    ]);
    store.addFeedback(newFeedback('a', { user: 'bob', correction: 'SECRET-CORRECTION' }));
    store.addFeedback(newFeedback('b', { user: 'ann', reason: 'SECRET-REASON' }));
    store.addFeedback(newFeedback('b', { user: 'bob' }));
    store.addComparison(newComparison('a', 'b', { user: 'bob' }));
    store.addComparison(newComparison('b', 'd', { user: 'ann' }));
    store.addComparison(newComparison('b', 'd', { user: 'bob' }));
    store.addSafetyEvent(safetyEvent('s1', { user: 'ann' }));
    store.addSafetyEvent(safetyEvent('s2', { answer: { id: 'a', choice: 0 } }));
    store.addSafetyEvent(safetyEvent('s3', { answer: { id: 'b', choice: 0 } }));
    return store;
  }

  it('takes the answers, what was said of them, and what the user said, out of the bytes of the file', () => {
    const store = filled();
    expect(bytesOf(store.path)).toMatch(/SECRET-ANSWER/);
    expect(store.deleteUser('ann')).toEqual({ answers: 2, feedback: 2, comparisons: 2, safetyEvents: 2 });
    expect([...store.answers()].map(({ id }) => id)).toEqual(['b', 'd']);
    expect([...store.feedback()].map(({ user }) => user)).toEqual(['bob']);
    expect([...store.comparisons()].map(({ user }) => user)).toEqual(['bob']);
    expect([...store.safetyEvents()].map(({ id }) => id)).toEqual(['s3']);
    expect(bytesOf(store.path)).not.toMatch(/SECRET/);
    expect(store.deleteUser('nobody')).toEqual({ answers: 0, feedback: 0, comparisons: 0, safetyEvents: 0 });
  });

  it('holds for what began before it and is written after it, and not for what comes later', () => {
    const store = filled();
    store.deleteUser('ann');
    const [{ deletedAt, userHash }] = [...store.deletions()] as [{ deletedAt: number; userHash: string }];
    expect(userHash).toMatch(/^[0-9a-f]{64}$/);
    const answers = [deletedAt - 1, deletedAt, deletedAt + 1].map((createdAt, i) =>
      answerRecord(`late${i}`, { user: 'ann', createdAt }),
    );
    expect(store.recordAnswers(answers)).toBe(1);
    store.addSafetyEvent(safetyEvent('old', { user: 'ann' }));
    expect([...store.safetyEvents()].map(({ id }) => id)).toEqual(['s3']);
    expect(store.answer({ id: 'late2', choice: 0 })).toBeDefined();
  });

  it('of another store is applied to the records up to its time', () => {
    const store = filled();
    const other = filled();
    other.deleteUser('ann');
    store.recordAnswers([answerRecord('later', { user: 'ann', createdAt: Date.now() + 10_000 })]);
    for (const record of other.deletions()) {
      expect(store.add({ kind: 'deletion', record })).toBe('added');
      expect(store.add({ kind: 'deletion', record })).toBe('present');
    }
    expect(store.counts()).toEqual({ answers: 3, feedback: 1, comparisons: 1, safetyEvents: 1 });
    expect([...store.deletions()]).toEqual([...other.deletions()]);
    expect([...store.answers()].map(({ id }) => id)).toEqual(['b', 'd', 'later']);
  });
});

it('prunes what is older than a time, and what was said of it', () => {
  const store = opened();
  store.recordAnswers([answerRecord('old', { createdAt: 999 }), answerRecord('new', { createdAt: 1000 })]);
  store.addFeedback(newFeedback('old'));
  store.addFeedback(newFeedback('new'));
  store.addComparison(newComparison('old', 'new'));
  store.addSafetyEvent(safetyEvent('s1', { createdAt: 999 }));
  store.addSafetyEvent(safetyEvent('s2', { answer: { id: 'old', choice: 0 } }));
  store.addSafetyEvent(safetyEvent('s3'));
  expect(store.prune(1000)).toEqual({ answers: 1, feedback: 1, comparisons: 1, safetyEvents: 2 });
  expect(store.counts()).toEqual({ answers: 1, feedback: 1, comparisons: 0, safetyEvents: 1 });
  expect(store.prune(1000)).toEqual({ answers: 0, feedback: 0, comparisons: 0, safetyEvents: 0 });
});

it('counts', () => {
  const store = opened();
  expect(store.stats()).toMatchObject({ answers: 0, oldest: null, newest: null, users: 0 });
  store.recordAnswers([answerRecord('a', { user: 'u' }), answerRecord('b', { createdAt: 2000 })]);
  store.addFeedback(newFeedback('a', { user: 'v' }));
  store.addFeedback(newFeedback('a', { rating: -1, correction: 'x', user: 'u' }));
  store.addSafetyEvent(safetyEvent('jailbreak', { responseHarmful: true, responseRefused: false }));
  store.addSafetyEvent(safetyEvent('over-refusal', { promptHarmful: false }));
  store.addSafetyEvent(safetyEvent('right refusal'));
  store.addSafetyEvent(safetyEvent('cut answer', { promptHarmful: false, responseHarmful: true }));
  expect(store.stats()).toEqual({
    ...{ answers: 2, feedback: 2, comparisons: 0, safetyEvents: 4, liked: 1, disliked: 1, corrections: 1 },
    ...{ jailbreaks: 2, overRefusals: 1, users: 2, oldest: 1000, newest: 2000 },
    bytes: statSync(store.path).size > 0 ? expect.any(Number) : 0,
  });
  expect(store.lastSafetyEvents('jailbreak', 10).map(({ id }) => id)).toEqual(['cut answer', 'jailbreak']);
  expect(store.lastSafetyEvents('over_refusal', 10).map(({ id }) => id)).toEqual(['over-refusal']);
  expect(store.lastSafetyEvents('over_refusal', 0)).toEqual([]);
});

describe('the file', () => {
  it('is for its owner alone, syncs each commit, and overwrites what is deleted', () => {
    const { path } = opened();
    for (const end of ['', '-wal', '-shm'])
      expect([end, statSync(path + end).mode & 0o077]).toEqual([end, 0]);
    const database = Database.open(path);
    const value = (name: string) => Object.values(database.first(`PRAGMA ${name}`)!)[0];
    expect(['journal_mode', 'synchronous', 'secure_delete', 'foreign_keys'].map(value)).toEqual([
      'wal',
      2,
      1,
      1,
    ]);
    database.close();
  });

  it('is whole once the store is closed, and alone once the process has ended', async () => {
    const store = opened();
    store.recordAnswers([answerRecord('a')]);
    store.stats();
    store.close();
    store.close();
    expect(readFileSync(store.path, 'latin1')).toContain('Blue.');
    const path = join(temporaryFolder(), 'store.db');
    const module = join(packageRoot, 'dist/feedback/store.js');
    const program = `
      const { FeedbackStore } = await import(${JSON.stringify(module)});
      const store = FeedbackStore.open(${JSON.stringify(path)});
      store.recordAnswers([${JSON.stringify(answerRecord('a'))}]);
      store.close();`;
    expect(await runNode(['--input-type=module', '-e', program])).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(dirname(path))).toEqual(['store.db']);
    expect(opened(path).counts().answers).toBe(1);
  });

  it('that is not there, is a folder, or is of another kind is one clear error', () => {
    const folder = temporaryFolder();
    const file = (name: string, text: string | Buffer) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const foreign = join(folder, 'foreign.db');
    const other = new DatabaseSync(foreign);
    other.exec('CREATE TABLE notes (text TEXT)');
    other.close();
    const cases: [string, string, RegExp][] = [
      [join(folder, 'none', 'x.db'), 'ERR_FILE_MISSING', /the folder .*none does not exist/],
      [folder, 'ERR_ARGUMENT', /is a folder, not a file/],
      [file('rows.jsonl', '{"a": 1}\n'.repeat(100)), 'ERR_FORMAT', /rows.jsonl: it is no SQLite file/],
      [foreign, 'ERR_FORMAT', /foreign.db is a database of another program/],
    ];
    for (const [path, code, message] of cases) {
      const before = existsSync(path) && statSync(path).isFile() ? readFileSync(path) : undefined;
      expect(() => FeedbackStore.open(path)).toThrow(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
      if (before) expect(readFileSync(path).equals(before)).toBe(true);
    }
    const missing = join(folder, 'missing.db');
    expect(() => FeedbackStore.open(missing, { create: false })).toThrow(/missing.db does not exist/);
    expect(readdirSync(folder).sort()).toEqual(['foreign.db', 'rows.jsonl']);
    expect(FeedbackStore.open(file('empty.db', '')).counts().answers).toBe(0);
  });

  it('that is empty is no store for who reads it or deletes from it, and stays empty', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'empty.db');
    writeFileSync(path, '');
    for (const options of [{ readOnly: true }, { create: false }]) {
      expect(() => FeedbackStore.open(path, options)).toThrow(
        expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringMatching(/is empty, so it is/) }),
      );
    }
    expect([statSync(path).size, readdirSync(folder)]).toEqual([0, ['empty.db']]);
  });

  it('that is only read is not written, nor brought up to date', () => {
    const path = join(temporaryFolder(), 'store.db');
    const store = FeedbackStore.open(path);
    store.recordAnswers([answerRecord('a')]);
    store.close();
    const before = readFileSync(path);
    const reader = FeedbackStore.open(path, { readOnly: true });
    reader.check();
    expect([reader.counts().answers, [...reader.answers()].length]).toEqual([1, 1]);
    expect(() => reader.recordAnswers([answerRecord('b')])).toThrow(/read-only/);
    reader.close();
    expect(readFileSync(path).equals(before)).toBe(true);
    const migrations = [...MIGRATIONS, 'CREATE TABLE later (row INTEGER PRIMARY KEY)'];
    expect(() => Database.open(path, { readOnly: true, migrations })).toThrow(/reads version 2/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('that cannot be made leaves no file', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'store.db');
    expect(() => Database.open(path, { migrations: ['no statement'] })).toThrow(/store.db/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that is damaged is one clear error, when it is opened, checked or read', () => {
    const path = join(temporaryFolder(), 'store.db');
    const store = FeedbackStore.open(path);
    store.recordAnswers(
      Array.from({ length: 500 }, (_, i) => answerRecord(`a${i}`, { text: 'x'.repeat(500) })),
    );
    store.close();
    const whole = readFileSync(path);
    let found = 0;
    for (let page = 0; page < whole.length / 4096; page += 3) {
      const damaged = Buffer.from(whole);
      damaged.fill(0xa5, page * 4096, page * 4096 + 4096);
      const copy = join(temporaryFolder(), 'damaged.db');
      writeFileSync(copy, damaged);
      try {
        using reopened = FeedbackStore.open(copy);
        try {
          reopened.check();
        } finally {
          [...reopened.answers()].length satisfies number;
        }
      } catch (error) {
        ++found;
        expect(error).toMatchObject({
          code: expect.stringMatching(/^ERR_(FILE_DAMAGED|FORMAT)$/) as string,
          message: expect.stringContaining('damaged.db') as string,
        });
      }
    }
    expect(found).toBe(Math.ceil(whole.length / 4096 / 3));
    const cut = join(temporaryFolder(), 'cut.db');
    writeFileSync(cut, whole.subarray(0, 4096 * 5));
    expect(() => {
      using reopened = FeedbackStore.open(cut);
      reopened.check();
    }).toThrow(expect.objectContaining({ code: 'ERR_FILE_DAMAGED' }));
  });

  it('of an older version is brought up to date, and one of a later version is refused', () => {
    const { path } = opened();
    const later = [...MIGRATIONS, 'ALTER TABLE answers ADD COLUMN note TEXT'];
    const before = Database.open(path);
    before.run("INSERT INTO deleted_users VALUES ('x', 1)");
    before.close();
    const copy = join(temporaryFolder(), 'copy.db');
    copyFileSync(path, copy);
    const broken = [...MIGRATIONS, 'ALTER TABLE answers ADD COLUMN note TEXT; bogus'];
    expect(() => Database.open(path, { migrations: broken })).toThrow(/bogus/);
    for (let i = 0; i < 2; ++i) {
      const database = Database.open(path, { migrations: later });
      expect(database.all('SELECT note FROM answers')).toEqual([]);
      expect(database.first('SELECT count(*) AS n FROM deleted_users')).toEqual({ n: 1 });
      database.close();
    }
    expect(() => FeedbackStore.open(path)).toThrow(
      expect.objectContaining({ code: 'ERR_MISMATCH', message: expect.stringContaining('version 2') }),
    );
  });

  it('needs SQLite only when it is opened, and says what is missing', async () => {
    const folder = temporaryFolder();
    for (const part of ['base', 'feedback']) {
      cpSync(join(packageRoot, 'dist', part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    const program = `
      const { FeedbackStore } = await import('./feedback/store.js');
      try { FeedbackStore.open('x.db') } catch ({ code, message, remedy }) {
        console.log(JSON.stringify({ code, message, remedy }));
      }`;
    const { stdout, stderr } = await runNode(['--input-type=module', '-e', program], { cwd: folder });
    expect(existsSync(join(folder, 'x.db'))).toBe(false);
    expect([stderr, JSON.parse(stdout || '{}')]).toEqual([
      '',
      {
        code: 'ERR_NATIVE_LOAD',
        message: `SQLite cannot be loaded on ${process.platform} ${process.arch}: Cannot find module '@photostructure/sqlite'`,
        remedy: 'install its package again: npm install @photostructure/sqlite',
      },
    ]);
  });

  it('is written by several processes at the same time, from its beginning', async () => {
    const path = join(temporaryFolder(), 'store.db');
    const module = join(packageRoot, 'dist/feedback/store.js');
    const program = `
      const { FeedbackStore } = await import(${JSON.stringify(module)});
      const store = FeedbackStore.open(${JSON.stringify(path)});
      for (let i = 0; i < 50; ++i) {
        const id = process.argv[1] + '-' + i;
        store.recordAnswers([{ ...${JSON.stringify(answerRecord('x'))}, id }]);
        store.addFeedback({ ...${JSON.stringify(newFeedback('x'))}, answer: { id, choice: 0 } });
      }
      store.close();`;
    const args = (name: string) => ['--input-type=module', '-e', program, name];
    const done = await Promise.all(['a', 'b', 'c', 'd'].map((name) => runNode(args(name))));
    expect(done.map(({ code, stderr }) => [code, stderr])).toEqual(done.map(() => [0, '']));
    expect(opened(path).counts()).toMatchObject({ answers: 200, feedback: 200 });
  });

  it('that another process holds for long is an error that says so', () => {
    const { path } = opened();
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const started = performance.now();
    expect(() => opened(path).recordAnswers([answerRecord('a')])).toThrow(
      expect.objectContaining({
        code: 'ERR_STATE',
        message: expect.stringMatching(/another process writes to it/),
      }),
    );
    expect(performance.now() - started).toBeGreaterThan(4000);
    other.close();
  });

  it('that may not grow is an error, and what was there stays', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'sub'));
    const path = join(folder, 'sub', 'store.db');
    const module = join(packageRoot, 'dist/feedback/store.js');
    const program = `
      const { FeedbackStore } = await import(${JSON.stringify(module)});
      const store = FeedbackStore.open(${JSON.stringify(path)});
      const answer = ${JSON.stringify(answerRecord('x'))};
      let written = 0;
      try {
        for (; ; ++written) store.recordAnswers([{ ...answer, id: 'a' + written, text: 'x'.repeat(5000) }]);
      } catch ({ code }) {
        console.log(JSON.stringify({ written, code }));
      }
      process.kill(process.pid, 'SIGKILL');`;
    // 300 blocks of 1024 bytes: the system refuses to make a file larger.
    const command = `ulimit -f 300; exec "$0" --input-type=module -e "$1"`;
    const { stdout } = spawnSync('bash', ['-c', command, process.execPath, program], { encoding: 'utf8' });
    const { written, code } = JSON.parse(stdout) as { written: number; code: string };
    expect(['ERR_IO', 'ERR_DISK_FULL']).toContain(code);
    expect(written).toBeGreaterThan(5);
    const store = opened(path);
    store.check();
    expect(store.counts().answers).toBe(written);
  });
});
