/** A file of SQLite with the tables of a feedback store, and its errors in words. */
import { closeSync, existsSync, openSync, rmSync, statSync } from 'node:fs';
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

export interface DatabaseOptions {
  create?: boolean;
  readOnly?: boolean;
  /** The steps that make the tables; tests give others. */
  migrations?: readonly string[];
}

export class Database {
  readonly #path: string;
  readonly #db: DatabaseSyncInstance;
  readonly #statements = new Map<string, StatementSyncInstance>();

  private constructor(path: string, db: DatabaseSyncInstance) {
    this.#path = path;
    this.#db = db;
  }

  /**
   * Opens a store, or makes one where there is no file, or an empty one. With `readOnly` nothing is
   * written into the file. Throws ERR_FILE_MISSING with `create` false and for a folder that does
   * not exist, ERR_FORMAT for a file of another kind, and for an empty one with `create` false,
   * ERR_FILE_DAMAGED, ERR_MISMATCH for a store of a later version, and with `readOnly` of an
   * earlier one, ERR_STATE while another process holds it, ERR_IO, ERR_DISK_FULL, and
   * ERR_NATIVE_LOAD where SQLite has no binary for this platform.
   */
  static open(
    path: string,
    { create = true, readOnly = false, migrations = MIGRATIONS }: DatabaseOptions = {},
  ): Database {
    const { DatabaseSync: Sqlite } = loadSqlite();
    const mayCreate = create && !readOnly;
    const isNew = mayCreate && !existsSync(path);
    makeFile(path, mayCreate, readOnly);
    const options = { timeout: BUSY_MS, readOnly };
    const database = guarded(path, () => new Database(path, new Sqlite(path, options)));
    try {
      guarded(path, () => {
        if (!mayCreate) database.#checkVersion(migrations.length, readOnly);
        if (!readOnly) database.#prepare(migrations);
      });
      return database;
    } catch (error) {
      database.#db.close();
      if (isNew) for (const file of database.files) rmSync(file, { force: true });
      throw error;
    }
  }

  /** The file itself, and those that SQLite keeps beside it. They need not exist. */
  get files(): string[] {
    return ['', '-wal', '-shm', '-journal'].map((suffix) => this.#path + suffix);
  }

  /** Runs a statement. Returns the number of rows that it changed, and the id of the last one. */
  run(sql: string, ...values: SqlValue[]): { changes: number; row: number } {
    return guarded(this.#path, () => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(...checked(values));
      return { changes, row: Number(lastInsertRowid) };
    });
  }

  /** The first row of a query. */
  first(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return guarded(this.#path, () => this.#statement(sql).get(...checked(values)) as SqlRow | undefined);
  }

  /** All rows of a query. */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return guarded(this.#path, () => this.#statement(sql).all(...checked(values)) as SqlRow[]);
  }

  /**
   * All that `body` writes is kept, or nothing of it when it throws. It is on the disk when this
   * returns. Inside of another transaction it is a part of that one.
   */
  transaction<T>(body: () => T): T {
    if (this.#db.isTransaction) return body();
    this.#execute('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.#execute('COMMIT');
      return result;
    } catch (error) {
      // Some errors, such as a full disk, have ended the transaction already.
      if (this.#db.isTransaction) this.#execute('ROLLBACK');
      throw error;
    }
  }

  /** Until endReading() all queries see the store as it is now. */
  beginReading(): void {
    this.#execute('BEGIN');
  }

  endReading(): void {
    if (this.#db.isTransaction) this.#execute('ROLLBACK');
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
    const { code, problem, remedy } = DAMAGED;
    throw new AthanorError(code, `${this.#path}: ${problem}: ${found}`, remedy);
  }

  /**
   * The file is whole afterwards. The package cannot end its statements, so that SQLite lets go of
   * the file and removes its log only when they are collected, or when the thread ends.
   */
  close(): void {
    if (!this.#db.isOpen) return;
    try {
      this.first('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // Nothing is lost: whoever opens the file next reads the log.
    } finally {
      this.#statements.clear();
      this.#db.close();
    }
  }

  #execute(sql: string): void {
    guarded(this.#path, () => this.#db.exec(sql));
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
    // This build of SQLite does not sync at each commit of a database in WAL mode unless it is
    // told to.
    this.#db.exec('PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON');
    this.#db.exec(`PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = ${MAX_LOG_BYTES}`);
    const mode = this.first('PRAGMA journal_mode = WAL')!;
    if (mode.journal_mode !== 'wal') {
      throw new AthanorError(
        'ERR_IO',
        `${this.#path}: the file system cannot share memory between processes, which a store needs`,
        'put the store on a local disk',
      );
    }
    this.transaction(() => this.#migrate(migrations));
  }

  /** Throws for a file that would have to be written first. */
  #checkVersion(latest: number, readOnly: boolean): void {
    const version = this.#checkKind(latest);
    if (version === 0) {
      const remedy = 'name a feedback store: a file that serve --feedback or feedback import made';
      throw new AthanorError('ERR_FORMAT', `${this.#path} is empty, so it is no feedback store`, remedy);
    }
    if (!readOnly || version === latest) return;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${this.#path} has version ${version} of the tables, and this athanor reads version ${latest}`,
      'start a server with it once, which brings the tables up to date',
    );
  }

  /** Version of the tables; 0 for an empty file. */
  #checkKind(latest: number): number {
    const number = (name: string) => Number(this.first(`PRAGMA ${name}`)![name]);
    const [id, version] = [number('application_id'), number('user_version')];
    const { tables } = this.first('SELECT count(*) AS tables FROM sqlite_schema')!;
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
      'install its package again: npm install @photostructure/sqlite',
      { cause: error },
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/** What people write is for the owner of the file alone; SQLite would let others read it. */
function makeFile(path: string, create: boolean, readOnly: boolean): void {
  if (!create && !existsSync(path)) {
    throw new AthanorError('ERR_FILE_MISSING', `${path} does not exist`, 'check the path');
  }
  try {
    closeSync(openSync(path, create ? 'a' : readOnly ? 'r' : 'r+', 0o600));
    if (!statSync(path).isFile()) throw new AthanorError('ERR_ARGUMENT', `${path} is not a file`);
  } catch (error) {
    throw fileError(error, path, 'open');
  }
}

/** An error of SQLite. */
interface SqliteError extends Error {
  readonly code: 'ERR_SQLITE_ERROR';
  /** The extended result code. Some calls of the package leave it out. */
  readonly errcode?: number;
  readonly systemErrno?: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && (error as Partial<SqliteError>).code === 'ERR_SQLITE_ERROR';
}

/** A result code of SQLite, with its words for it, and ours. */
interface Meaning {
  result: number;
  says: string;
  code: ErrorCode;
  problem: string;
  remedy: string;
}

const DAMAGED: Meaning = {
  ...{ result: 11, says: 'database disk image is malformed', code: 'ERR_FILE_DAMAGED' },
  ...{ problem: 'the store is damaged', remedy: 'restore it from an export or a backup' },
};
const BUSY: Omit<Meaning, 'result' | 'says'> = {
  ...{ code: 'ERR_STATE', problem: 'another process writes to it', remedy: 'try again when that is done' },
};
const CLOSED: Omit<Meaning, 'result' | 'says' | 'problem'> = {
  ...{ code: 'ERR_IO', remedy: 'change the mode or the owner of the file and of its folder' },
};
const MEANINGS: readonly Meaning[] = [
  DAMAGED,
  { result: 3, says: 'access permission denied', problem: 'there is no permission to write', ...CLOSED },
  { result: 5, says: 'database is locked', ...BUSY },
  { result: 6, says: 'database table is locked', ...BUSY },
  { result: 8, says: 'attempt to write a readonly database', problem: 'it is read-only', ...CLOSED },
  { result: 14, says: 'unable to open database file', problem: 'it cannot be opened', ...CLOSED },
  {
    ...{ result: 7, says: 'out of memory', code: 'ERR_OUT_OF_MEMORY' },
    ...{ problem: 'there is no memory left', remedy: 'close other programs' },
  },
  {
    ...{ result: 10, says: 'disk I/O error', code: 'ERR_IO' },
    problem: 'the system refused to read or write it',
    remedy: 'check the disk, its limits and its connection',
  },
  {
    ...{ result: 13, says: 'database or disk is full', code: 'ERR_DISK_FULL' },
    ...{ problem: 'the disk is full', remedy: 'free some space' },
  },
  {
    ...{ result: 26, says: 'file is not a database', code: 'ERR_FORMAT' },
    ...{ problem: 'it is no SQLite file', remedy: 'name a feedback store, or a path where none is' },
  },
];

/** SQLite would take a text up to its first zero character: another text. */
function checked(values: readonly SqlValue[]): readonly SqlValue[] {
  if (!values.some((value) => typeof value === 'string' && value.includes('\0'))) return values;
  throw new AthanorError('ERR_ARGUMENT', 'an id or name has a zero character');
}

/** Runs statements. Their errors become AthanorErrors that name the file. */
function guarded<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw isSqliteError(error) ? translated(error, path) : error;
  }
}

function translated(error: SqliteError, path: string): AthanorError {
  const { errcode, message, systemErrno } = error;
  const meaning = MEANINGS.find(({ result, says }) =>
    errcode === undefined ? message.includes(says) : result === (errcode & 0xff),
  );
  const system = systemErrno ? ` (system error ${systemErrno})` : '';
  const problem = `${path}: ${meaning ? meaning.problem + system : message}`;
  return new AthanorError(meaning?.code ?? 'ERR_INTERNAL', problem, meaning?.remedy, { cause: error });
}
