/** Documents of web pages: files of HTML, and the records of WARC and WET files. */

import type { CorpusItem, Dropped } from '../document.ts';
import { fileBytes } from '../formats/byte-stream.ts';
import { decodePage } from '../formats/charset.ts';
import { BadBody, parseHttpResponse } from '../formats/http-response.ts';
import { type MainText, mainText } from '../formats/main-text.ts';
import { BadPage } from '../formats/tidy-html.ts';
import { decodeUtf8 } from '../formats/utf8.ts';
import { type WarcRecord, warcRecords } from '../formats/warc.ts';
import { documentOf } from './jsonl-documents.ts';

/** Far more than a page of text has. */
const MOST_PAGE_BYTES = 16 << 20;
const MOST_TEXT_BYTES = 64 << 20;

/** The main text of a file of HTML. Throws as fileBytes does. */
export async function readHtmlFile(file: string, source: string): Promise<CorpusItem> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of fileBytes(file)) {
    pieces.push(piece);
    length += piece.length;
    if (length > MOST_PAGE_BYTES) return tooLong(file);
  }
  if (length === 0) return { dropped: { id: file, reason: 'empty' } };
  return pageItem(
    { bytes: Buffer.concat(pieces), contentType: undefined },
    { id: file, place: file, source },
  );
}

interface Page {
  bytes: Buffer;
  contentType: string | undefined;
}

interface PlaceOfPage {
  /** The id of the document. */
  id: string;
  /** The id of what is dropped. */
  place: string;
  source: string;
}

function pageItem({ bytes, contentType }: Page, { id, place, source }: PlaceOfPage): CorpusItem {
  const drop = (reason: Dropped['reason'], detail?: string): CorpusItem => {
    const where = id === place ? detail : [id, detail].filter(Boolean).join(': ');
    return { dropped: { id: place, reason, ...(where && { detail: where }) } };
  };
  const decoded = decodePage(bytes, contentType);
  if ('problem' in decoded) return drop('not_utf8', decoded.problem);
  if (decoded.text.includes('\0')) return drop('binary');
  let page: MainText | undefined;
  try {
    page = mainText(decoded.text);
  } catch (error) {
    if (error instanceof BadPage) return drop('bad_page', error.message);
    throw error;
  }
  if (!page) return drop('empty', 'it has no main text');
  const { title, text } = page;
  return { document: { id, text, source, ...(title !== '' && { title }) } };
}

/**
 * The pages and texts of a WARC file. Ids are the addresses of pages; dropped items have the number
 * of the record. Requests and metadata are no pages, and are passed over. Throws as fileBytes does.
 */
export async function* readWarcFile(path: string, source: string, file = path): AsyncGenerator<CorpusItem> {
  const wants = (type: string) => pageTypes.has(type);
  for await (const record of warcRecords(file, { wants, mostBytes: MOST_TEXT_BYTES })) {
    const place = `${file}:${record.number}`;
    if ('problem' in record) yield { dropped: { id: place, reason: 'damaged', detail: record.problem } };
    else if (pageTypes.has(record.type)) yield recordItem(record, place, source);
  }
}

/** Types of records that hold a page, or stand for one. */
const pageTypes: ReadonlySet<string> = new Set([
  'response',
  'resource',
  'conversion',
  'revisit',
  'continuation',
]);

function recordItem(record: WarcRecord, place: string, source: string): CorpusItem {
  const { type, headers, block } = record;
  const address = headers.get('warc-target-uri')?.replace(/^<(.*)>$/, '$1');
  const id = address === undefined || address === '' ? place : address;
  const skip = (why: string): CorpusItem => {
    return { dropped: { id: place, reason: 'other_record', detail: `${address ?? 'no address'}: ${why}` } };
  };
  if (type === 'revisit') return skip('a page that was read before');
  if (type === 'continuation') return skip('a part of a record');
  if (!block) return tooLong(place);
  if (type === 'conversion') return textItem(block, { id, place, source });
  if (type === 'resource') {
    return contentItem(
      { bytes: block, contentType: headers.get('content-type') },
      { id, place, source },
      skip,
    );
  }
  return responseItem(block, { id, place, source }, skip);
}

function responseItem(block: Buffer, place: PlaceOfPage, skip: (why: string) => CorpusItem): CorpusItem {
  try {
    const { status, headers, body } = parseHttpResponse(block, MOST_PAGE_BYTES);
    if (status === undefined) return skip('it is no HTTP response');
    if (status < 200 || status > 299) return skip(`status ${status}`);
    return contentItem({ bytes: body, contentType: headers.get('content-type') }, place, skip);
  } catch (error) {
    if (!(error instanceof BadBody)) throw error;
    return { dropped: { id: place.place, reason: 'damaged', detail: `${place.id}: ${error.message}` } };
  }
}

function contentItem(page: Page, place: PlaceOfPage, skip: (why: string) => CorpusItem): CorpusItem {
  const type = (page.contentType ?? '').split(';')[0]!.trim().toLowerCase();
  const isPage = /^(text\/html|application\/xhtml\+xml)$/.test(type);
  if (isPage || (type === '' && /^\s*</.test(page.bytes.toString('latin1', 0, 64)))) {
    return page.bytes.length > MOST_PAGE_BYTES ? tooLong(place.place) : pageItem(page, place);
  }
  if (type !== 'text/plain') return skip(type === '' ? 'it names no type' : `its type is ${type}`);
  const decoded = decodePage(page.bytes, page.contentType);
  if ('text' in decoded) return documentOf({ id: place.id, text: decoded.text, source: place.source });
  return { dropped: { id: place.place, reason: 'not_utf8', detail: `${place.id}: ${decoded.problem}` } };
}

/** Converted records are UTF-8 by their standard. */
function textItem(block: Buffer, { id, place, source }: PlaceOfPage): CorpusItem {
  const text = decodeUtf8(block);
  if (text === undefined) return { dropped: { id: place, reason: 'not_utf8', detail: id } };
  return documentOf({ id, text, source });
}

function tooLong(id: string): CorpusItem {
  return { dropped: { id, reason: 'too_long', detail: `over ${MOST_PAGE_BYTES} bytes` } };
}
