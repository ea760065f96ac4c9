import {
  existsSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rollback } from '../../src/improve/improve.ts';
import { promote, readHistory, setLink, takeBack } from '../../src/improve/promotion.ts';
import { temporaryFolder } from '../helpers/cli.ts';

/** Folders a, b and c, and a link to a. */
function folders() {
  const out = temporaryFolder();
  for (const name of ['a', 'b', 'c']) mkdirSync(join(out, name));
  const link = join(out, 'current');
  setLink(link, join(out, 'a'));
  const to = (name: string, round: string) =>
    promote(out, { link, from: join(out, 'a'), to: join(out, name), round, hash: name.repeat(64) });
  return { out, link, to, shown: () => readlinkSync(link) };
}

const noHash = () => '0'.repeat(64);

describe('the link', () => {
  it('goes forth with promotions and back with rollbacks', () => {
    const { out, to, shown } = folders();
    to('b', '0001');
    to('c', '0002');
    expect(shown()).toBe('c');
    expect(takeBack(out, noHash)).toMatchObject({ from: 'c', to: 'b', round: '0002' });
    expect(shown()).toBe('b');
    to('c', '0003');
    expect(takeBack(out, noHash)).toMatchObject({ to: 'b' });
    expect(takeBack(out, noHash)).toMatchObject({ to: 'a', round: '0001' });
    expect(shown()).toBe('a');
    expect(() => takeBack(out, noHash)).toThrow(/no promotion to take back/);
    expect(readHistory(out).map(({ action, round }) => `${action} ${round}`)).toEqual([
      ...['promote 0001', 'promote 0002', 'rollback 0002', 'promote 0003', 'rollback 0003', 'rollback 0001'],
    ]);
  });

  it('is promoted once, also when a call was interrupted behind the link', () => {
    const { out, link, to } = folders();
    setLink(link, join(out, 'b'));
    to('b', '0001');
    to('b', '0001');
    expect(readHistory(out)).toHaveLength(1);
    expect(takeBack(out, noHash).to).toBe('a');
    to('b', '0001');
    expect(readlinkSync(link)).toBe('a');
  });

  it('moves with its folder', () => {
    const { out, to, shown } = folders();
    to('b', '0001');
    const moved = `${out}-moved`;
    renameSync(out, moved);
    expect(realpathSync(join(moved, 'current'))).toBe(realpathSync(join(moved, 'b')));
    takeBack(moved, noHash);
    expect(realpathSync(join(moved, 'current'))).toBe(realpathSync(join(moved, 'a')));
    renameSync(moved, out);
    expect(shown()).toBe('a');
  });

  it('that someone else has set stays, and what is no link is not replaced', () => {
    const { out, link, to } = folders();
    to('b', '0001');
    setLink(link, join(out, 'c'));
    expect(() => takeBack(out, noHash)).toThrow(/does not show .*b, which was promoted last/);
    const file = join(out, 'file');
    writeFileSync(file, 'text');
    expect(() => setLink(file, join(out, 'a'))).toThrow(/is not a symbolic link/);
    expect(() => setLink(join(out, 'new'), join(out, 'none'))).toThrow(/ERR|exist/);
  });

  it('shows what it showed before when the history cannot be written', () => {
    const { out, link, shown } = folders();
    // JSON has no such numbers.
    const change = { link, from: join(out, 'a'), to: join(out, 'b'), round: '0001', hash: 1n as never };
    expect(() => promote(out, change)).toThrow(/BigInt/);
    expect([shown(), readHistory(out)]).toEqual(['a', []]);
    rmSync(link);
    expect(() => promote(out, change)).toThrow(/BigInt/);
    expect([shown(), readHistory(out)]).toEqual(['a', []]);
  });

  it('whose model is gone is set by a promotion, which can be taken back', () => {
    const { out, link, to, shown } = folders();
    setLink(link, join(out, 'c'));
    rmSync(join(out, 'c'), { recursive: true });
    to('b', '0001');
    expect(shown()).toBe('b');
    expect(takeBack(out, noHash)).toMatchObject({ from: 'b', to: 'a' });
    expect(shown()).toBe('a');
  });

  it('stays when there is nothing to take back, and the reason is said', () => {
    const { out, to, shown } = folders();
    expect(() => takeBack(out, noHash)).toThrow(
      expect.objectContaining({
        code: 'ERR_STATE',
        message: `there is no promotion to take back in ${out}: no round there has set the link`,
      }),
    );
    expect(() => rollback(join(out, 'none'))).toThrow(/no promotion to take back in .*none: the folder does/);
    expect(existsSync(join(out, 'none'))).toBe(false);
    to('b', '0001');
    rmSync(join(out, 'a'), { recursive: true });
    expect(() => takeBack(out, noHash)).toThrow(
      /a, the model that .*current showed before round 0001, is gone/,
    );
    expect(shown()).toBe('b');
  });

  it('is never missing to those who read it', async () => {
    const { out, link } = folders();
    symlinkSync('a', join(out, `.current.tmp-${process.pid}`));
    const { Worker } = await import('node:worker_threads');
    const code = `
      const { readlinkSync } = require('node:fs');
      const { workerData, parentPort } = require('node:worker_threads');
      let misses = 0, reads = 0;
      const end = Date.now() + 300;
      while (Date.now() < end) { ++reads; try { readlinkSync(workerData); } catch { ++misses; } }
      parentPort.postMessage({ misses, reads });`;
    const reader = new Worker(code, { eval: true, workerData: link });
    const found = new Promise<{ misses: number; reads: number }>((resolve) => reader.on('message', resolve));
    let isOver = false;
    void found.then(() => {
      isOver = true;
    });
    for (let i = 0; !isOver; ++i) {
      setLink(link, join(out, 'abc'[i % 3]!));
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { misses, reads } = await found;
    expect(reads).toBeGreaterThan(10);
    expect(misses).toBe(0);
  });
});
