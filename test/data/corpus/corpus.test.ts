import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cutPoint } from '../../../src/data/corpus/text-documents.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { readAll, readmes } from './corpora.ts';

function file(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe('JSONL', () => {
  it('takes byte-order marks, CRLF, blank lines and a last line without an end', async () => {
    const path = file('a.jsonl', '\ufeff{"text":"one"}\r\n\r\n  \n{"text":"two"}\n{"text":"three"}');
    const { documents, dropped } = await readAll([path]);
    expect(documents.map(({ id, text }) => [id, text])).toEqual([
      [`${path}:1`, 'one'],
      [`${path}:4`, 'two'],
      [`${path}:5`, 'three'],
    ]);
    expect(dropped).toEqual([]);
  });

  it('says of each bad line where it is and what is wrong', async () => {
    const path = file(
      'bad.jsonl',
      Buffer.concat([
        Buffer.from('{"text": 7}\n{"content":"x","id":3}\nnot json\n'),
        Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x7d, 0x0a]),
        Buffer.from('["text"]\nnull\n"text"\n{"text":null}\n{"text":" \\n "}\n{"text":"good"}\n{"text":'),
      ]),
    );
    const { documents, messages } = await readAll([path]);
    expect(documents.map(({ text }) => text)).toEqual(['good']);
    expect(messages.map((message) => message.slice(path.length + 1))).toEqual([
      '1: without the field ("text" is a number, not a text)',
      '2: without the field (no "text"; it has content, id)',
      expect.stringMatching(/^3: not JSON \(.*not json/),
      '4: not UTF-8 text',
      '5: without the field (it is a list, not an object)',
      '6: without the field (it is null, not an object)',
      '7: without the field (it is a string, not an object)',
      '8: without the field ("text" is null, not a text)',
      '9: empty',
      expect.stringMatching(/^11: not JSON/),
    ]);
  });

  it('reads the field that is asked for', async () => {
    const path = file('a.ndjson', '{"text":"no","body":"yes"}\n');
    const { documents } = await readAll([path], { textKey: 'body' });
    expect(documents.map(({ text }) => text)).toEqual(['yes']);
  });

  it('leaves out a line longer than it would hold, and reads on after it', async () => {
    const long = Buffer.alloc(67 << 20, 'a');
    const path = file(
      'long.jsonl.gz',
      gzipSync(Buffer.concat([Buffer.from('{"text":"a"}\n'), long, Buffer.from('\n{"text":"b"}\n')]), {
        level: 1,
      }),
    );
    const { documents, dropped } = await readAll([path]);
    expect(documents.map(({ id }) => id)).toEqual([`${path}:1`, `${path}:3`]);
    expect(dropped).toMatchObject([{ id: `${path}:2`, reason: 'too_long' }]);
  });

  it('counts lines right across any boundaries of what is read at once', async () => {
    const random = rng(3);
    const texts = Array.from({ length: 400 }, (_, i) => `${i} ${'é'.repeat(random.integer(20000))}`);
    const path = file('many.jsonl', texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
    const { documents } = await readAll([path]);
    expect(documents.map(({ id }) => id)).toEqual(texts.map((_, i) => `${path}:${i + 1}`));
    expect(documents.map(({ text }) => text)).toEqual(texts);
  });
});

describe('text files', () => {
  it('are one document each, plain or zipped', async () => {
    for (const readme of readmes) {
      const text = readFileSync(readme, 'utf8');
      const zipped = file('a.md.gz', gzipSync(text));
      const { documents } = await readAll([readme, zipped], { partBytes: 1 << 20 });
      expect(documents).toEqual([
        { id: readme, text, source: readme },
        { id: zipped, text, source: zipped },
      ]);
    }
  });

  it('are cut into parts that together are the file', async () => {
    const text = readmes.map((readme) => readFileSync(readme, 'utf8')).join('\n');
    const path = file('long.txt', text);
    const { documents } = await readAll([path], { partBytes: 2000 });
    expect(documents.map((document) => document.text).join('')).toBe(text);
    expect(documents.every((document) => Buffer.byteLength(document.text) <= 2000)).toBe(true);
    expect(documents.length).toBeLessThan((2.1 * Buffer.byteLength(text)) / 2000);
    for (const { id, text: part } of documents) {
      const line = Number(id.slice(path.length + 1));
      expect(text.split('\n')[line - 1]).toContain(part.split('\n')[0]);
    }
  });

  it('are cut between characters where there is no space', async () => {
    const text = '水'.repeat(5000);
    const { documents, dropped } = await readAll([file('han.txt', text)], { partBytes: 1024 });
    expect(dropped).toEqual([]);
    expect(documents.map((document) => document.text).join('')).toBe(text);
  });

  it('are divided at lines that equal the separator, and at no others', async () => {
    const path = file('a.txt', 'one\n%%\ntwo %%\n%%%\n%%\r\n%%\nthree\n%%');
    const { documents, dropped } = await readAll([path], { separator: '%%' });
    expect(documents.map(({ id, text }) => [id.slice(path.length), text])).toEqual([
      [':1', 'one\n'],
      [':3', 'two %%\n%%%\n'],
      [':7', 'three\n'],
    ]);
    expect(dropped).toEqual([{ id: `${path}:6`, reason: 'empty' }]);
  });

  it('find separators wherever reading stops', async () => {
    const texts = Array.from({ length: 60 }, (_, i) => `${i}${'x'.repeat(60_000)}${i}\n`);
    const path = file('a.txt', texts.join('---\n'));
    const { documents } = await readAll([path], { separator: '---', partBytes: 1 << 20 });
    expect(documents.map(({ text }) => text)).toEqual(texts);
  });

  it('that are binary, UTF-16, not UTF-8 or empty are named with what is wrong', async () => {
    const picture = file('picture.txt', Buffer.from([0x89, 0x50, 0, 0, 1]));
    const late = file('late.txt', Buffer.concat([Buffer.alloc(3 << 20, 'text\n'), Buffer.from([0])]));
    const wide = file('wide.txt', Buffer.from('\ufeffwide', 'utf16le'));
    const latin = file('latin.txt', Buffer.from('fine\ncaf\xe9\nfine\n', 'latin1'));
    const empty = file('empty.txt', '');
    const blank = file('blank.md', ' \n\t\n');
    const { messages } = await readAll([picture, late, wide, latin, empty, blank]);
    expect(messages).toEqual([
      `${picture}: binary, not text`,
      `${late}: binary, not text`,
      `${wide}: binary, not text (it is text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8)`,
      `${latin}: not UTF-8 text (line 2)`,
      `${empty}: empty`,
      `${blank}: empty`,
    ]);
  });

  it('lose only the parts that are not UTF-8', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => Buffer.from(`line ${i} of plain text\n`));
    lines[150] = Buffer.from([0xc3, 0x28, 0x0a]);
    const path = file('mixed.txt', Buffer.concat(lines));
    const { documents, dropped } = await readAll([path], { partBytes: 1024 });
    expect(dropped).toMatchObject([{ reason: 'not_utf8', detail: 'line 151' }]);
    expect(documents.length).toBeGreaterThan(4);
  });
});

describe('a cut', () => {
  it('is never beyond its limit, never inside a character, and always leaves something before it', () => {
    const random = rng(8);
    const alphabet = ['\n\n', '\n', ' ', 'word', 'é', '水', '😀', '\r\n\r\n'];
    for (let round = 0; round < 500; ++round) {
      const text = Array.from({ length: 200 }, () => alphabet[random.integer(alphabet.length)]).join('');
      const bytes = Buffer.from(text);
      const limit = 8 + random.integer(bytes.length - 8);
      const at = cutPoint(bytes, limit);
      expect(at).toBeGreaterThan(0);
      expect(at).toBeLessThanOrEqual(limit);
      expect(bytes.toString('utf8', 0, at) + bytes.toString('utf8', at)).toBe(text);
    }
  });
});

describe('folders', () => {
  it('are searched to any depth in name order, and other kinds of files are counted', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'b/c'), { recursive: true });
    mkdirSync(join(folder, '.hidden'));
    writeFileSync(join(folder, 'b/c/deep.txt'), 'deep');
    writeFileSync(join(folder, 'b/a.md'), 'middle');
    writeFileSync(join(folder, 'a.jsonl'), '{"text":"top"}');
    writeFileSync(join(folder, 'c.pdf'), 'no');
    writeFileSync(join(folder, '.hidden/x.txt'), 'hidden');
    symlinkSync(folder, join(folder, 'b/loop'));
    const { documents, dropped } = await readAll([folder]);
    expect(documents.map(({ text, source }) => [text, source])).toEqual([
      ['top', folder],
      ['middle', folder],
      ['deep', folder],
    ]);
    expect(dropped).toEqual([{ id: join(folder, 'c.pdf'), reason: 'other_kind' }]);
  });

  it('without text, files of other kinds and missing files are errors that name them', async () => {
    const folder = temporaryFolder();
    await expect(readAll([folder])).rejects.toThrow(/holds no text/);
    const other = file('a.pdf', 'x');
    await expect(readAll([other])).rejects.toThrow(`${other} is not a kind of file`);
    await expect(readAll([join(folder, 'absent')])).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
      remedy: expect.stringContaining('wordnet'),
    });
  });

  it('damaged files are named, and what was read of them and all others stay', async () => {
    const folder = temporaryFolder();
    const random = rng(5);
    const line = () => `{"text":"${Array.from({ length: 40 }, () => random.integer(1e9)).join(' ')}"}\n`;
    const text = Array.from({ length: 20_000 }, line).join('');
    const files: [string, Uint8Array][] = [
      ['a-cut.jsonl.gz', gzipSync(text).subarray(0, 3_000_000)],
      ['b-cut.txt.gz', gzipSync('hello'.repeat(50)).subarray(0, 25)],
      ['c-plain.txt.gz', Buffer.from('not zipped')],
      ['d-plain.md.zst', Buffer.from('not packed')],
      ['e.txt', Buffer.from('fine')],
    ];
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
    symlinkSync(join(folder, 'absent'), join(folder, 'f.txt'));
    symlinkSync(join(folder, 'g.txt'), join(folder, 'g.txt'));
    const { documents, messages } = await readAll([folder]);
    const texts = documents.map((document) => document.text);
    expect(texts.at(-1)).toBe('fine');
    expect(texts.length).toBeGreaterThan(5000);
    expect(
      text.startsWith(
        texts
          .slice(0, -1)
          .map((each) => `{"text":"${each}"}\n`)
          .join(''),
      ),
    ).toBe(true);
    const gone = 'damaged, or not what its name says (it is gone, or a link that leads nowhere)';
    expect(messages).toEqual([
      ...['a-cut.jsonl.gz', 'b-cut.txt.gz', 'c-plain.txt.gz'].map(
        (name) => `${join(folder, name)}: damaged, or not what its name says (it is not a whole gzip file)`,
      ),
      `${join(folder, 'd-plain.md.zst')}: damaged, or not what its name says (it is not a whole zstd file)`,
      ...['f.txt', 'g.txt'].map((name) => `${join(folder, name)}: ${gone}`),
    ]);
  });
});
