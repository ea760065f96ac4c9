/**
 * What a server answered and what was said of it, in one file of SQLite. A call that returns has
 * its effect on the disk. Several processes may open the same file on a local disk; each waits for
 * a few seconds when another one writes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Database, type SqlRow, type SqlValue } from './database.ts';
import type { AnyRecord } from './lines.ts';
import type {
  AnswerRecord,
  AnswerRef,
  ComparisonRecord,
  FeedbackRecord,
  SafetyEvent,
  Sender,
} from './records.ts';
import {
  answerOf,
  answerRow,
  COMPARISON_COLUMNS,
  comparisonOf,
  comparisonRow,
  FEEDBACK_COLUMNS,
  feedbackOf,
  feedbackRow,
  type Keyed,
  type NewAnswer,
  type NewRow,
  safetyEventOf,
  safetyRow,
  words,
  wordsOf,
} from './rows.ts';

/** Feedback as it is sent. At least one of rating and correction is not null. */
export interface NewFeedback extends Omit<FeedbackRecord, 'id' | 'createdAt'>, Keyed {}
/** A comparison as it is sent. */
export interface NewComparison extends Omit<ComparisonRecord, 'id' | 'createdAt'>, Keyed {}

/** What became of feedback or a comparison. */
export type Added =
  /** It is stored; `duplicate`: the same sender had sent it before, with the same key. */
  | { outcome: 'stored'; id: string; createdAt: number; duplicate: boolean }
  /** The store has no such answer. */
  | { outcome: 'unknown_answer'; answer: AnswerRef }
  /** The sender has used the idempotency key for something else. */
  | { outcome: 'key_reused' }
  /** The answers do not have the same prompt, or are the same answer. */
  | { outcome: 'not_comparable' };

/** Numbers of records. */
export interface RecordCounts {
  answers: number;
  feedback: number;
  comparisons: number;
  safetyEvents: number;
}

/** Numbers of a whole store. */
export interface StoreStats extends RecordCounts {
  /** Ratings of 1 and of -1, and corrections. */
  liked: number;
  disliked: number;
  corrections: number;
  jailbreaks: number;
  overRefusals: number;
  /** Named users. */
  users: number;
  /** Milliseconds since 1970; null without answers. */
  oldest: number | null;
  newest: number | null;
  bytes: number;
}

/** A user whose records were deleted. */
export interface Deletion {
  /** SHA-256 of the name as a JSON string, in hexadecimal. */
  userHash: string;
  /** Records of the user up to this time are refused. Milliseconds since 1970. */
  deletedAt: number;
}

export interface OpenOptions {
  /** Make the store if there is no file. Default true. */
  create?: boolean;
  /** Write nothing: a method that would throws ERR_IO. Then no store is made. Default false. */
  readOnly?: boolean;
}

/** Records that are read at once. */
const PAGE = 200;

const TABLES = {
  answer: 'answers',
  feedback: 'feedback',
  comparison: 'comparisons',
  safety_event: 'safety_events',
} as const;
const JAILBREAK = 'response_harmful = 1';
/** An answer that the policy cut counts as refused, and is harmful. */
const OVER_REFUSAL = 'prompt_harmful = 0 AND response_refused = 1 AND response_harmful IS NOT 1';

export class FeedbackStore implements Disposable {
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Opens a store, or makes one where there is no file. Throws ERR_FILE_MISSING without `create`
   * and for a folder that does not exist, ERR_FORMAT for a file of another kind, and without
   * `create` for an empty one, ERR_FILE_DAMAGED, ERR_MISMATCH for a store of a later version, and
   * with `readOnly` of an earlier one, ERR_STATE while another process writes for long,
   * ERR_IO, ERR_DISK_FULL, and ERR_NATIVE_LOAD where SQLite has no binary for the platform.
   * Every method throws ERR_STATE, ERR_IO, ERR_DISK_FULL and ERR_FILE_DAMAGED in the same way.
   */
  static open(path: string, options: OpenOptions = {}): FeedbackStore {
    return new FeedbackStore(Database.open(path, options));
  }

  /** Paths of the files of the store. */
  get files(): string[] {
    return this.#db.files;
  }

  /** All that `body` writes is kept, or nothing of it when it throws. */
  transaction<T>(body: () => T): T {
    return this.#db.transaction(body);
  }

  /**
   * Writes answers. One that is there already stays as it is, and one of a user who was deleted
   * after it began is left out. Returns the number of new ones.
   */
  recordAnswers(records: readonly NewAnswer[]): number {
    return this.#db.transaction(() => {
      let added = 0;
      for (const record of records) {
        if (!this.#isDeleted(record)) added += this.#insert('answers', answerRow(record));
      }
      return added;
    });
  }

  /** The answer, or undefined when the store does not have it. */
  answer({ id, choice }: AnswerRef): AnswerRecord | undefined {
    const row = this.#db.first('SELECT * FROM answers WHERE id = ? AND choice = ?', id, choice);
    return row && answerOf(row);
  }

  /** Writes what a person said of an answer. */
  addFeedback(feedback: NewFeedback): Added {
    return this.#db.transaction(() => {
      const answer = this.#rowOf(feedback.answer);
      if (answer === undefined) return { outcome: 'unknown_answer', answer: feedback.answer };
      const row = feedbackRow({ ...feedback, ...newHead('fb') }, answer);
      const earlier = this.#earlier('feedback', feedback);
      if (earlier) return repeated(earlier, row);
      this.#insert('feedback', row);
      return stored(row, false);
    });
  }

  /** Writes what a person said of two answers. */
  addComparison(comparison: NewComparison): Added {
    return this.#db.transaction(() => {
      const [first, second] = [this.#rowOf(comparison.first), this.#rowOf(comparison.second)];
      if (first === undefined) return { outcome: 'unknown_answer', answer: comparison.first };
      if (second === undefined) return { outcome: 'unknown_answer', answer: comparison.second };
      if (!this.#areComparable(first, second)) return { outcome: 'not_comparable' };
      const row = comparisonRow({ ...comparison, ...newHead('cmp') }, first, second);
      const earlier = this.#earlier('comparisons', comparison);
      if (earlier) return repeated(earlier, row);
      this.#insert('comparisons', row);
      return stored(row, false);
    });
  }

  /** Writes what the checks found. An event that is there already stays as it is. */
  addSafetyEvent(event: SafetyEvent): void {
    this.#db.transaction(() => {
      if (!this.#isDeleted(event)) this.#insert('safety_events', safetyRow(event));
    });
  }

  /** All answers, the oldest first. Records that are added meanwhile come too. */
  *answers(): Generator<AnswerRecord> {
    yield* this.#records('SELECT * FROM answers', 'answers', answerOf);
  }

  /** All feedback, as answers(). Its idempotency key comes with it. */
  *feedback(): Generator<FeedbackRecord & Keyed> {
    yield* this.#records(`SELECT ${FEEDBACK_COLUMNS}`, 'feedback', feedbackOf);
  }

  /** All comparisons, as feedback(). */
  *comparisons(): Generator<ComparisonRecord & Keyed> {
    yield* this.#records(`SELECT ${COMPARISON_COLUMNS}`, 'comparisons', comparisonOf);
  }

  /** All safety events, as answers(). */
  *safetyEvents(): Generator<SafetyEvent> {
    yield* this.#records('SELECT * FROM safety_events', 'safety_events', safetyEventOf);
  }

  /** The last safety events of a kind, the newest first. */
  lastSafetyEvents(kind: 'jailbreak' | 'over_refusal', count: number): SafetyEvent[] {
    const condition = kind === 'jailbreak' ? JAILBREAK : OVER_REFUSAL;
    const sql = `SELECT * FROM safety_events WHERE ${condition} ORDER BY row DESC LIMIT ?`;
    return this.#db.all(sql, count).map(safetyEventOf);
  }

  /** The users who were deleted. */
  *deletions(): Generator<Deletion> {
    for (const row of this.#db.all('SELECT * FROM deleted_users ORDER BY deleted_at, user_hash')) {
      yield { userHash: row.user_hash as string, deletedAt: row.deleted_at as number };
    }
  }

  /**
   * Deletes a user: the answers that were made for the user, what anybody said of them, and what
   * the user said of others. The store remembers the deletion by a hash of the name, so that an
   * import of an older export does not bring the records back. Returns what was deleted.
   */
  deleteUser(user: string): RecordCounts {
    const counts = this.#counting(() =>
      this.#delete({ userHash: hashOf(user), deletedAt: Date.now() }, user),
    );
    this.#db.emptyLog();
    return counts;
  }

  /** All records as they are at one moment. Nothing can be written until it is at its end. */
  *snapshot(): Generator<AnyRecord> {
    this.#db.beginReading();
    try {
      for (const record of this.deletions()) yield { kind: 'deletion', record };
      for (const record of this.answers()) yield { kind: 'answer', record };
      for (const record of this.feedback()) yield { kind: 'feedback', record };
      for (const record of this.comparisons()) yield { kind: 'comparison', record };
      for (const record of this.safetyEvents()) yield { kind: 'safety_event', record };
    } finally {
      this.#db.endReading();
    }
  }

  /**
   * Adds a record of another store with its id and its time. `left_out`: its user was deleted, or
   * the store does not have its answers.
   */
  add(one: AnyRecord): 'added' | 'present' | 'left_out' {
    return this.#db.transaction(() => {
      if (one.kind === 'deletion') return this.#addDeletion(one.record);
      const row = this.#isDeleted(one.record) ? undefined : this.#newRow(one);
      if (!row) return 'left_out';
      return this.#insert(TABLES[one.kind], row) > 0 ? 'added' : 'present';
    });
  }

  /**
   * Deletes what is older than a time, in milliseconds since 1970. What was said of an answer goes
   * with the answer. Returns what was deleted.
   */
  prune(before: number): RecordCounts {
    const counts = this.#counting(() => {
      this.#deleteAnswers('created_at < ?', before);
      for (const table of ['feedback', 'comparisons', 'safety_events']) {
        this.#db.run(`DELETE FROM ${table} WHERE created_at < ?`, before);
      }
    });
    if (Object.values(counts).some((count) => count > 0)) this.#db.emptyLog();
    return counts;
  }

  /** Overwrites what was deleted: the log of writes beside the file still has it. */
  emptyLog(): void {
    this.#db.emptyLog();
  }

  counts(): RecordCounts {
    const row = this.#db.first(
      'SELECT (SELECT count(*) FROM answers) AS answers, (SELECT count(*) FROM feedback) AS feedback, ' +
        '(SELECT count(*) FROM comparisons) AS comparisons, ' +
        '(SELECT count(*) FROM safety_events) AS events',
    )!;
    const { answers, feedback, comparisons, events } = row as Record<string, number>;
    return { answers: answers!, feedback: feedback!, comparisons: comparisons!, safetyEvents: events! };
  }

  stats(): StoreStats {
    const row = this.#db.first(
      'SELECT (SELECT count(*) FROM feedback WHERE rating = 1) AS liked, ' +
        '(SELECT count(*) FROM feedback WHERE rating = -1) AS disliked, ' +
        '(SELECT count(correction) FROM feedback) AS corrections, ' +
        `(SELECT count(*) FROM safety_events WHERE ${JAILBREAK}) AS jailbreaks, ` +
        `(SELECT count(*) FROM safety_events WHERE ${OVER_REFUSAL}) AS overRefusals, ` +
        '(SELECT min(created_at) FROM answers) AS oldest, ' +
        '(SELECT max(created_at) FROM answers) AS newest, ' +
        '(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS bytes',
    );
    const numbers = { ...row } as Record<string, number> & Pick<StoreStats, 'oldest' | 'newest'>;
    return { ...this.counts(), ...numbers, users: this.#users().length } as StoreStats;
  }

  /** Throws ERR_FILE_DAMAGED when a part of the file is damaged. Reads the whole file. */
  check(): void {
    this.#db.check();
  }

  close(): void {
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #insert(table: string, row: NewRow): number {
    const names = Object.keys(row);
    const places = names.map(() => '?').join(', ');
    const sql = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places}) ON CONFLICT DO NOTHING`;
    return this.#db.run(sql, ...Object.values(row)).changes;
  }

  #rowOf({ id, choice }: AnswerRef): number | undefined {
    const found = this.#db.first('SELECT row FROM answers WHERE id = ? AND choice = ?', id, choice);
    return found?.row as number | undefined;
  }

  /** Undefined when the store does not have the answers. */
  #newRow(one: Exclude<AnyRecord, { kind: 'deletion' }>): NewRow | undefined {
    switch (one.kind) {
      case 'answer':
        return answerRow(one.record);
      case 'feedback': {
        const answer = this.#rowOf(one.record.answer);
        return answer === undefined ? undefined : feedbackRow(one.record, answer);
      }
      case 'comparison': {
        const [first, second] = [this.#rowOf(one.record.first), this.#rowOf(one.record.second)];
        if (first === undefined || second === undefined) return undefined;
        return comparisonRow(one.record, first, second);
      }
      case 'safety_event':
        return safetyRow(one.record);
    }
  }

  /** Deletes the records of the user up to the time of the deletion. */
  #addDeletion(deletion: Deletion): 'added' | 'present' {
    const sql = 'SELECT 1 AS found FROM deleted_users WHERE user_hash = ? AND deleted_at >= ?';
    if (this.#db.first(sql, deletion.userHash, deletion.deletedAt)) return 'present';
    const user = this.#users().find((name) => hashOf(name) === deletion.userHash);
    this.#delete(deletion, user);
    return 'added';
  }

  /** What the same sender sent with the same key. */
  #earlier(table: string, { idempotencyKey, client, user }: Keyed & Sender): SqlRow | undefined {
    if (idempotencyKey === null) return undefined;
    const condition = "idempotency_key = ? AND ifnull(client, '') = ? AND ifnull(user, '') = ?";
    const sql = `SELECT * FROM ${table} WHERE ${condition}`;
    return this.#db.first(sql, words(idempotencyKey), client ?? '', words(user) ?? '');
  }

  /** Ids tell for answers of one tokenizer; for others, the conversation. */
  #areComparable(first: number, second: number): boolean {
    if (first === second) return false;
    const sql =
      'SELECT a.prompt_ids = b.prompt_ids OR a.messages = b.messages AS same ' +
      'FROM answers AS a, answers AS b WHERE a.row = ? AND b.row = ?';
    return this.#db.first(sql, first, second)!.same === 1;
  }

  #isDeleted({ user, createdAt }: Sender & { createdAt: number }): boolean {
    if (user === null) return false;
    const sql = 'SELECT deleted_at FROM deleted_users WHERE user_hash = ?';
    const deletedAt = this.#db.first(sql, hashOf(user))?.deleted_at;
    return deletedAt !== undefined && (deletedAt as number) >= createdAt;
  }

  *#records<T>(select: string, table: string, of: (row: SqlRow) => T): Generator<T> {
    const sql = `${select} WHERE ${table}.row > ? ORDER BY ${table}.row LIMIT ${PAGE}`;
    for (let last = 0; ; ) {
      const rows = this.#db.all(sql, last);
      if (rows.length === 0) return;
      for (const row of rows) yield of(row);
      last = rows.at(-1)!.row as number;
    }
  }

  #users(): string[] {
    const tables = ['answers', 'feedback', 'comparisons', 'safety_events'];
    const each = tables.map((table) => `SELECT user FROM ${table} WHERE user IS NOT NULL`);
    return this.#db.all(each.join(' UNION ')).map(({ user }) => wordsOf(user!)!);
  }

  #counting(body: () => void): RecordCounts {
    return this.#db.transaction(() => {
      const before = this.counts();
      body();
      const after = this.counts();
      const names = Object.keys(before) as (keyof RecordCounts)[];
      const gone = names.map((name) => [name, before[name] - after[name]]);
      return Object.fromEntries(gone) as RecordCounts;
    });
  }

  #delete({ userHash, deletedAt }: Deletion, user: string | undefined): void {
    this.#db.run(
      'INSERT INTO deleted_users VALUES (?, ?) ' +
        'ON CONFLICT DO UPDATE SET deleted_at = max(deleted_at, excluded.deleted_at)',
      ...[userHash, deletedAt],
    );
    if (user === undefined) return;
    this.#deleteAnswers('user = ? AND created_at <= ?', words(user), deletedAt);
    for (const table of ['feedback', 'comparisons', 'safety_events']) {
      this.#db.run(`DELETE FROM ${table} WHERE user = ? AND created_at <= ?`, words(user), deletedAt);
    }
  }

  /** Feedback and comparisons go with their answers by the foreign keys. */
  #deleteAnswers(condition: string, ...values: SqlValue[]): void {
    const answers = `SELECT id, choice FROM answers WHERE ${condition}`;
    this.#db.run(`DELETE FROM safety_events WHERE (answer_id, choice) IN (${answers})`, ...values);
    this.#db.run(`DELETE FROM answers WHERE ${condition}`, ...values);
  }
}

function hashOf(user: string): string {
  return createHash('sha256').update(words(user)).digest('hex');
}

function newHead(prefix: string): { id: string; createdAt: number } {
  return { id: `${prefix}-${randomBytes(12).toString('hex')}`, createdAt: Date.now() };
}

function stored({ id, created_at }: SqlRow, duplicate: boolean): Added {
  return { outcome: 'stored', id: id as string, createdAt: created_at as number, duplicate };
}

/** What is sent again under its key must be the same. */
function repeated(earlier: SqlRow, row: NewRow): Added {
  const isSame = ([name, value]: [string, SqlValue]) =>
    name === 'id' || name === 'created_at' || earlier[name] === value;
  return Object.entries(row).every(isSame) ? stored(earlier, true) : { outcome: 'key_reused' };
}
