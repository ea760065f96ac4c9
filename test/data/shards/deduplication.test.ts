import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { comparedWords } from '../../../src/data/dedup/minhash.ts';
import type { DedupOptions } from '../../../src/data/shards/deduplication.ts';
import { type PrepareOptions, type PrepareReport, prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { native } from '../../../src/native/addon.ts';
import { defaults } from '../corpus/corpora.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-dedup-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const threads = native.numThreads();
afterEach(() => native.setNumThreads(threads));

const letters = (number: number) => [...String(number)].map((digit) => 'bcdfghjklm'[Number(digit)]).join('');
const sentence = (seed: number, words: number) =>
  Array.from({ length: words }, (_, i) => letters(mix(seed, i) % 5000)).join(' ');

const question = 'which of the nine rivers of the old kingdom flows to the north in winter';
const texts = [
  ...Array.from({ length: 12 }, (_, i) => sentence(i + 1, 120)),
  // Nearly the first and the second: two words more, and one.
  `${sentence(1, 120)} and more`,
  `${sentence(2, 120)} end`,
  // Exactly the third.
  sentence(3, 120),
  `Long ago I asked: "Which of the nine RIVERS of the old kingdom flows to the north (in winter)?" ${sentence(40, 50)}`,
];
let corpus: string;
let evaluation: string;
let runs = 0;

function writeCorpus(name: string, rows: readonly string[]): string {
  const path = join(root, name);
  writeFileSync(path, rows.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  return path;
}

async function prepare(options: Partial<PrepareOptions>, sources = [corpus]) {
  const out = join(root, `out-${runs++}`);
  const report = await prepareData({ ...defaults, sources, out, vocabSize: 300, ...options });
  return { out, report };
}

/** The documents of a folder, sorted. */
function documentsOf(folder: string): string[] {
  const dataset = TokenDataset.open(folder, { verify: true });
  const tokenizer = dataset.tokenizer();
  const documents = (['train', 'validation'] as const).flatMap((split) =>
    [...dataset.documents(split)].map(({ start, end }) =>
      tokenizer.decode(dataset.read(split, start + 1, end - start - 1)),
    ),
  );
  dataset.close();
  return documents.sort();
}

const rowsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** SHA-256 of each file of a folder, by path. */
function filesOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(
    paths.map((path) => [
      path.slice(folder.length + 1),
      createHash('sha256').update(readFileSync(path)).digest('hex'),
    ]),
  );
}

beforeAll(() => {
  corpus = writeCorpus('corpus.jsonl', texts);
  evaluation = join(root, 'evaluation.jsonl');
  writeFileSync(evaluation, `${JSON.stringify({ question, answer: 'the ninth' })}\n{"question":"Why?"}\n`);
});

describe('data prepare without repetitions', () => {
  it('drops equal documents as before, or none', async () => {
    const exact = await prepare({});
    expect(documentsOf(exact.out)).toEqual([...new Set(texts)].sort());
    expect(exact.report).toMatchObject({
      duplicates: 1,
      dropped: { duplicate: 1 },
      dedup: { method: 'exact', exact_documents: 1, exact_bytes: texts[14]!.length, near_documents: 0 },
      decontamination: null,
    });
    const all = await prepare({ dedup: 'none' });
    expect(documentsOf(all.out)).toEqual([...texts].sort());
    expect(all.report).toMatchObject({ duplicates: 0, documents: texts.length });
    expect(readdirSync(all.out)).not.toContain('document.digests');
  });

  it('drops near duplicates and says which cluster they are of', async () => {
    const { out, report } = await prepare({ dedup: 'minhash' });
    expect(documentsOf(out)).toEqual([...texts.slice(0, 12), texts[15]!].sort());
    expect(report).toMatchObject({
      duplicates: 3,
      dropped: { duplicate: 1, near_duplicate: 2 },
      dedup: {
        near_documents: 2,
        clusters: 2,
        largest_cluster: 2,
        near_bytes: texts[12]!.length + texts[13]!.length,
      },
    });
    expect(rowsOf(join(out, 'clusters.jsonl'))).toEqual([
      { cluster: 0, id: `${corpus}:1`, kept: true },
      { cluster: 1, id: `${corpus}:2`, kept: true },
      { cluster: 0, id: `${corpus}:13`, kept: false },
      { cluster: 1, id: `${corpus}:14`, kept: false },
    ]);
    expect(rowsOf(join(out, 'dropped.jsonl'))).toContainEqual({
      id: `${corpus}:13`,
      reason: 'near_duplicate',
      detail: 'cluster 0',
    });
  });

  it('keeps the longest, and takes other bands', async () => {
    const longest = await prepare({ dedup: 'minhash', dedupKeep: 'longest' });
    expect(documentsOf(longest.out)).toEqual([...texts.slice(2, 14), texts[15]!].sort());
    const strict = await prepare({ dedup: 'minhash', dedupBands: 1, dedupRows: 2000, dedupNgram: 3 });
    expect(strict.report.dedup.near_documents).toBe(0);
  });

  it('drops repeated lines and paragraphs, and keeps what was removed', async () => {
    const source = writeCorpus('parts.jsonl', ['a b\nc d\n\ne f', 'c d\ng h\n\ne f', 'e f', 'i j']);
    const lines = await prepare({ dedup: 'exact-line' }, [source]);
    expect(documentsOf(lines.out)).toEqual(['a b\nc d\n\ne f', 'g h\n', 'i j'].sort());
    expect(lines.report).toMatchObject({
      duplicates: 1,
      dropped: { duplicate: 1 },
      dedup: { method: 'exact-line', parts: 3, part_bytes: 9, exact_documents: 1 },
    });
    expect(rowsOf(join(lines.out, 'rejected/exact-line.jsonl'))).toEqual([
      { id: `${source}:2`, source, rule: 'exact-line', value: 2, threshold: 1, text: 'c d\ne f' },
      { id: `${source}:3`, source, rule: 'exact-line', value: 1, threshold: 1, text: 'e f' },
    ]);
    const paragraphs = await prepare({ dedup: 'exact-paragraph' }, [source]);
    expect(documentsOf(paragraphs.out)).toEqual(['a b\nc d\n\ne f', 'c d\ng h', 'i j'].sort());
    const long = await prepare({ dedup: 'exact-line', dedupMinChars: 4 }, [source]);
    expect(long.report.dedup.parts).toBe(0);
  });

  it('drops repeated runs of words, and keeps what was removed', async () => {
    const copied = sentence(70, 60);
    const source = writeCorpus('runs.jsonl', [`a ${copied} b`, `c ${copied} d`, 'e', copied]);
    const { out, report } = await prepare({ dedup: 'exact-run' }, [source]);
    expect(documentsOf(out)).toEqual([`a ${copied} b`, 'c d', 'e'].sort());
    expect(report.dedup).toMatchObject({ method: 'exact-run', parts: 2, part_bytes: 2 * copied.length + 1 });
    expect(rowsOf(join(out, 'rejected/exact-run.jsonl')).map(({ id, text }) => [id, text])).toEqual([
      [`${source}:2`, `${copied} `],
      [`${source}:4`, copied],
    ]);
    expect(readdirSync(out).filter((name) => name.startsWith('athanor-'))).toEqual([]);
    const longer = await prepare({ dedup: 'exact-run', dedupRun: 61 }, [source]);
    expect(longer.report.dedup.parts).toBe(0);
    await expect(prepare({ dedup: 'exact-run', against: [out] })).rejects.toThrow(/no effect with/);
    await expect(prepare({ dedupRun: 9 })).rejects.toThrow(/`dedupRun` has no effect/);
  });

  it('writes the same bytes on one thread and on two', async () => {
    const folders: string[] = [];
    for (const count of [1, 2]) {
      native.setNumThreads(count);
      folders.push((await prepare({ dedup: 'minhash', decontaminate: [evaluation] })).out);
    }
    expect(Object.keys(filesOf(folders[0]!))).toEqual(
      expect.arrayContaining(['minhash.keys', 'document.digests', 'rejected/decontaminate.jsonl']),
    );
    expect(filesOf(folders[1]!)).toEqual(filesOf(folders[0]!));
  });
});

describe('data prepare against an earlier corpus', () => {
  const news = [
    `${sentence(5, 120)} more`,
    sentence(6, 120),
    sentence(50, 120),
    `${sentence(50, 120)} again`,
  ];

  it('drops what repeats it, nearly or exactly', async () => {
    const old = await prepare({ dedup: 'minhash' });
    const source = writeCorpus('news.jsonl', news);
    const near = await prepare({ dedup: 'minhash', against: [old.out] }, [source]);
    // The only one that is new, which gives training and validation a part each.
    expect(near.report.dedup).toMatchObject({ earlier_documents: 2, near_documents: 2, exact_documents: 1 });
    expect(documentsOf(near.out).join('').length).toBe(news[2]!.length);
    expect(rowsOf(join(near.out, 'clusters.jsonl'))[0]).toEqual({
      cluster: 'earlier',
      id: `${source}:1`,
      kept: false,
    });
    const exact = await prepare({ against: [old.out] }, [source]);
    expect(documentsOf(exact.out)).toEqual([news[0]!, news[2]!, news[3]!].sort());
    expect(exact.report.dedup).toMatchObject({ earlier_documents: 1, exact_documents: 1 });
  });

  it('refuses a folder that lacks what it is compared by', async () => {
    const old = await prepare({});
    await expect(prepare({ dedup: 'minhash', against: [old.out] })).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
      remedy: expect.stringContaining('`dedup` minhash'),
    });
    await expect(prepare({ against: [join(root, 'nowhere')] })).rejects.toThrow(/cannot be compared with/);
    const other = await prepare({ dedup: 'minhash', dedupRows: 4 });
    await expect(prepare({ dedup: 'minhash', against: [other.out] })).rejects.toThrow(/14 bands of 4 hashes/);
  });
});

describe('data prepare without evaluation texts', () => {
  it('drops documents that hold one, and says which and why', async () => {
    const { out, report } = await prepare({ decontaminate: [evaluation] });
    expect(documentsOf(out)).not.toContain(texts[15]);
    expect(report).toMatchObject({
      dropped: { duplicate: 1, contaminated: 1 },
      decontamination: {
        ngram: 13,
        shortest: 8,
        removed: true,
        documents: 1,
        bytes: texts[15]!.length,
        sets: [{ source: evaluation, texts: 2, too_short: 1, documents: 1 }],
      },
    } satisfies { dropped: unknown; decontamination: PrepareReport['decontamination'] });
    expect(rowsOf(join(out, 'rejected/decontaminate.jsonl'))).toEqual([
      {
        id: `${corpus}:16`,
        source: corpus,
        rule: 'decontaminate',
        value: 3,
        threshold: 1,
        ngram: comparedWords(question).split(' ').slice(0, 13).join(' '),
        set: evaluation,
        text: texts[15],
      },
    ]);
  });

  it('takes the documents that other shards hold out', async () => {
    const sources = [writeCorpus('held.jsonl', [sentence(61, 40), sentence(62, 40)])];
    const held = await prepare({}, sources);
    const dataset = TokenDataset.open(held.out);
    const [span] = dataset.documents('validation', 0, 1);
    const ids = dataset.read('validation', span!.start + 1, span!.end - span!.start - 1);
    const text = dataset.tokenizer().decode(ids);
    dataset.close();
    const news = [sentence(61, 40), sentence(62, 40), sentence(63, 40)].map((one) => `${one} and more`);
    const leaked = [writeCorpus('leaked.jsonl', news)];
    const { out, report } = await prepare({ decontaminate: [held.out] }, leaked);
    expect(documentsOf(out)).toEqual(news.filter((one) => !one.startsWith(text)).sort());
    expect(report.decontamination!.sets).toEqual([
      { source: held.out, texts: 1, too_short: 0, documents: 1 },
    ]);
  });

  it('only counts them when told so', async () => {
    const options = { decontaminate: [evaluation], decontaminateReport: true, decontaminateNgram: 5 };
    const { out, report } = await prepare(options);
    expect(documentsOf(out)).toContain(texts[15]);
    expect(report).toMatchObject({
      dropped: { duplicate: 1 },
      decontamination: { removed: false, documents: 1 },
    });
    expect(rowsOf(join(out, 'rejected/decontaminate.jsonl'))).toHaveLength(1);
  });
});

describe('options about repetitions', () => {
  it('are refused where they have no effect', async () => {
    const cases: [DedupOptions, RegExp][] = [
      [{ dedupKeep: 'first' }, /`dedupKeep` has no effect without `dedup` minhash/],
      [{ dedup: 'exact-line', dedupBands: 3 }, /`dedupBands` has no effect/],
      [{ dedupMinChars: 3 }, /`dedupMinChars` has no effect/],
      [{ decontaminateNgram: 12 }, /`decontaminateNgram` has no effect without `decontaminate`/],
      [{ decontaminateReport: true }, /`decontaminateReport` has no effect/],
      [{ dedup: 'none', against: ['x'] }, /`against` has no effect with `dedup` none/],
    ];
    for (const [options, message] of cases) {
      await expect(prepare(options)).rejects.toMatchObject({
        code: 'ERR_OPTION',
        message: expect.stringMatching(message),
      });
    }
    const unknown = JSON.parse('{"dedup":"fuzzy"}') as DedupOptions;
    await expect(prepare(unknown)).rejects.toThrow(/not one of none, exact/);
  });
});

describe('data prepare with filters, near duplicates and evaluation texts', () => {
  const leak = 'Which of the nine rivers of the old kingdom flows to the north in winter?';
  const long = `${sentence(1, 120)} one two three four`;
  const mailed = (address: string) => `${sentence(20, 100)} write to ${address} for more`;
  const rows: [text: string, fate: string][] = [
    // Nearly the second, and before it: what filters reject begins no cluster.
    [long, 'length.max-words'],
    [sentence(1, 120), 'kept'],
    [long, 'length.max-words'],
    [`${sentence(1, 120)} end`, 'near_duplicate'],
    [sentence(2, 120), 'kept'],
    [sentence(2, 120), 'duplicate'],
    [`${leak} ${sentence(3, 100)}`, 'contaminated'],
    [`${leak} ${sentence(3, 100)} end`, 'contaminated'],
    [`${leak} ${sentence(4, 120)}`, 'length.max-words'],
    // Equal once the address is masked.
    [mailed('a.b@c.example'), 'kept'],
    [mailed('d.e@f.example'), 'duplicate'],
    ['too short', 'length.min-words'],
    ['   ', 'empty'],
    ...Array.from({ length: 6 }, (_, i): [string, string] => [sentence(i + 5, 120), 'kept']),
    [`${sentence(7, 120)} end`, 'near_duplicate'],
  ];
  const idsOf = (...fates: string[]) =>
    rows.flatMap(([, fate], i) => (fates.includes(fate) ? [`${mixed}:${i + 1}`] : []));
  const options: Partial<PrepareOptions> = {
    filters: ['length:min-words=3:max-words=123', 'pii'],
    dedup: 'minhash',
  };
  let mixed: string;

  beforeAll(() => {
    mixed = writeCorpus(
      'mixed.jsonl',
      rows.map(([text]) => text),
    );
  });

  it('knows evaluation texts in documents whose numbers and addresses are masked', async () => {
    const asked =
      'Who of all the people that wrote to 555-123-4567 or to ann.lee@mail.example won the prize?';
    const sets = join(root, 'masked.jsonl');
    writeFileSync(sets, `${JSON.stringify({ question: asked })}\n`);
    const source = writeCorpus('masked-corpus.jsonl', [
      `${sentence(70, 40)} ${asked} ${sentence(71, 40)}`,
      ...Array.from({ length: 4 }, (_, i) => sentence(72 + i, 60)),
    ]);
    for (const filters of [[], ['pii']]) {
      const { out, report } = await prepare({ filters, decontaminate: [sets] }, [source]);
      expect(report.dropped).toEqual({ contaminated: 1 });
      const [row] = rowsOf(join(out, 'rejected/decontaminate.jsonl'));
      // What is kept of it is masked.
      expect(String(row!.text).includes('ann.lee@mail.example')).toBe(filters.length === 0);
    }
  });

  it('counts each document once, where it was dropped', async () => {
    const dropped: Record<string, string[]> = {};
    const { out, report } = await prepare(
      {
        ...options,
        decontaminate: [evaluation],
        onDropped: ({ id, reason }) => {
          dropped[reason] = [...(dropped[reason] ?? []), id];
        },
      },
      [mixed],
    );
    expect(dropped).toEqual({
      rejected: idsOf('length.max-words', 'length.min-words'),
      near_duplicate: idsOf('near_duplicate'),
      duplicate: idsOf('duplicate'),
      contaminated: idsOf('contaminated'),
      empty: idsOf('empty'),
    });
    expect(report).toMatchObject({
      documents: idsOf('kept').length,
      dropped: { rejected: 4, near_duplicate: 2, duplicate: 2, contaminated: 2, empty: 1 },
      rejected: { 'length.max-words': 3, 'length.min-words': 1 },
      duplicates: 4,
      dedup: { exact_documents: 2, near_documents: 2, clusters: 2, largest_cluster: 2 },
      decontamination: { documents: 2, sets: [{ source: evaluation, documents: 2 }] },
    });
    // Filters see each document once in the pass that is reported, and steps after them the rest.
    expect(
      report.funnel.map(({ filter, documents_in, documents_out }) => [filter, documents_in, documents_out]),
    ).toEqual([
      ['length', rows.length - 1, rows.length - 5],
      ['pii', rows.length - 5, rows.length - 5],
    ]);
    const masked = (text: string) => text.replace('a.b@c.example', 'email@example.com');
    const kept = rows.flatMap(([text, fate]) => (fate === 'kept' ? [masked(text)] : []));
    expect(documentsOf(out)).toEqual(kept.sort());
    const members = rowsOf(join(out, 'clusters.jsonl')).map(({ id, kept }) => [id, kept]);
    expect(members).toEqual([
      [`${mixed}:2`, true],
      [`${mixed}:4`, false],
      [`${mixed}:16`, true],
      [`${mixed}:20`, false],
    ]);
    const filed = ['length.max-words', 'length.min-words', 'decontaminate'];
    expect(readdirSync(join(out, 'rejected')).sort()).toEqual(filed.map((name) => `${name}.jsonl`).sort());
    expect(rowsOf(join(out, 'rejected/length.max-words.jsonl')).map(({ id }) => id)).toEqual(
      idsOf('length.max-words'),
    );
    expect(rowsOf(join(out, 'rejected/decontaminate.jsonl')).map(({ id }) => id)).toEqual(
      idsOf('contaminated'),
    );
  });

  it.each(['minhash', 'exact-run'] as const)(
    'writes the same bytes on one thread and on two, %s',
    async (dedup) => {
      const folders: string[] = [];
      for (const count of [1, 2]) {
        native.setNumThreads(count);
        folders.push((await prepare({ ...options, dedup, decontaminate: [evaluation] }, [mixed])).out);
      }
      expect(Object.keys(filesOf(folders[0]!))).toEqual(
        expect.arrayContaining(['rejected/length.max-words.jsonl', 'rejected/decontaminate.jsonl']),
      );
      expect(filesOf(folders[1]!)).toEqual(filesOf(folders[0]!));
    },
  );
});
