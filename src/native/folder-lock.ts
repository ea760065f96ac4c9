/**
 * One process at a time writes to a folder. The lock is one of the operating system on an open
 * file, so it ends with its process, however that ends: a lock file that a killed process left is
 * only text. The text says who holds the lock.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { makeFolders } from '../base/files/make-folders.ts';
import { native } from './addon.ts';

const NAME = '.athanor.lock';

interface Holder {
  pid: number;
  host: string;
  command: string;
  since: string;
}

/** The right to write to a folder, held from `take` until `release`. */
export class FolderLock implements Disposable {
  readonly #path: string;
  /** The folders that taking the lock made, the locked one last. */
  readonly #made: readonly string[];
  #file: number;

  private constructor(path: string, file: number, made: readonly string[]) {
    this.#path = path;
    this.#file = file;
    this.#made = made;
  }

  /**
   * Locks a folder, which is made if it does not exist. Throws ERR_STATE that names the holder when
   * another process or another call in this one has the lock, and ERR_IO. On a file system without
   * locks nothing is held.
   */
  static take(folder: string): FolderLock {
    const made = makeFolder(folder);
    try {
      return FolderLock.#hold(join(folder, NAME), folder, made);
    } catch (error) {
      removeEmpty(made);
      throw error;
    }
  }

  /** Locks the name of a folder that is about to appear. Throws as take. */
  static takeName(folder: string): FolderLock {
    const target = resolve(folder);
    const parent = dirname(target);
    makeFolder(parent);
    return FolderLock.#hold(join(parent, `.${basename(target)}${NAME}`), folder, []);
  }

  static #hold(path: string, folder: string, made: readonly string[]): FolderLock {
    for (;;) {
      const file = openLockFile(path);
      const state = native.lockFile(file);
      // The holder before us removes its file. A lock on a removed file protects nothing.
      const isCurrent = state === 'unsupported' || isSameFile(path, file);
      if (state !== 'held' && isCurrent) {
        writeHolder(file);
        return new FolderLock(path, file, made);
      }
      closeSync(file);
      if (state === 'held') throw inUse(path, folder);
    }
  }

  /** Gives the lock back. Folders that `take` made are removed if they are empty. */
  release(): void {
    if (this.#file < 0) return;
    rmSync(this.#path, { force: true });
    closeSync(this.#file);
    this.#file = -1;
    removeEmpty(this.#made);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Returns the folders that did not exist, the last one last. */
function makeFolder(folder: string): string[] {
  try {
    const first = makeFolders(folder);
    const made: string[] = [];
    if (first === undefined) return made;
    for (let path = resolve(folder); path !== dirname(first); path = dirname(path)) made.unshift(path);
    return made;
  } catch (error) {
    throw fileError(error, folder, 'make');
  }
}

function removeEmpty(folders: readonly string[]): void {
  try {
    for (const folder of folders.toReversed()) rmdirSync(folder);
  } catch {
    // It holds files, or is gone.
  }
}

function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  } catch (error) {
    throw fileError(error, path, 'write');
  }
}

function isSameFile(path: string, file: number): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  const open = fstatSync(file);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

/** For people only: a full disk must not prevent the lock. */
function writeHolder(file: number): void {
  const [, script = '', ...args] = process.argv;
  const holder: Holder = {
    pid: process.pid,
    host: hostname(),
    command: [basename(script), ...args].join(' ').slice(0, 200),
    since: new Date().toISOString(),
  };
  try {
    ftruncateSync(file);
    writeSync(file, `${JSON.stringify(holder)}\n`, 0);
  } catch {}
}

function inUse(path: string, folder: string): AthanorError {
  const holder = holderOf(path);
  const who = holder
    ? `process ${holder.pid} on ${holder.host} has been writing to it since ${holder.since}: ${holder.command}`
    : 'another process is writing to it';
  const stop = holder ? `, stop it with: kill ${holder.pid}` : '';
  return new AthanorError(
    'ERR_STATE',
    `${folder} is in use: ${who}`,
    `wait until it ends${stop}, or name another \`out\``,
  );
}

function holderOf(path: string): Holder | undefined {
  try {
    const { pid, host, command, since } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder>;
    if (pid === undefined || host === undefined || command === undefined || since === undefined)
      return undefined;
    return { pid, host, command, since };
  } catch {
    return undefined;
  }
}
