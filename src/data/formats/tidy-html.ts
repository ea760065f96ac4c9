/** HTML of the web as HTML in which every element is closed, without what holds no text. */
import { Parser } from 'htmlparser2';

/** Elements without an end tag. */
const empty = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));
/** Elements whose contents are no text of the page. */
const textless = new Set(
  'script style template svg math canvas iframe noembed noframes noscript object audio video map select datalist'.split(
    ' ',
  ),
);
/** The attributes by which Readability tells an article from what surrounds it. */
const telling = new Set(
  'id class role rel itemprop itemtype property name content lang dir hidden aria-hidden aria-modal style rowspan colspan summary datatable href'.split(
    ' ',
  ),
);
/** Deeper elements are left out and their text stays: code that walks the tree uses the stack. */
const MOST_DEPTH = 200;

/** Pages of people have far fewer; the time that they take grows faster than their number. */
const MOST_ELEMENTS = 50_000;
/** The parser of HTML goes through all open elements where one closes. */
const MOST_OPEN = 5_000;

/** Why a page is not read. */
export class BadPage extends Error {}

/** Tidies a page. Throws BadPage for one of over 50,000 elements, or over 5,000 deep. */
export function tidyHtml(page: string): string {
  const out: string[] = [];
  let [elements, depth, skipped] = [0, 0, 0];
  const parser = new Parser({
    onopentag(name, attributes) {
      if (++elements > MOST_ELEMENTS) throw new BadPage(`it has over ${MOST_ELEMENTS} elements`);
      if (depth + skipped > MOST_OPEN) throw new BadPage(`it is nested over ${MOST_OPEN} elements deep`);
      if (skipped > 0 || textless.has(name)) {
        skipped += 1;
        return;
      }
      if (!empty.has(name) && ++depth > MOST_DEPTH) return;
      out.push(`<${name}${attributesOf(attributes)}${empty.has(name) ? '/>' : '>'}`);
    },
    onclosetag(name) {
      if (skipped > 0) {
        skipped -= 1;
        return;
      }
      if (!empty.has(name) && depth-- <= MOST_DEPTH) out.push(`</${name}>`);
    },
    ontext(text) {
      if (skipped === 0) out.push(escaped(text));
    },
  });
  parser.end(page);
  return out.join('');
}

function attributesOf(attributes: { [name: string]: string }): string {
  let written = '';
  for (const name in attributes) {
    const value = attributes[name]!;
    // Readability looks for links within the page, and for what is hidden.
    if (!telling.has(name) || (name === 'href' && !value.startsWith('#'))) continue;
    if (name === 'style' && !/none|hidden/i.test(value)) continue;
    written += ` ${name}="${escaped(value).replaceAll('"', '&quot;')}"`;
  }
  return written;
}

function escaped(text: string): string {
  return /[&<>]/.test(text)
    ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    : text;
}
