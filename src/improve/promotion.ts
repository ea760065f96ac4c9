/**
 * The link to the served model. It is replaced in one step, so that whoever reads it finds the old
 * model or the new one. `history.jsonl` says what it was set to and why.
 */
import { existsSync, lstatSync, readlinkSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { AthanorError, fileError } from '../base/errors.ts';
import { syncPath } from '../base/files/hashed-file.ts';
import { ifThere, readText } from '../base/files/read-file.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { temporarySuffix } from '../base/files/temporary-files.ts';
import { FolderLock } from '../native/folder-lock.ts';

const HISTORY = 'history.jsonl';

/** A change of the link. Folders are relative to that of the history, unless they lie elsewhere. */
export type LinkChange = {
  action: 'promote' | 'rollback';
  /** Time in ISO 8601. */
  at: string;
  link: string;
  from: string;
  to: string;
  /** Name of the round. */
  round: string;
  /** SHA-256 of the model that is served from then on. */
  hash: string;
};

/** Whether a path is a symbolic link. */
export function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** Sets a symbolic link. Throws ERR_ARGUMENT where something else than a link is. */
export function setLink(link: string, folder: string): void {
  if (lstatSync(link, { throwIfNoEntry: false }) && !isLink(link)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${link} is not a symbolic link`,
      'name another `link`, or move what is there and put a link in its place',
    );
  }
  const temporary = join(dirname(link), `.${basename(link)}${temporarySuffix()}`);
  try {
    rmSync(temporary, { force: true });
    // A relative target stays right when link and models are moved together.
    symlinkSync(relative(realpathSync(dirname(link)), realpathSync(folder)), temporary);
    renameSync(temporary, link);
    syncPath(dirname(link));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, link, 'set');
  }
}

/** The changes so far, the oldest first. Throws ERR_FILE_DAMAGED. */
export function readHistory(out: string): LinkChange[] {
  const path = join(out, HISTORY);
  const text = ifThere(() => readText(path)) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, i) => {
    try {
      const { action, at, link, from, to, round, hash } = JSON.parse(line) as LinkChange;
      if ([action, at, link, from, to, round, hash].every((value) => typeof value === 'string')) {
        return { action, at, link, from, to, round, hash };
      }
    } catch {}
    throw new AthanorError('ERR_FILE_DAMAGED', `${path} line ${i + 1} is not a change of the link`);
  });
}

function addToHistory(out: string, change: Omit<LinkChange, 'at'>): LinkChange {
  const { action, ...rest } = change;
  const whole: LinkChange = { action, at: new Date().toISOString(), ...rest };
  const all = [...readHistory(out), whole];
  replaceFile(
    join(out, HISTORY),
    all.map((one) => `${JSON.stringify(one)}\n`),
  );
  return whole;
}

/** Promotions that were not taken back, the newest last. */
function standing(history: readonly LinkChange[]): LinkChange[] {
  const stack: LinkChange[] = [];
  for (const change of history) {
    if (change.action === 'promote') stack.push(change);
    else stack.pop();
  }
  return stack;
}

/**
 * Makes a model the served one. Does nothing when an earlier call was interrupted after its end.
 * Where the history cannot be written, the link shows what it showed before.
 * @param change with the folder `from` that the link shows, and the folder `to` of the new model
 */
export function promote(
  out: string,
  change: { link: string; from: string; to: string; round: string; hash: string },
): void {
  const { link, to, round, hash } = change;
  // The history is written behind the link. Someone may have taken the promotion back since.
  if (readHistory(out).some((one) => one.action === 'promote' && one.round === round)) return;
  // A link whose model is gone shows nothing.
  const shown = existsSync(link) ? real(link) : undefined;
  const from = shown === undefined || shown === real(to) ? change.from : shown;
  const [linkName, fromName, toName] = [link, from, to].map((path) => kept(path, out));
  try {
    setLink(link, to);
    addToHistory(out, { action: 'promote', link: linkName!, from: fromName!, to: toName!, round, hash });
  } catch (error) {
    restore(link, existsSync(from) ? from : undefined);
    throw error;
  }
}

/** Sets the link back after a change that failed; without a folder it is removed. */
export function restore(link: string, folder: string | undefined): void {
  if (!isLink(link)) return;
  try {
    if (folder === undefined) rmSync(link);
    else setLink(link, folder);
  } catch {
    // What failed first is reported.
  }
}

/** A path as the history has it. */
function kept(path: string, out: string): string {
  const inside = relative(resolve(out), resolve(path));
  return inside.startsWith('..') || isAbsolute(inside) ? resolve(path) : inside;
}

/**
 * Takes the last promotion back: the link shows the model from before again. A second call takes
 * back the one before it. Throws ERR_STATE when there is none, and when the link was set by someone
 * else since; ERR_FILE_MISSING when the older model is gone.
 * @param out folder of the rounds
 * @param hashOf computes the hash of a model folder
 */
export function takeBack(out: string, hashOf: (folder: string) => string): LinkChange {
  const lock = FolderLock.take(out);
  try {
    const last = standing(readHistory(out)).at(-1);
    if (!last) throw nothingToTakeBack(out);
    const [link, from, to] = [last.link, last.from, last.to].map((path) => resolve(out, path));
    const shown = isLink(link!) ? resolve(dirname(link!), readlinkSync(link!)) : undefined;
    // A call that was interrupted between link and history has set the link already.
    if (shown === undefined || ![real(to!), real(from!)].includes(real(shown))) {
      throw new AthanorError(
        'ERR_STATE',
        `${link} does not show ${to}, which was promoted last`,
        'set the link yourself: ln -sfn MODEL LINK',
      );
    }
    if (!existsSync(from!)) {
      throw new AthanorError(
        'ERR_FILE_MISSING',
        `${from}, the model that ${link} showed before round ${last.round}, is gone`,
        'put it back, or set the link yourself: ln -sfn MODEL LINK',
      );
    }
    const hash = hashOf(from!);
    setLink(link!, from!);
    const { round } = last;
    return addToHistory(out, {
      action: 'rollback',
      link: last.link,
      from: last.to,
      to: last.from,
      round,
      hash,
    });
  } finally {
    lock.release();
  }
}

/** There is no promotion in a folder, or all were taken back. */
export function nothingToTakeBack(out: string): AthanorError {
  const problem = `there is no promotion to take back in ${out}`;
  if (!existsSync(join(out, HISTORY))) {
    const reason = existsSync(out) ? 'no round there has set the link' : 'the folder does not exist';
    return new AthanorError('ERR_STATE', `${problem}: ${reason}`, 'give the `out` of a round that promoted');
  }
  return new AthanorError('ERR_STATE', `${problem}: all were taken back`, `see its ${HISTORY}`);
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
