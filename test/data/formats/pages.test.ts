/** WARC, WET and HTML. The archives were written, and their payloads read, by warcio. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { decodePage } from '../../../src/data/formats/charset.ts';
import { BadBody, parseHttpResponse } from '../../../src/data/formats/http-response.ts';
import { mainText } from '../../../src/data/formats/main-text.ts';
import { type WarcRecord, warcRecords } from '../../../src/data/formats/warc.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { readAll } from '../corpus/corpora.ts';

const fixtures = join(packageRoot, 'test/data/corpus/fixtures');
const warc = join(fixtures, 'pages.warc.gz');
const wet = join(fixtures, 'pages.warc.wet.gz');
const recorded = JSON.parse(readFileSync(join(fixtures, 'pages.json'), 'utf8')) as {
  file: string;
  type: string;
  uri: string | null;
  payload: string;
}[];

function file(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe('records of archives', () => {
  it.each([warc, wet])('are those that warcio reads, payloads too: %s', async (path) => {
    const all: WarcRecord[] = [];
    for await (const record of warcRecords(path, { wants: () => true, mostBytes: 1 << 20 })) {
      if ('problem' in record) throw new Error(record.problem);
      all.push(record);
    }
    const expected = recorded.filter((record) => path.endsWith(record.file));
    expect(all.map(({ type, number }) => [type, number])).toEqual(
      expected.map(({ type }, i) => [type, i + 1]),
    );
    for (const [i, { type, uri, payload }] of expected.entries()) {
      const block = all[i]!.block!;
      const body = type === 'response' ? parseHttpResponse(block, 1 << 20).body : block;
      const given = Buffer.from(payload, 'base64');
      // warcio leaves Brotli as it is.
      const isBrotli = type === 'response' && uri?.endsWith('/brotli');
      const expectedBody = isBrotli ? brotliDecompressSync(given) : given;
      // warcio takes the header of requests and revisits for HTTP.
      if (type !== 'request' && type !== 'revisit')
        expect(body.toString('latin1'), uri!).toBe(expectedBody.toString('latin1'));
      if (uri !== null && type !== 'warcinfo') expect(all[i]!.headers.get('warc-target-uri')).toBe(uri);
    }
  });

  it('become documents with their address, and what is no page is named', async () => {
    const { documents, messages } = await readAll([warc]);
    const page = (name: string) => `http://example.com/${name}`;
    const titles = new Map(documents.map(({ id, title }) => [id, title]));
    expect([...titles]).toEqual([
      [page('plain'), 'Plain café'],
      [page('gzip'), 'Gzip'],
      [page('chunked'), 'Chunked'],
      [page('both'), 'Both'],
      [page('brotli'), 'Brotli'],
      [page('deflate'), 'Deflate'],
      [page('deflate-raw'), 'Raw deflate'],
      [page('already-unpacked'), 'Unpacked'],
      [page('latin1'), 'Café crème'],
      [page('meta'), 'Façade'],
      [page('undeclared'), 'Übermaß'],
      [page('sjis'), undefined],
      [page('text'), undefined],
      ['urn:text', undefined],
    ]);
    for (const { title, text } of documents) {
      if (title !== undefined) expect(text).toMatch(new RegExp(`^${title}\n\n${title} is described here`));
      expect(text).not.toMatch(/Home|About us|Copyright/);
    }
    expect(documents.find(({ id }) => id === page('sjis'))!.text).toBe('日本語、'.repeat(120));
    const dropped = messages.map((message) => message.slice(warc.length + 1));
    expect(dropped).toEqual([
      `27: not UTF-8 text (${page('wrong-charset')}: it says that it is utf-8, and has other bytes)`,
      `31: a record without a page (${page('picture')}: its type is image/png)`,
      `32: a record without a page (${page('missing')}: status 404)`,
      `33: a record without a page (${page('plain')}: a page that was read before)`,
    ]);
  });

  it('of WET are their texts', async () => {
    const { documents, dropped } = await readAll([wet]);
    expect(documents.map(({ id, text }) => [id, text])).toEqual(
      ['one', 'two'].map((name) => [`http://example.com/${name}`, `Text of page ${name}.\nMit Umlaut: ü\n`]),
    );
    expect(dropped).toEqual([]);
  });

  it('that are cut or damaged are named with their number, and all others are read', async () => {
    const bytes = gunzipSync(readFileSync(warc));
    const whole = await readAll([warc]);
    const end = bytes.lastIndexOf('<article>', 20_000);
    const cut = await readAll([file('cut.warc', bytes.subarray(0, end))]);
    const ids = cut.documents.map(({ id }) => id);
    expect(ids).toEqual(whole.documents.slice(0, ids.length).map(({ id }) => id));
    expect(ids.length).toBeGreaterThan(5);
    expect(cut.messages.at(-1)).toMatch(/:\d+: damaged.*\(the file ends inside of a record\)/);

    const packed = await readAll([file('cut.warc.gz', gzipSync(bytes).subarray(0, 3000))]);
    expect(packed.documents.length).toBeGreaterThan(0);
    expect(packed.messages.at(-1)).toMatch(/cut\.warc\.gz: damaged.*it is not a whole gzip file/);

    const text = bytes.toString('latin1');
    const third = text.indexOf('WARC/1.1', text.indexOf('WARC/1.1', 1000) + 1);
    const broken = text.slice(0, third).concat('junk\r\n', text.slice(third));
    const wrong = broken.replace(/Content-Length: \d+/, 'Content-Length: -5');
    const { documents, messages } = await readAll([file('junk.warc', Buffer.from(wrong, 'latin1'))]);
    expect(documents.map(({ id }) => id)).toEqual(whole.documents.map(({ id }) => id));
    expect(messages.slice(0, 2).join('\n')).toMatch(
      /:1: damaged.*the Content-Length "-5"[\s\S]*text that belongs to no record/,
    );
  });

  it('of line ends alone, blank lines between and headers in any case are read', async () => {
    const record = (body: string) =>
      `\n\nWARC/0.18\nwarc-type: Conversion\nWARC-TARGET-URI:\n <urn:a>\ncontent-length:   ${body.length}\n\n${body}\n\n`;
    const { documents } = await readAll([file('a.warc', record('one') + record('two'))]);
    expect(documents.map(({ id, text }) => [id, text])).toEqual([
      ['urn:a', 'one'],
      ['urn:a', 'two'],
    ]);
  });
});

describe('responses', () => {
  const body = (head: string, bytes: Uint8Array, most = 1 << 20) =>
    parseHttpResponse(
      Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`), bytes]),
      most,
    ).body.toString();

  it('that expand too far are refused', () => {
    const bomb = gzipSync(Buffer.alloc(5 << 20, 'a'));
    expect(() => body('Content-Encoding: gzip', bomb)).toThrow(BadBody);
    expect(() => body('Content-Encoding: compress', bomb)).toThrow(/packed as "compress"/);
  });

  it('that the crawler cut give what is there', () => {
    const packed = gzipSync(Buffer.from(Array.from({ length: 9000 }, (_, i) => `${i * 7919} `).join('')));
    expect(body('Content-Encoding: gzip', packed.subarray(0, 4000))).toMatch(/^0 7919 15838 /);
    expect(body('Transfer-Encoding: chunked', Buffer.from('5\r\nhello\r\n8\r\nwor'))).toBe('hellowor');
    expect(body('Transfer-Encoding: chunked', Buffer.from('no chunks here'))).toBe('no chunks here');
  });
});

describe('encodings of pages', () => {
  const text = (bytes: Uint8Array, type?: string) => decodePage(Buffer.from(bytes), type);
  const meta = (charset: string) => Buffer.from(`<meta charset="${charset}">\xe9`, 'latin1');

  it.each([
    [Buffer.from('\ufeffé', 'utf8'), 'text/html; charset=iso-8859-1', 'é', 'utf-8'],
    [Buffer.from('\ufeffé', 'utf16le'), undefined, 'é', 'utf-16le'],
    [Buffer.from([0xe9]), 'text/html; charset="ISO-8859-1"', 'é', 'windows-1252'],
    [meta('latin1'), undefined, '<meta charset="latin1">é', 'windows-1252'],
    [meta('koi8-r'), undefined, '<meta charset="koi8-r">И', 'koi8-r'],
    [Buffer.from('é', 'utf8'), undefined, 'é', 'utf-8'],
    [Buffer.from([0x93, 0x80, 0x94, 0x9f]), undefined, '“€”Ÿ', 'windows-1252'],
    [Buffer.from([0xc4, 0xe3]), 'text/html;charset=gb2312', '你', 'gbk'],
    [Buffer.from([0x68, 0xe6, 0xb0]), 'text/html;charset=utf-8', 'h', 'utf-8'],
    [Buffer.from('a', 'utf8'), 'text/html; charset=made-up', 'a', 'utf-8'],
  ])('are found as browsers find them: %#', (bytes, type, expected, charset) => {
    expect(text(bytes, type)).toEqual({ text: expected, charset });
  });

  it('that the bytes contradict are a problem', () => {
    expect(text(Buffer.from([0x68, 0xff, 0x68]), 'text/html; charset=utf-8')).toEqual({
      problem: 'it says that it is utf-8, and has other bytes',
    });
  });
});

describe('the main text of a page', () => {
  const sentence = 'A long sentence, with commas, as articles have them, which goes on and on. ';
  const long = sentence.repeat(6);

  it('has paragraphs, lists, cells and preformatted lines as a reader sees them', () => {
    const page = `<html><head><title>On cats</title><script>let a = "<p>";</script></head><body>
      <div class="menu"><a href="/a">A</a> <a href="/b">B</a></div>
      <article><h2>Begin</h2><p>${long}<br>Next&nbsp;line &amp; <b>bold</b>ly.</p>
      <ul><li>one</li><li>two <i>more</i></li></ul><pre>  code\n    here</pre>
      <table><tr><td>a</td><td>b</td></tr></table><p>${long}</p><p style="display:none">hidden</p></article>
      <div class="footer">Imprint</div></body></html>`;
    expect(mainText(page)).toEqual({
      title: 'On cats',
      text: `On cats\n\nBegin\n\n${long.trim()}\nNext\u00a0line & boldly.\n\n- one\n- two more\n\n  code\n    here\n\na b\n\n${long.trim()}`,
    });
  });

  it('is missing in a page without text', () => {
    expect(mainText('<html><body><img src="a.png"></body></html>')).toBeUndefined();
    expect(mainText('')).toBeUndefined();
  });

  it.each([
    ['deep', '<div>'.repeat(100_000) + long, /nested over 5000 elements deep/],
    ['wide', `<p>${sentence}`.repeat(60_000), /over 50000 elements/],
  ])('of pages that are made to be slow is refused: %s', async (_, page, message) => {
    const { documents, messages } = await readAll([file('a.html', page)]);
    expect(documents).toEqual([]);
    expect(messages).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    '<'.repeat(300_000),
    '<!--'.repeat(100_000),
    `<p ${'a="b" '.repeat(50_000)}>${long}`,
    `${'<b>'.repeat(3000)}${long}`,
    `<table>${'<table><tr><td>'.repeat(1200)}${long}`,
    `<svg>${'<g>'.repeat(4000)}</svg><p>${long}</p>`,
  ])('of other hostile pages takes a moment: %#', (page) => {
    expect(() => mainText(page)).not.toThrow();
  });
});
