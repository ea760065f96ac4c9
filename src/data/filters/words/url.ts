/**
 * Whether a word is an address, as spaCy's `URL_MATCH` decides. That pattern takes time that
 * grows with the square of the length; this function reads the text once.
 */
import { LOWER } from './english-rules.ts';

const SCHEME = /^[\p{L}\p{N}_+\-.]{2,}:\/\//u;
const PRIVATE =
  /^(?:(?:10|127)(?:\.\p{Nd}{1,3}){3}|(?:169\.254|192\.168)(?:\.\p{Nd}{1,3}){2}|172\.(?:1[6-9]|2\p{Nd}|3[0-1])(?:\.\p{Nd}{1,3}){2})/u;
const NUMERIC =
  /^(?:[1-9]\p{Nd}?|1\p{Nd}\p{Nd}|2[01]\p{Nd}|22[0-3])(?:\.(?:1?\p{Nd}{1,2}|2[0-4]\p{Nd}|25[0-5])){2}(?:\.(?:[1-9]\p{Nd}?|1\p{Nd}\p{Nd}|2[0-4]\p{Nd}|25[0-4]))$/u;
const PORT = /^:\p{Nd}{2,5}(?=[/?#]|$)/u;
const TOP_LEVEL = new RegExp(`^[${LOWER}]{2,63}$`, 'u');
const LABEL = /^[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff_-]{0,62}[A-Za-z0-9\u00a1-\uffff])?$/u;
/** Beyond a host: a port, a path or something that no host is followed by. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end a host too
const HOST_END = /[\x00-\x2c\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\xa0]/g;
const LONGEST_NUMERIC = 24;
const LONGEST_TOP_LEVEL = 126;

/** @param text without white space */
export function isUrl(text: string): boolean {
  if (!text.includes('.')) return false;
  if (hasHostAt(text, 0)) return true;
  const scheme = SCHEME.exec(text)?.[0].length ?? 0;
  if (scheme > 0 && hasHostAt(text, scheme)) return true;
  // Anything may stand before an @.
  for (let at = text.indexOf('@', 1); at > 0; at = text.indexOf('@', at + 1)) {
    if (hasHostAt(text, at + 1)) return true;
  }
  return false;
}

/** Whether a host, and what may follow one, takes the text from here to its end. */
function hasHostAt(text: string, start: number): boolean {
  HOST_END.lastIndex = start;
  const end = HOST_END.exec(text)?.index ?? text.length;
  const next = text[end];
  const rest = next === ':' ? PORT.exec(text.slice(end, end + 12)) : /[/?#]/.test(next ?? '/');
  return Boolean(rest) && isHost(text.slice(start, end));
}

function isHost(host: string): boolean {
  if (host.length <= LONGEST_NUMERIC && NUMERIC.test(host) && !PRIVATE.test(host)) return true;
  const last = host.lastIndexOf('.');
  if (last < 1 || host.length - last - 1 > LONGEST_TOP_LEVEL) return false;
  if (!TOP_LEVEL.test(host.slice(last + 1))) return false;
  for (let start = 0; start <= last; ) {
    const dot = host.indexOf('.', start);
    if (dot - start > 64 || !LABEL.test(host.slice(start, dot))) return false;
    start = dot + 1;
  }
  return true;
}
