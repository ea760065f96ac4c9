/**
 * `OUT.partial`: what `data prepare` has done so far. A result is some files and then a record with
 * their digests, so one that was cut short has no record and is made again.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AthanorError, fileError } from '../../base/errors.ts';
import { makeFolders } from '../../base/files/make-folders.ts';
import { ifThere, readJsonObject } from '../../base/files/read-file.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { isIntact, type PieceRecord } from './piece-files.ts';

/** A finished result: its files by their ending, and what is known of it. */
export type DoneRecord = { files: Record<string, PieceRecord>; summary: JsonObject };

/** Kinds of results of units: read and filtered, and encoded. */
export type ResultKind = 'filtered' | 'encoded';

export class PartialFolder {
  readonly path: string;
  readonly out: string;

  /** @param out the folder that is being made */
  constructor(out: string) {
    this.out = out;
    this.path = `${out.replace(/\/+$/, '')}.partial`;
  }

  /** The folder that becomes `out`. */
  get result(): string {
    return join(this.path, 'result');
  }

  get tokenizer(): string {
    return join(this.path, 'tokenizer');
  }

  /** A folder for temporary files of sorting. */
  get scratch(): string {
    return join(this.path, 'scratch');
  }

  /** The folder of a copy of standard input. */
  get stdin(): string {
    return join(this.path, 'stdin');
  }

  get ranks(): string {
    return join(this.path, 'ranks');
  }

  /** The path of a file of a unit's result. */
  file(unit: number, kind: ResultKind | 'decided', ending: string): string {
    return join(this.path, kind, `${String(unit).padStart(6, '0')}.${ending}`);
  }

  /** Makes the folders that are not there yet. Throws ERR_DISK_FULL and ERR_IO. */
  makeFolders(): void {
    try {
      for (const name of ['filtered', 'decided', 'encoded', 'ranks', 'result', 'scratch']) {
        makeFolders(join(this.path, name));
      }
    } catch (error) {
      throw fileError(error, this.path, 'make');
    }
  }

  /** What a record says; undefined if there is none, or none that can be read. */
  read(name: string): JsonObject | undefined {
    try {
      return ifThere(() => readJsonObject(join(this.path, name)));
    } catch (error) {
      if (error instanceof AthanorError && error.code === 'ERR_FORMAT') return undefined;
      throw error;
    }
  }

  /** Throws ERR_DISK_FULL and ERR_IO. */
  write(name: string, value: JsonObject): void {
    replaceFile(join(this.path, name), `${JSON.stringify(value)}\n`);
  }

  /** The record of a unit's result, if there is one. */
  record(unit: number, kind: ResultKind): DoneRecord | undefined {
    const value = this.read(recordName(unit, kind));
    return value && 'files' in value && 'summary' in value ? (value as DoneRecord) : undefined;
  }

  writeRecord(unit: number, kind: ResultKind, record: DoneRecord): void {
    this.write(recordName(unit, kind), record);
  }

  /** Whether a unit's result is there and its files are what their digests say. */
  isDone(unit: number, kind: ResultKind): boolean {
    const record = this.record(unit, kind);
    if (record === undefined) return false;
    return Object.entries(record.files).every(([ending, piece]) =>
      isIntact(this.file(unit, kind, ending), piece),
    );
  }

  forget(unit: number, kind: ResultKind): void {
    rmSync(join(this.path, recordName(unit, kind)), { force: true });
  }

  /** Empties a folder of it. */
  clear(...folders: string[]): void {
    for (const folder of folders) {
      rmSync(folder, { recursive: true, force: true });
      makeFolders(folder);
    }
  }

  /** Removes all but the messages of ranks. */
  empty(): void {
    if (!existsSync(this.path)) return;
    for (const name of readdirSync(this.path)) {
      if (name !== 'ranks') rmSync(join(this.path, name), { recursive: true, force: true });
    }
  }

  /** Whether a run can continue with anything. */
  hasResults(): boolean {
    const folder = join(this.path, 'filtered');
    return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.json'));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const recordName = (unit: number, kind: ResultKind) => join(kind, `${String(unit).padStart(6, '0')}.json`);

/**
 * Throws ERR_MISMATCH that names the first field in which two descriptions of a run differ.
 * @param before that of the run that made the folder
 */
export function checkSame(folder: PartialFolder, before: JsonObject, now: JsonObject): void {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  for (const key of keys) {
    if (isDeepStrictEqual(before[key], now[key])) continue;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${folder.path} was begun with another \`${key}\` (${shown(before[key])}) than now (${shown(now[key])})`,
      `give what it was begun with, or begin anew with \`fresh\``,
    );
  }
}

function shown(value: JsonValue | undefined): string {
  const text = value === undefined ? 'none' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)} and more` : text;
}
