import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { readDigests, writeDigests } from '../../../src/data/dedup/digest-file.ts';
import { DigestSet } from '../../../src/data/dedup/digest-set.ts';
import {
  RepeatedParts,
  type RepeatedUnit,
  withoutRepeatedParts,
} from '../../../src/data/dedup/repeated-parts.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-parts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('repeated paragraphs', () => {
  it('are removed with the break before them', () => {
    const parts = new RepeatedParts({ unit: 'paragraph' });
    expect(parts.take('A one\nand two.\n\nB.\n\n\nC.\n')).toEqual({
      text: 'A one\nand two.\n\nB.\n\n\nC.\n',
      removed: [],
    });
    expect(parts.take('B.\n\nD.\n\nC.')).toEqual({ text: 'D.', removed: ['B.', 'C.'] });
    expect(parts.take('E.\n\nC.\n \nF.')).toEqual({ text: 'E.\n \nF.', removed: ['C.'] });
    expect(parts.take('A one\r\nand two.')).toEqual({ text: 'A one\r\nand two.', removed: [] });
    expect(parts.take('G.\n\nG.')).toEqual({ text: 'G.', removed: ['G.'] });
    expect(parts.take('  G. \r\n\r\nC.')).toEqual({ text: '', removed: ['  G. \r', 'C.'] });
  });
});

describe('repeated lines', () => {
  it('are removed, and blank ones stay', () => {
    const parts = new RepeatedParts({ unit: 'line' });
    expect(parts.take('a\n\nb\n\n').text).toBe('a\n\nb\n\n');
    expect(parts.take('c\n\nb\nd\n')).toEqual({ text: 'c\n\nd\n', removed: ['b'] });
  });

  it('stay when they are shorter than wanted', () => {
    const parts = new RepeatedParts({ unit: 'line', minChars: 4 });
    expect(parts.take('}\nlong\n}\nlong\n').text).toBe('}\nlong\n}\n');
  });

  it('are those that a list of all earlier lines says', () => {
    const seen = new Set<string>();
    const parts = new RepeatedParts({ unit: 'line' });
    for (let n = 0; n < 200; n++) {
      const lines = Array.from({ length: mix(1, n) % 20 }, (_, i) => `line ${mix(n, i) % 300}`);
      const expected = lines.filter((line) => !seen.has(line) && seen.add(line));
      const { text, removed } = parts.take(lines.join('\n'));
      expect(text).toBe(expected.join('\n'));
      expect(removed.length).toBe(lines.length - expected.length);
    }
    expect(parts.size).toBe(seen.size);
  });
});

describe('repeated parts', () => {
  it('of an earlier corpus are removed too, from its file of digests', () => {
    const old = new RepeatedParts({ unit: 'line' });
    old.take('a\nb');
    const path = join(root, 'line.digests');
    old.save(path);
    const parts = new RepeatedParts({ unit: 'line', earlier: [path] });
    expect(parts.take('b\nc\nc').text).toBe('c');
    // Their digests are not those of this corpus, but lines that occurred here are.
    expect(parts.size).toBe(2);
  });

  it('leave out a document of which nothing is left', async () => {
    async function* documents() {
      for (const [i, text] of ['a\nb', 'b\na', 'b\nc'].entries()) yield { id: `${i}`, text, source: 's' };
    }
    const told: string[] = [];
    const left: string[] = [];
    const options = { unit: 'line' } as const;
    for await (const { id, text } of withoutRepeatedParts(documents(), options, ({ id }) => told.push(id))) {
      left.push(`${id} ${text}`);
    }
    expect(left).toEqual(['0 a\nb', '2 c']);
    expect(told).toEqual(['1', '2']);
  });

  it('take long runs of spaces and line breaks in linear time', () => {
    const start = performance.now();
    for (const unit of ['paragraph', 'line'] as const) {
      const parts = new RepeatedParts({ unit });
      for (const text of [
        ' '.repeat(1 << 20),
        '\n'.repeat(1 << 17),
        '\n '.repeat(1 << 17),
        'x'.repeat(1 << 20),
      ])
        expect(parts.take(text).removed).toEqual([]);
    }
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('refuse an unknown unit', () => {
    const unit: RepeatedUnit = JSON.parse('"sentence"');
    expect(() => new RepeatedParts({ unit })).toThrow(/not paragraph or line/);
  });
});

describe('a file of digests', () => {
  it('gives back all of them, however many', () => {
    const set = new DigestSet();
    const digest = Buffer.alloc(16);
    for (let i = 0; i < 70_000; i++) {
      digest.writeUInt32LE(mix(1, i), 0);
      digest.writeUInt32LE(i, 4);
      set.add(digest);
    }
    const path = join(root, 'many.digests');
    writeDigests(path, set);
    const read = new DigestSet();
    readDigests(path, read);
    expect(read.size).toBe(set.size);
    expect([...set.digests()].every((one) => read.has(one))).toBe(true);
    digest.fill(255);
    expect(read.has(digest)).toBe(false);
  });

  it('is refused when it is damaged', () => {
    const path = join(root, 'bad.digests');
    for (const contents of ['', 'ATHDIGEST 2     ', `ATHDIGEST 1     ${'x'.repeat(15)}`]) {
      writeFileSync(path, contents);
      expect(() => readDigests(path, new DigestSet())).toThrow(/not a file of digests|inside of a digest/);
    }
    expect(() => readDigests(join(root, 'none'), new DigestSet())).toThrow(/does not exist/);
  });
});
