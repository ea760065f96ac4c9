/** Real processes: who has the lock, and what is left of it after SIGKILL. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FolderLock } from '../../src/native/folder-lock.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const program = join(import.meta.dirname, 'locking-child.mjs');

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function holder(folder: string): Promise<ChildProcess> {
  const child = start('hold', folder);
  await once(child.stdout!, 'data');
  return child;
}

const isRefused = expect.objectContaining({ code: 'ERR_STATE' });

describe('the lock of a folder', () => {
  it('says who holds it, with which command and since when', async () => {
    const folder = temporaryFolder();
    const before = new Date().toISOString();
    const child = await holder(folder);
    expect(() => FolderLock.take(folder)).toThrow(isRefused);
    try {
      FolderLock.take(folder);
    } catch (error) {
      const { message, remedy } = error as { message: string; remedy: string };
      expect(message).toContain(`${folder} is in use: process ${child.pid} on `);
      expect(message).toContain(`: locking-child.mjs hold ${folder}`);
      const since = /since (\S+Z):/.exec(message)![1]!;
      expect(since > before && since < new Date().toISOString()).toBe(true);
      expect(remedy).toContain(`kill ${child.pid}`);
    }
  });

  it('is free as soon as its owner was killed, though the file is still there', async () => {
    const folder = temporaryFolder();
    for (let i = 0; i < 3; ++i) {
      const child = await holder(folder);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(readdirSync(folder)).toEqual(['.athanor.lock']);
      FolderLock.take(folder).release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('does not depend on what an old file says: this process, a living one, nothing or garbage', () => {
    const folder = temporaryFolder();
    const record = (pid: number) => JSON.stringify({ pid, host: 'x', command: 'x', since: 'x' });
    for (const text of [record(process.pid), record(process.ppid), '', '{"pid":', '\0\0\0']) {
      writeFileSync(join(folder, '.athanor.lock'), text);
      FolderLock.take(folder).release();
    }
  });

  it('is refused to a second call in the same process, and free after the first', () => {
    const folder = temporaryFolder();
    const first = FolderLock.take(folder);
    expect(() => FolderLock.take(folder)).toThrow(new RegExp(`process ${process.pid} `));
    first.release();
    first.release();
    FolderLock.take(folder).release();
  });

  it('makes the folder, and removes it if it is empty', () => {
    const folder = join(temporaryFolder(), 'a/run');
    FolderLock.take(folder).release();
    expect(existsSync(folder)).toBe(false);
    const lock = FolderLock.take(folder);
    writeFileSync(join(folder, 'model'), '');
    lock.release();
    expect(readdirSync(folder)).toEqual(['model']);
    const own = join(temporaryFolder(), 'own');
    mkdirSync(own);
    FolderLock.take(own).release();
    expect(existsSync(own)).toBe(true);
  });

  it('of a name protects a folder that does not exist yet', () => {
    const folder = join(temporaryFolder(), 'shards');
    const lock = FolderLock.takeName(folder);
    expect(() => FolderLock.takeName(folder)).toThrow(isRefused);
    lock.release();
    expect(readdirSync(join(folder, '..'))).toEqual([]);
  });

  it('is held by one process at a time, whoever is killed meanwhile', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'log'), '');
    const victims = [start('contend', folder, '1000'), start('contend', folder, '1000')];
    const children = Array.from({ length: 3 }, () => start('contend', folder, '12'));
    setTimeout(() => victims[0]!.kill('SIGKILL'), 300);
    setTimeout(() => victims[1]!.kill('SIGKILL'), 500);
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0]);
    const killed = victims.map(({ pid }) => `begin ${pid}`);
    const lines = readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n');
    lines.forEach((line, i) => {
      if (!line.startsWith('begin')) return;
      const next = lines[i + 1];
      // Only a process that was killed leaves out its end.
      const isWhole = next === line.replace('begin', 'end');
      expect(isWhole || killed.includes(line), `${line}, then ${next}`).toBe(true);
    });
  });
});
