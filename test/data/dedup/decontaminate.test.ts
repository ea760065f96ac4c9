import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import {
  type DecontaminationOptions,
  Decontaminator,
  withoutContaminated,
} from '../../../src/data/dedup/decontaminate.ts';
import { evaluationTexts } from '../../../src/data/dedup/evaluation-texts.ts';
import { native } from '../../../src/native/addon.ts';

const root = mkdtempSync(join(tmpdir(), 'athanor-decontaminate-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const threads = native.numThreads();
afterEach(() => native.setNumThreads(threads));

function write(name: string, contents: string | Buffer): string {
  writeFileSync(join(root, name), contents);
  return join(root, name);
}
const rowsOf = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
async function load(rows: readonly unknown[], options: DecontaminationOptions = {}) {
  return Decontaminator.load([write('set.jsonl', rowsOf(rows))], options);
}

describe('decontamination', () => {
  it('finds the runs that datatrove finds', async () => {
    const file = join(import.meta.dirname, 'fixtures/datatrove-decontamination.json');
    const recorded = JSON.parse(readFileSync(file, 'utf8')) as {
      evaluations: string[];
      texts: string[];
      found: (string | null)[];
    };
    const sets = await load(recorded.evaluations, { ngram: 12, shortest: 12 });
    expect(sets.find(recorded.texts).map((match) => match?.words ?? null)).toEqual(recorded.found);
    expect(new Set(recorded.found).size).toBeGreaterThan(10);
  });

  it('finds what a search word by word finds, on any number of threads', async () => {
    let draws = 0;
    const draw = (below: number) => mix(5, draws++) % below;
    const text = (words: number) => Array.from({ length: words }, () => 'abcd'[draw(4)]).join(' ');
    const evaluations = Array.from({ length: 30 }, () => text(1 + draw(9)));
    const documents = Array.from({ length: 200 }, () => text(draw(120)));
    const [ngram, shortest] = [6, 4];
    // All runs of an evaluation text, or the whole text when it is shorter and long enough.
    const runs = new Set<string>();
    for (const words of evaluations.map((evaluation) => evaluation.split(' '))) {
      const length = Math.min(ngram, words.length);
      if (length < shortest) continue;
      for (let i = 0; i + length <= words.length; i++) runs.add(words.slice(i, i + length).join(' '));
    }
    const expected = documents.map((document) => {
      const words = document === '' ? [] : document.split(' ');
      const starts = words
        .map((_, i) => [6, 5, 4].map((n) => words.slice(i, i + n)).filter((run, at) => run.length === 6 - at))
        .map((candidates) => candidates.map((run) => run.join(' ')).find((run) => runs.has(run)))
        .filter((run) => run !== undefined);
      return starts.length === 0 ? undefined : { words: starts[0], matches: starts.length };
    });
    const sets = await load(evaluations, { ngram, shortest });
    for (const count of [1, 2]) {
      native.setNumThreads(count);
      const found = sets
        .find(documents)
        .map((match) => match && { words: match.words, matches: match.matches });
      expect(found).toEqual(expected);
    }
    expect(expected.filter((match) => match === undefined).length).toBeGreaterThan(20);
  });

  it('does not mind case, punctuation, numbers or line breaks', async () => {
    const question = 'In which year, 1969 or 1970, did the “Eagle” land on the Moon, and who flew it?';
    const sets = await load([{ question }]);
    const copy =
      'so: IN WHICH YEAR 12 OR 3.5\ndid the eagle — land on the moon; and who flew it? nobody knows';
    const [match] = sets.find([copy]);
    expect(match).toEqual({
      set: join(root, 'set.jsonl'),
      words: 'in which year 0 or 0 did the eagle land on the moon',
      matches: 5,
    });
    expect(sets.find([copy.replace('eagle', 'falcon')])).toEqual([undefined]);
  });

  it('looks for a short text as a whole, and counts those that are too short', async () => {
    const eight = 'name the longest river of the old world';
    const sets = await load([{ text: eight }, { text: 'name the longest river' }, { text: '' }]);
    expect(sets.sets).toEqual([{ source: join(root, 'set.jsonl'), texts: 3, too_short: 2 }]);
    const [whole, part] = sets.find([`please ${eight} now`, 'name the longest river of the old']);
    expect(whole).toMatchObject({ words: eight, matches: 1 });
    expect(part).toBeUndefined();
    await expect(load([{ text: 'short' }])).rejects.toThrow(/no text has at least 8 words/);
  });

  it('tells which set a text is of, the first one that has it', async () => {
    const [a, b, both] = ['alpha', 'beta', 'both'].map((name) =>
      Array.from({ length: 13 }, (_, i) => `${name}${'x'.repeat(i)}`).join(' '),
    );
    const paths = [write('a.jsonl', rowsOf([a, both])), write('b.txt', `${both}\n\n${b}`)];
    const sets = await Decontaminator.load(paths);
    expect(sets.find([a!, b!, both!, 'nothing']).map((match) => match?.set)).toEqual([
      paths[0],
      paths[1],
      paths[0],
      undefined,
    ]);
  });

  it('gives the clean documents in order, and tells of the others', async () => {
    const question = 'one two three four five six seven eight';
    const sets = await load([{ question }]);
    async function* documents() {
      for (const [i, text] of ['x', `a ${question}`, 'y', question].entries()) {
        yield { id: String(i), text, source: 's' };
      }
    }
    const removed: [string, string][] = [];
    const left: string[] = [];
    const told = withoutContaminated(documents(), sets, ({ id }, { words }) => removed.push([id, words]));
    for await (const { id } of told) left.push(id);
    expect(left).toEqual(['0', '2']);
    expect(removed).toEqual([
      ['1', question],
      ['3', question],
    ]);
  });

  it('takes hostile texts', async () => {
    const sets = await load([
      { text: 'word '.repeat(1000) },
      { text: '\u0000' },
      { text: 'a'.repeat(1 << 20) },
    ]);
    const [many, line, none] = sets.find(['word '.repeat(1_000_000), 'b'.repeat(1 << 20), '']);
    expect(many!.matches).toBe(1_000_000 - 12);
    expect([line, none]).toEqual([undefined, undefined]);
  });

  it('refuses options and files that it cannot use', async () => {
    await expect(load([{ text: 'x' }], { ngram: 0 })).rejects.toThrow(/ngram/);
    await expect(load([{ text: 'x' }], { ngram: 2000 })).rejects.toThrow(/1 to 1000 words/);
    await expect(Decontaminator.load([write('x.pdf', 'x')])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(Decontaminator.load([join(root, 'none')])).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
    await expect(Decontaminator.load([write('bad.jsonl', '{"a":1}\nnot json\n')])).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('bad.jsonl:2'),
    });
  });
});

describe('the texts of evaluation sets', () => {
  const textsOf = async (path: string) => {
    const texts: string[] = [];
    for await (const { text } of evaluationTexts(path)) texts.push(text);
    return texts;
  };

  it('are all strings of a row in order, without roles and names', async () => {
    const row = {
      id: 'x1',
      messages: [
        { role: 'user', content: 'Name a colour.' },
        { role: 'assistant', content: [{ type: 'text', text: 'Blue.' }] },
      ],
      choices: { text: ['red', 'blue'], label: [0, 1] },
      answer: null,
    };
    const expected = ['Name a colour.\nBlue.\nred\nblue', 'plain'];
    expect(await textsOf(write('rows.jsonl', rowsOf([row, 'plain'])))).toEqual(expected);
    expect(await textsOf(write('rows.json', JSON.stringify([row, 'plain'])))).toEqual(expected);
    expect(await textsOf(write('rows.jsonl.gz', gzipSync(rowsOf([row, 'plain']))))).toEqual(expected);
  });

  it('are the documents of text files, and all files of a folder in name order', async () => {
    mkdirSync(join(root, 'folder/deep'), { recursive: true });
    write('folder/b.txt', 'second');
    write('folder/a.md', 'first');
    write('folder/deep/c.jsonl', rowsOf(['third']));
    write('folder/ignored.csv', 'a,b');
    expect(await textsOf(join(root, 'folder'))).toEqual(['first', 'second', 'third']);
    mkdirSync(join(root, 'empty'));
    await expect(textsOf(join(root, 'empty'))).rejects.toThrow(/holds no text/);
  });
});
