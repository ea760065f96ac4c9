/** A file of SQLite with the tables of a feedback store, and its errors in words. */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import { AthanorError, type ErrorCode, fileError } from '../base/errors.ts';
import { APPLICATION_ID, MIGRATIONS } from './schema.ts';

/** What SQLite takes and gives. */
export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** Milliseconds that a statement waits for another process that writes. */
const BUSY_MS = 5000;
/** After a large import or deletion the file with the log of writes is cut to this size. */
const MAX_LOG_BYTES = 16 << 20;

export class Database {
  readonly #path: string;
  readonly #db: DatabaseSyncInstance;
  readonly #statements = new Map<string, StatementSyncInstance>();

  private constructor(path: string, db: DatabaseSyncInstance) {
    this.#path = path;
    this.#db = db;
  }

  /**
   * Opens a store, or makes one where there is no file. Throws ERR_FILE_MISSING with `create` false
   * and for a folder that does not exist, ERR_FORMAT for a file of another kind, ERR_FILE_DAMAGED,
   * ERR_MISMATCH for a store of a later version, ERR_STATE while another process holds it, ERR_IO,
   * ERR_DISK_FULL, and ERR_NATIVE_LOAD where SQLite has no binary for this platform.
   */
  static open(path: string, { create = true, migrations = MIGRATIONS } = {}): Database {
    makeFile(path, create);
    const { DatabaseSync: Sqlite } = loadSqlite();
    const database = guarded(path, () => new Database(path, new Sqlite(path, { timeout: BUSY_MS })));
    try {
      guarded(path, () => database.#prepare(migrations));
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Whether a transaction is open. */
  get isInTransaction(): boolean {
    return this.#db.isTransaction;
  }

  /** Runs statements without values. */
  execute(sql: string): void {
    guarded(this.#path, () => this.#db.exec(sql));
  }

  /** Runs a statement. Returns the number of rows that it changed, and the id of the last one. */
  run(sql: string, ...values: SqlValue[]): { changes: number; row: number } {
    return guarded(this.#path, () => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
      return { changes, row: Number(lastInsertRowid) };
    });
  }

  /** The first row of a query. */
  first(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return guarded(this.#path, () => this.#statement(sql).get(...values) as SqlRow | undefined);
  }

  /** All rows of a query. */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return guarded(this.#path, () => this.#statement(sql).all(...values) as SqlRow[]);
  }

  /**
   * All that `body` writes is kept, or nothing of it when it throws. It is on the disk when this
   * returns. Inside of another transaction it is a part of that one.
   */
  transaction<T>(body: () => T, kind: 'IMMEDIATE' | 'DEFERRED' = 'IMMEDIATE'): T {
    if (this.#db.isTransaction) return body();
    this.execute(`BEGIN ${kind}`);
    try {
      const result = body();
      this.execute('COMMIT');
      return result;
    } catch (error) {
      // Some errors, such as a full disk, have ended the transaction already.
      if (this.#db.isTransaction) this.execute('ROLLBACK');
      throw error;
    }
  }

  /**
   * Overwrites what was deleted: the log of writes still holds it. Another process that reads at
   * this moment delays it to the next time.
   */
  emptyLog(): void {
    this.first('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Throws ERR_FILE_DAMAGED. Reads the whole file. */
  check(): void {
    const { quick_check: found } = this.first('PRAGMA quick_check(1)')!;
    if (found === 'ok') return;
    const [code, problem, remedy] = MEANINGS[11]!;
    throw new AthanorError(code, `${this.#path}: ${problem}: ${found}`, remedy);
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #statement(sql: string): StatementSyncInstance {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #prepare(migrations: readonly string[]): void {
    this.#checkKind(migrations.length);
    // This build of SQLite does not sync at each commit of a database in WAL mode unless it is told.
    this.#db.exec('PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON');
    this.#db.exec(`PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = ${MAX_LOG_BYTES}`);
    const mode = this.#db.prepare('PRAGMA journal_mode = WAL').get() as SqlRow;
    if (mode.journal_mode !== 'wal') {
      throw new AthanorError(
        'ERR_IO',
        `${this.#path}: the file system cannot share memory between processes, which a store needs`,
        'put the store on a local disk',
      );
    }
    this.transaction(() => this.#migrate(migrations));
  }

  /** Version of the tables; 0 for an empty file. */
  #checkKind(latest: number): number {
    const number = (name: string) => Number((this.#db.prepare(`PRAGMA ${name}`).get() as SqlRow)[name]);
    const [id, version] = [number('application_id'), number('user_version')];
    const { tables } = this.#db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as SqlRow;
    if (id === 0 && version === 0 && tables === 0) return 0;
    if (id !== APPLICATION_ID) {
      throw new AthanorError(
        'ERR_FORMAT',
        `${this.#path} is a database of another program`,
        'name a feedback store, or a path where none is',
      );
    }
    if (version <= latest) return version;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${this.#path} has version ${version} of the tables; this athanor knows versions up to ${latest}`,
      'use the version of athanor that wrote it, or a later one',
    );
  }

  /** Inside of a transaction: another process may have been faster. */
  #migrate(migrations: readonly string[]): void {
    const version = this.#checkKind(migrations.length);
    if (version === migrations.length) return;
    for (const step of migrations.slice(version)) this.#db.exec(step);
    this.#db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
  }
}

/** Loaded when a store is opened: a server without one needs no binary of SQLite. */
function loadSqlite(): typeof import('@photostructure/sqlite') {
  const require = createRequire(import.meta.url);
  try {
    return require('@photostructure/sqlite') as typeof import('@photostructure/sqlite');
  } catch (error) {
    throw new AthanorError(
      'ERR_NATIVE_LOAD',
      `SQLite cannot be loaded on ${process.platform} ${process.arch}: ${firstLine(error)}`,
      'install the package again, with its optional parts: npm install @photostructure/sqlite',
      { cause: error },
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/** What people write is for the owner of the file alone; SQLite would let others read it. */
function makeFile(path: string, create: boolean): void {
  if (!create && !existsSync(path)) {
    throw new AthanorError('ERR_FILE_MISSING', `${path} does not exist`, 'check the path');
  }
  try {
    closeSync(openSync(path, create ? 'a' : 'r+', 0o600));
    if (!statSync(path).isFile()) throw new AthanorError('ERR_ARGUMENT', `${path} is not a file`);
  } catch (error) {
    throw fileError(error, path, 'open');
  }
}

/** The parts of an error of SQLite. */
interface SqliteError extends Error {
  readonly errcode: number;
  readonly systemErrno?: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && typeof (error as Partial<SqliteError>).errcode === 'number';
}

/** By primary result code: a code of ours, what is wrong, and what helps. */
const MEANINGS: Readonly<Record<number, readonly [ErrorCode, string, string]>> = {
  3: ['ERR_IO', 'there is no permission to write', 'change the mode or the owner of the file'],
  5: ['ERR_STATE', 'another process writes to it', 'try again when that is done'],
  6: ['ERR_STATE', 'another process writes to it', 'try again when that is done'],
  7: ['ERR_OUT_OF_MEMORY', 'there is no memory left', 'close other programs'],
  8: ['ERR_IO', 'it is read-only', 'change the mode or the owner of the file and of its folder'],
  10: ['ERR_IO', 'the disk does not do what it should', 'check the disk, its limits and its connection'],
  11: ['ERR_FILE_DAMAGED', 'the store is damaged', 'restore it from an export or a backup'],
  13: ['ERR_DISK_FULL', 'the disk is full', 'free some space'],
  14: ['ERR_IO', 'it cannot be opened', 'change the mode or the owner of the file and of its folder'],
  26: ['ERR_FORMAT', 'it is no SQLite file', 'name a feedback store, or a path where none is'],
};

/** Runs statements. Their errors become AthanorErrors that name the file. */
function guarded<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!isSqliteError(error)) throw error;
    const [code, problem, remedy] = MEANINGS[error.errcode & 0xff] ?? [];
    const system = error.systemErrno ? ` (system error ${error.systemErrno})` : '';
    throw new AthanorError(
      code ?? 'ERR_INTERNAL',
      `${path}: ${problem === undefined ? error.message : problem + system}`,
      remedy,
      { cause: error },
    );
  }
}
