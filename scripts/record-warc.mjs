#!/usr/bin/env node
// Writes pages.warc.gz and pages.warc.wet.gz of test/data/corpus/fixtures with warcio, and
// pages.json with the payloads as warcio reads them. warcio is no dependency: run this in a folder
// with `npm install warcio@2.4.11`, as `node record-warc.mjs FIXTURES`.
import { createReadStream, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';

const here = createRequire(pathToFileURL(join(process.cwd(), 'x.js')));
const { WARCParser, WARCRecord, WARCSerializer } = await import(
  pathToFileURL(here.resolve('warcio').replace(/\.cjs$/, '.js')).href
);
const folder = process.argv[2];
const date = '2026-01-02T03:04:05Z';
const prose = (subject) =>
  `${subject} is described here in a long sentence, with commas, so that it counts as the text of an article, ` +
  `and not as a menu. It goes on for a while, as articles do, and it names ${subject} once more, at the end. `;
const html = (subject, head = '') =>
  `<!doctype html><html><head>${head}<title>${subject}</title></head><body><nav><ul><li><a href="/">Home</a></li>` +
  `<li><a href="/about">About us</a></li></ul></nav><article><h1>${subject}</h1><p>${prose(subject)}</p><p>` +
  `${prose(subject)}</p><p>${prose(subject)}</p></article><footer>Copyright, all rights reserved</footer></body></html>`;
const utf8 = (text) => Buffer.from(text, 'utf8');
const latin1 = (text) => Buffer.from(text, 'latin1');
const chunked = (body) => {
  const half = body.length >> 1;
  const piece = (bytes) => [utf8(`${bytes.length.toString(16)};name=value\r\n`), bytes, utf8('\r\n')];
  return Buffer.concat([...piece(body.subarray(0, half)), ...piece(body.subarray(half)), utf8('0\r\n\r\n')]);
};
const type = { 'Content-Type': 'text/html; charset=utf-8' };
const bodies = [
  ['plain', type, utf8(html('Plain café'))],
  ['gzip', { ...type, 'Content-Encoding': 'gzip' }, gzipSync(html('Gzip'))],
  ['chunked', { ...type, 'Transfer-Encoding': 'chunked' }, chunked(utf8(html('Chunked')))],
  [
    'both',
    { ...type, 'Transfer-Encoding': 'chunked', 'Content-Encoding': 'gzip' },
    chunked(gzipSync(html('Both'))),
  ],
  ['brotli', { ...type, 'Content-Encoding': 'br' }, brotliCompressSync(html('Brotli'))],
  ['deflate', { ...type, 'Content-Encoding': 'deflate' }, deflateSync(html('Deflate'))],
  ['deflate-raw', { ...type, 'Content-Encoding': 'deflate' }, deflateRawSync(html('Raw deflate'))],
  ['already-unpacked', { ...type, 'Content-Encoding': 'gzip' }, utf8(html('Unpacked'))],
  ['latin1', { 'Content-Type': 'text/html; charset=ISO-8859-1' }, latin1(html('Café crème'))],
  ['meta', { 'Content-Type': 'text/html' }, latin1(html('Façade', '<meta charset="windows-1252">'))],
  ['undeclared', { 'Content-Type': 'text/html' }, latin1(html('Übermaß'))],
  [
    'sjis',
    { 'Content-Type': 'text/html; charset=Shift_JIS' },
    Buffer.concat([
      utf8('<html><body><article><p>'),
      ...Array.from({ length: 120 }, () => Buffer.from([0x93, 0xfa, 0x96, 0x7b, 0x8c, 0xea, 0x81, 0x41])),
      utf8('</p></article></body></html>'),
    ]),
  ],
  ['wrong-charset', type, latin1(html('Naïve'))],
  ['text', { 'Content-Type': 'text/plain' }, utf8('A plain text.\nOf two lines.\n')],
  ['picture', { 'Content-Type': 'image/png' }, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2])],
];

async function* records() {
  const httpHeaders = { 'Content-Type': 'text/html' };
  const of = (kind, url, content, options = {}) => {
    const chunks = (async function* () {
      yield content;
    })();
    return WARCRecord.create({ url, date, type: kind, warcVersion: 'WARC/1.1', ...options }, chunks);
  };
  yield WARCRecord.createWARCInfo(
    { filename: 'pages.warc.gz', warcVersion: 'WARC/1.1' },
    { software: 'warcio' },
  );
  for (const [name, headers, body] of bodies) {
    const url = `http://example.com/${name}`;
    yield of('request', url, utf8(''), {
      httpHeaders: { Host: 'example.com' },
      statusline: `GET /${name} HTTP/1.1`,
    });
    yield of('response', url, body, { httpHeaders: headers, statusline: 'HTTP/1.1 200 OK' });
  }
  yield of('response', 'http://example.com/missing', utf8(html('Missing')), {
    httpHeaders,
    statusline: 'HTTP/1.1 404 Not Found',
  });
  yield of('revisit', 'http://example.com/plain', utf8(''), { httpHeaders, statusline: 'HTTP/1.1 200 OK' });
  yield of('resource', 'urn:text', utf8('A resource.'), { warcHeaders: { 'Content-Type': 'text/plain' } });
  yield of('metadata', 'http://example.com/plain', utf8('fetchTimeMs: 12\r\n'), {
    warcHeaders: { 'Content-Type': 'application/warc-fields' },
  });
}

async function* converted() {
  for (const name of ['one', 'two']) {
    const content = (async function* () {
      yield utf8(`Text of page ${name}.\nMit Umlaut: ü\n`);
    })();
    const warcHeaders = { 'Content-Type': 'text/plain', 'WARC-Identified-Content-Language': 'eng' };
    yield WARCRecord.create(
      { url: `http://example.com/${name}`, date, type: 'conversion', warcVersion: 'WARC/1.0', warcHeaders },
      content,
    );
  }
}

async function write(name, all) {
  const parts = [];
  for await (const record of all) parts.push(await WARCSerializer.serialize(record, { gzip: true }));
  writeFileSync(join(folder, name), Buffer.concat(parts));
}

await write('pages.warc.gz', records());
await write('pages.warc.wet.gz', converted());

/** Each record as warcio reads it: the payload is without chunks and compressions. */
const read = [];
for (const name of ['pages.warc.gz', 'pages.warc.wet.gz']) {
  for await (const record of new WARCParser(createReadStream(join(folder, name)))) {
    const payload = Buffer.from(await record.readFully(true));
    read.push({
      file: name,
      type: record.warcType,
      uri: record.warcTargetURI,
      payload: payload.toString('base64'),
    });
  }
}
writeFileSync(join(folder, 'pages.json'), JSON.stringify(read));
