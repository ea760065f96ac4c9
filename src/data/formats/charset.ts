/** The text of pages, whose encoding the server, the page or its first bytes name. */
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';

/** Browsers look for the declaration in so many bytes. */
const DECLARATION_BYTES = 1024;

/** The text of a page, or the problem with its encoding. */
export type DecodedPage = { text: string; charset: string } | { problem: string };

/**
 * Decodes a page by its byte-order mark, else the charset of the Content-Type, else its own
 * declaration (`<meta charset>`), else as UTF-8 if it is that, else as windows-1252: the order of
 * the HTML standard. Bytes that do not fit are a problem, except a character that is cut off at the
 * end, as crawlers leave it.
 * @param contentType such as `text/html; charset=iso-8859-1`
 */
export function decodePage(bytes: Buffer, contentType?: string): DecodedPage {
  const label = markOf(bytes) ?? charsetOf(contentType) ?? declaredCharset(bytes);
  const guess = isUtf8(withoutCutEnd(bytes)) ? 'utf-8' : 'windows-1252';
  const decoder = decoderOf(label ?? guess) ?? decoderOf(guess)!;
  const charset = decoder.encoding;
  try {
    if (charset === 'windows-1252') return { text: decodeWindows1252(bytes), charset };
    return { text: decoder.decode(charset === 'utf-8' ? withoutCutEnd(bytes) : bytes), charset };
  } catch {
    return { problem: `it says that it is ${charset}, and has other bytes` };
  }
}

/** The characters of bytes 0x80 to 0x9f; five bytes are control characters (Encoding Standard). */
const windows1252 =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

/** Node 20 decodes these bytes as Latin-1. */
function decodeWindows1252(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return text.replace(/[\x80-\x9f]/g, (control) => windows1252[control.charCodeAt(0) - 0x80]!);
}

function decoderOf(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label, { fatal: true });
  } catch {
    return undefined;
  }
}

function markOf(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

function charsetOf(contentType: string | undefined): string | undefined {
  const [, quoted, plain] = /charset\s*=\s*(?:["']([^"']*)["']|([^\s;"']+))/i.exec(contentType ?? '') ?? [];
  const label = (quoted ?? plain)?.trim();
  return label !== undefined && decoderOf(label) ? label : undefined;
}

function declaredCharset(bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, DECLARATION_BYTES).replace(/<!--[\s\S]*?(-->|$)/g, '');
  const xml = /^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"']+)["']/i.exec(head)?.[1];
  for (const [tag] of head.matchAll(/<meta[\s/][^>]*>/gi)) {
    const label = charsetOf(tag);
    // A page that can be read as ASCII up to here is not UTF-16.
    if (label !== undefined) return /^utf-?16/i.test(label) ? 'utf-8' : label;
  }
  return xml !== undefined && decoderOf(xml) ? xml : undefined;
}

/** Without the first bytes of a character at the end. */
function withoutCutEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
