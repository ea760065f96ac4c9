import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { DigestSet } from '../../../src/data/dedup/digest-set.ts';

it('tells new digests from old ones through every growth', () => {
  const set = new DigestSet(4);
  const digest = (i: number) => createHash('sha256').update(String(i)).digest();
  for (let i = 0; i < 5000; ++i) expect(set.add(digest(i))).toBe(true);
  for (let i = 0; i < 5000; ++i) expect(set.add(digest(i))).toBe(false);
  expect(set.size).toBe(5000);
});

it('tells apart digests that share any three of four words', () => {
  const set = new DigestSet(4);
  for (let word = 0; word < 4; ++word) {
    for (const value of [1, 2]) {
      const digest = Buffer.alloc(32, 7);
      digest.writeUInt32LE(value, word * 4);
      expect(set.add(digest)).toBe(true);
      expect(set.add(digest)).toBe(false);
    }
  }
  expect(set.add(Buffer.alloc(32))).toBe(true);
  expect(set.add(Buffer.alloc(32))).toBe(false);
});
