/**
 * The main text of a page, as Firefox's Reader View finds it: the article without menus, lists of
 * links, advertisements and comments.
 */
import { Readability } from '@mozilla/readability';
import JSDOMParser, { type SmallNode } from '@mozilla/readability/JSDOMParser.js';
import { tidyHtml } from './tidy-html.ts';

/** The text of a page. */
export interface MainText {
  /** Empty when the page names none. */
  title: string;
  /** Title and article; blank lines divide paragraphs. */
  text: string;
}

/** The main text of a page, undefined when it has none. Throws BadPage. */
export function mainText(page: string): MainText | undefined {
  const parsed = new JSDOMParser().parse(`<html>${tidyHtml(page)}</html>`);
  const article = new Readability<SmallNode>(parsed, {
    disableJSONLD: true,
    serializer: (node: SmallNode) => node,
  }).parse();
  if (!article?.content) return undefined;
  const text = textOfNode(article.content);
  if (text === '') return undefined;
  const title = (article.title ?? '').replace(/\s+/g, ' ').trim();
  const isFirst = title === '' || text === title || text.startsWith(`${title}\n`);
  return { title, text: isFirst ? text : `${title}\n\n${text}` };
}

/** Elements that begin and end a paragraph, or a line. */
const paragraphs = new Set(
  'address article aside blockquote dd details dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section table ul'.split(
    ' ',
  ),
);
const lines = new Set('br caption div li tr summary'.split(' '));

/** The text of an element and of all below it, with line breaks as a reader sees them. */
export function textOfNode(root: SmallNode): string {
  const out = new TextBuilder();
  // An entry that is a text ends the element of this name.
  const stack: (SmallNode | string)[] = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (typeof node === 'string') {
      out.edge(node);
    } else if (node.nodeType === 3) {
      out.add(node.textContent);
    } else if (node.localName !== undefined) {
      out.edge(node.localName);
      if (node.localName === 'li') out.add('- ');
      if (node.localName === 'pre') out.verbatim += 1;
      stack.push(`/${node.localName}`);
      for (let i = node.childNodes.length - 1; i >= 0; i--) stack.push(node.childNodes[i]!);
    }
  }
  return out.text();
}

class TextBuilder {
  /** How many elements around this place keep their white space. */
  verbatim = 0;
  readonly #parts: string[] = [];
  /** Line breaks that are due before the next word. */
  #breaks = 0;
  #space = false;

  /** The beginning of an element, or with a slash its end. */
  edge(tag: string): void {
    const name = tag.startsWith('/') ? tag.slice(1) : tag;
    if (tag === '/pre') this.verbatim -= 1;
    if (paragraphs.has(name)) this.#breaks = Math.max(this.#breaks, 2);
    else if (name === 'br' && tag === 'br') this.#breaks = Math.min(this.#breaks + 1, 2);
    else if (lines.has(name)) this.#breaks = Math.max(this.#breaks, 1);
    else if (tag === '/td' || tag === '/th') this.#space = true;
  }

  add(text: string): void {
    if (this.verbatim > 0) {
      if (/\S/.test(text)) this.#begin();
      this.#parts.push(text);
      return;
    }
    const words = text.replace(/[ \t\n\r\f]+/g, ' ');
    if (words.startsWith(' ')) this.#space = true;
    const trimmed = words.trim();
    if (trimmed === '') return;
    this.#begin();
    this.#parts.push(trimmed);
    this.#space = words.endsWith(' ');
  }

  #begin(): void {
    if (this.#parts.length > 0) {
      if (this.#breaks > 0) this.#parts.push('\n'.repeat(this.#breaks));
      else if (this.#space) this.#parts.push(' ');
    }
    this.#breaks = 0;
    this.#space = false;
  }

  text(): string {
    return this.#parts.join('').trim();
  }
}
