import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { MinHasher, matchProbability } from '../../../src/data/dedup/minhash.ts';
import {
  findNearDuplicates,
  NearDuplicateFinder,
  type NearDuplicateOptions,
  type NearDuplicates,
  withoutNearDuplicates,
} from '../../../src/data/dedup/near-duplicates.ts';
import { native } from '../../../src/native/addon.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-near-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const threads = native.numThreads();
afterEach(() => native.setNumThreads(threads));

const find = (texts: readonly string[], options: NearDuplicateOptions = {}) =>
  findNearDuplicates(
    texts.map((text) => ({ text })),
    options,
  );
const clustersOf = (found: NearDuplicates, count: number) =>
  Array.from({ length: count }, (_, i) => found.cluster(i));
const keptOf = (found: NearDuplicates, count: number) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => found.isKept(i));

/** A word of letters for a number. */
function word(number: number): string {
  return `q${[...number.toString()].map((digit) => 'bcdfghjklm'[Number(digit)]).join('')}`;
}
const wordsOf = (from: number, count: number) => Array.from({ length: count }, (_, i) => word(from + i));

/** Two texts of `shingles` different shingles each, of which they share `common`. */
function pairOf(number: number, shingles: number, common: number): [string, string] {
  const shared = wordsOf(number * 1_000_000, common + 4);
  const tail = (side: number) => wordsOf(number * 1_000_000 + 1000 * side, shingles - common);
  return [[...shared, ...tail(1)].join(' '), [...shared, ...tail(2)].join(' ')];
}

/** Texts of a few words, many of them nearly equal: seeded edits of seeded texts. */
function editedTexts(count: number, seed: number): string[] {
  let draws = 0;
  const draw = (below: number) => mix(seed, draws++) % below;
  const originals = Array.from({ length: Math.ceil(count / 4) }, () =>
    Array.from({ length: 40 }, () => word(draw(400))),
  );
  return Array.from({ length: count }, () => {
    const words = [...originals[draw(originals.length)]!];
    for (let edits = draw(6); edits > 0; edits--) words[draw(words.length)] = word(draw(400));
    return words.slice(0, 30 + draw(11)).join(' ');
  });
}

/** Clusters by comparing all pairs of signatures: the first member of each document's cluster. */
function byAllPairs(texts: readonly string[]): number[] {
  const signatures = new MinHasher().signatures(texts);
  const bandsOf = (signature: BigUint64Array | undefined) =>
    signature && Array.from({ length: 14 }, (_, band) => signature.slice(band * 8, band * 8 + 8).join());
  const bands = signatures.map(bandsOf);
  const match = (a: number, b: number) => bands[a]?.some((band, i) => band === bands[b]?.[i]) ?? false;
  const first = texts.map((_, i) => i);
  for (let changed = true; changed; ) {
    changed = false;
    for (let a = 0; a < texts.length; a++) {
      for (let b = 0; b < a; b++) {
        if (first[a] === first[b] || !match(a, b)) continue;
        first[a] = first[b] = Math.min(first[a]!, first[b]!);
        changed = true;
      }
    }
  }
  return first;
}

describe('planted near duplicates', () => {
  it('are found as often as 1 - (1 - s^8)^14 says, and no others', async () => {
    const pairs = 300;
    const shingles = 120;
    for (const [i, share] of [0.5, 0.6, 0.7, 0.75, 0.8, 0.9].entries()) {
      // s = common / (2 shingles - common)
      const common = Math.round((2 * shingles * share) / (1 + share));
      const similarity = common / (2 * shingles - common);
      const texts = Array.from({ length: pairs }, (_, n) =>
        pairOf(i * pairs + n + 1, shingles, common),
      ).flat();
      const found = await find(texts);
      let recalled = 0;
      for (let n = 0; n < pairs; n++) {
        const [a, b] = [found.cluster(2 * n), found.cluster(2 * n + 1)];
        // Precision is 1: a document is with its partner or alone.
        expect([2 * n, undefined]).toContain(a);
        expect(b).toBe(a);
        if (a !== undefined) recalled += 1;
      }
      const expected = matchProbability(similarity);
      // The interval of 99.99 %, and half a pair.
      const error = 3.9 * Math.sqrt((expected * (1 - expected)) / pairs) + 0.5 / pairs;
      expect(Math.abs(recalled / pairs - expected)).toBeLessThan(error);
      expect(found.report.duplicates).toBe(recalled);
    }
  });

  it('follow other bands and rows', async () => {
    const texts = Array.from({ length: 200 }, (_, n) => pairOf(n + 1, 120, 60)).flat();
    const s = 60 / 180;
    for (const options of [
      { bands: 40, rows: 3, ngram: 5 },
      { bands: 2, rows: 1, seed: 9 },
    ]) {
      const { report } = await find(texts, options);
      const expected = matchProbability(s, options);
      const error = 3.9 * Math.sqrt((expected * (1 - expected)) / 200) + 0.5 / 200;
      // Documents of different pairs share no shingle, so no band.
      expect(Math.abs(report.clusters / 200 - expected)).toBeLessThan(error);
    }
  });
});

describe('clusters', () => {
  it('are the transitive closure of the matches of all pairs', async () => {
    for (const seed of [1, 2, 3]) {
      const texts = [...editedTexts(300, seed), 'too short', '', 'too short'];
      const found = await find(texts);
      const first = byAllPairs(texts);
      const sizes = new Map<number, number[]>();
      for (const i of first) sizes.set(i, [...(sizes.get(i) ?? []), i]);
      const expected = first.map((i) => (sizes.get(i)!.length > 1 ? i : undefined));
      expect(clustersOf(found, texts.length)).toEqual(expected);
      expect(new Set(expected).size).toBeGreaterThan(10);
      expect(keptOf(found, texts.length)).toEqual([...sizes.keys()]);
      const removed = texts.filter((_, i) => !found.isKept(i));
      expect(found.report).toMatchObject({
        documents: texts.length,
        duplicates: removed.length,
        duplicate_bytes: Buffer.byteLength(removed.join('')),
        clusters: [...sizes.values()].filter(({ length }) => length > 1).length,
        largest_cluster: Math.max(...[...sizes.values()].map(({ length }) => length)),
      });
    }
  });

  it('do not depend on threads, memory or batches', async () => {
    const texts = editedTexts(1000, 4);
    native.setNumThreads(1);
    const whole = await find(texts);
    native.setNumThreads(2);
    const finder = new NearDuplicateFinder({ memoryBytes: 1, folder: root });
    for (const text of texts) finder.add(text);
    const found = finder.finish();
    // More runs than are merged at once: 14,000 keys in runs of 64.
    expect(finder.runsWritten).toBeGreaterThan(Math.ceil((1000 * 14) / 64) - 1);
    finder.close();
    expect(readdirSync(root).filter((name) => name.startsWith('athanor-keys'))).toEqual([]);
    expect(clustersOf(found, texts.length)).toEqual(clustersOf(whole, texts.length));
    expect(found.report).toEqual(whole.report);
  });

  it('keep the first document, or the longest, or the first of the longest', async () => {
    const base = wordsOf(0, 200).join(' ');
    const texts = [base, `${base} ${word(7)}`, `${base} ${word(8)}`, base.slice(0, -1), 'alone'];
    expect(keptOf(await find(texts), 5)).toEqual([0, 4]);
    expect(keptOf(await find(texts, { keep: 'longest' }), 5)).toEqual([1, 4]);
  });

  it('leave documents that are alone, and give their documents in order', async () => {
    const texts = editedTexts(50, 5);
    const documents = texts.map((text, i) => ({ id: String(i), text, source: 's' }));
    async function* read() {
      yield* documents;
    }
    const left: string[] = [];
    for await (const { id } of withoutNearDuplicates(read)) left.push(id);
    expect(left.map(Number)).toEqual(keptOf(await find(texts), 50));
  });

  it('are empty for no documents', async () => {
    expect((await find([])).report).toMatchObject({ documents: 0, clusters: 0, duplicates: 0 });
  });
});

describe('an earlier corpus', () => {
  const texts = editedTexts(400, 6);
  const [old, fresh] = [texts.slice(0, 200), texts.slice(200)];
  const keysPath = join(root, 'old.keys');

  it('removes what both corpora together would remove', async () => {
    await find(old, { keysPath });
    const together = await find(texts);
    for (const memoryBytes of [1, 1 << 20]) {
      const apart = await find(fresh, { earlier: [keysPath], memoryBytes });
      const expected = keptOf(together, 400).filter((i) => i >= 200);
      expect(keptOf(apart, 200).map((i) => i + 200)).toEqual(expected);
      expect(apart.report.of_earlier).toBeGreaterThan(10);
    }
  });

  it('may be several, whose order does not matter', async () => {
    const halves = [join(root, 'a.keys'), join(root, 'b.keys')];
    await find(old.slice(0, 100), { keysPath: halves[0]! });
    await find(old.slice(100), { keysPath: halves[1]! });
    const one = await find(fresh, { earlier: [keysPath] });
    for (const earlier of [halves, halves.toReversed()]) {
      expect(keptOf(await find(fresh, { earlier }), 200)).toEqual(keptOf(one, 200));
    }
  });

  it('has the same file whatever the threads and the memory', async () => {
    native.setNumThreads(2);
    await find(old, { keysPath: join(root, 'again.keys'), memoryBytes: 1 });
    expect(readFileSync(join(root, 'again.keys'))).toEqual(readFileSync(keysPath));
  });

  it('is refused when its file is damaged or of other options', async () => {
    const bytes = readFileSync(keysPath);
    const damaged = join(root, 'damaged.keys');
    const failing = (change: (copy: Buffer) => Buffer) => {
      writeFileSync(damaged, change(Buffer.from(bytes)));
      return expect(find(fresh, { earlier: [damaged] })).rejects;
    };
    await failing((copy) => copy.fill(0, 0, 1)).toThrow(/is not a file of MinHash keys/);
    await failing(() => Buffer.alloc(0)).toThrow(/is not a file of MinHash keys/);
    await failing((copy) => copy.subarray(0, -1)).toThrow(/ends before its last key/);
    await failing((copy) => Buffer.concat([copy.subarray(0, 40), copy.subarray(40).reverse()])).toThrow(
      /not in order/,
    );
    truncateSync(damaged);
    await expect(find(fresh, { earlier: [join(root, 'none.keys')] })).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
    await expect(find(fresh, { earlier: [keysPath], rows: 4 })).rejects.toThrow(/14 bands of 8 hashes/);
    // Nothing is left behind in the system's folder for temporary files.
    await expect(find(fresh, { earlier: [keysPath], rows: 4, folder: root })).rejects.toThrow();
    expect(readdirSync(root).filter((name) => name.startsWith('athanor-keys'))).toEqual([]);
  });
});

describe('licence texts', () => {
  const folder = join(import.meta.dirname, 'fixtures/licences');
  const kinds = readdirSync(folder).sort();

  /** Another holder, other line breaks, and a few other words. */
  function variant(text: string, seed: number): string {
    const holder = `${1990 + (mix(seed, 0) % 35)} ${wordsOf(seed * 100, 1 + (mix(seed, 1) % 4)).join(' ')}`;
    const width = 60 + (mix(seed, 2) % 60);
    let column = 0;
    return text
      .replaceAll('2020 HOLDER', holder)
      .split(/(\s+)/)
      .map((piece, i) => {
        if (i % 2 === 0) return piece;
        column = column > width ? 0 : column + 8;
        return column === 0 ? '\n' : ' ';
      })
      .join('');
  }

  it('are one cluster per licence, whoever holds it', async () => {
    const texts = kinds.flatMap((name, kind) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return Array.from({ length: 12 }, (_, i) => variant(text, kind * 12 + i + 1));
    });
    const found = await find(texts);
    expect(clustersOf(found, texts.length)).toEqual(texts.map((_, i) => i - (i % 12)));
    expect(found.report).toMatchObject({ clusters: kinds.length, largest_cluster: 12 });
  });
});
