/** Markdown as elements. What is written so far stays as it is while more text comes. */
import { copyButton, el } from './dom.ts';
import type { Inline } from './inline-markdown.ts';
import { type Align, type Block, parseMarkdown } from './markdown.ts';

export class MarkdownView {
  readonly element = el('div', { class: 'prose' });
  #sources: string[] = [];
  #text = '';

  show(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const blocks = parseMarkdown(text);
    let same = 0;
    while (same < blocks.length && blocks[same]!.source === this.#sources[same]) ++same;
    while (this.element.children.length > same) this.element.lastElementChild!.remove();
    this.element.append(...blocks.slice(same).map(({ block }) => blockElement(block)));
    this.#sources = blocks.map(({ source }) => source);
  }
}

function blockElement(block: Block): HTMLElement {
  switch (block.type) {
    case 'heading':
      return heading(block.level, inline(block.children));
    case 'paragraph':
      return el('p', {}, ...inline(block.children));
    case 'code':
      return codeBlock(block.language, block.text);
    case 'quote':
      return el('blockquote', {}, ...block.blocks.map(blockElement));
    case 'rule':
      return el('hr');
    case 'list':
      return list(block);
    case 'table':
      return table(block);
  }
}

/** The page's own headings end with the second level. */
function heading(level: number, children: Node[]): HTMLElement {
  const tag = (['h3', 'h4', 'h5', 'h6'] as const)[Math.min(level - 1, 3)]!;
  return el(tag, {}, ...children);
}

function list({ start, isTight, items }: Extract<Block, { type: 'list' }>): HTMLElement {
  const rows = items.map((blocks) => {
    const children = blocks.flatMap((block): Node[] =>
      isTight && block.type === 'paragraph' ? inline(block.children) : [blockElement(block)],
    );
    return el('li', {}, ...children);
  });
  if (start === undefined) return el('ul', {}, ...rows);
  return el('ol', { start: start === 1 ? undefined : start }, ...rows);
}

function table({ align, head, rows }: Extract<Block, { type: 'table' }>): HTMLElement {
  const cell = (tag: 'th' | 'td', nodes: Inline[], how: Align) =>
    el(tag, { class: how && `to-${how}`, scope: tag === 'th' && 'col' }, ...inline(nodes));
  const row = (tag: 'th' | 'td', cells: Inline[][]) =>
    el('tr', {}, ...cells.map((nodes, i) => cell(tag, nodes, align[i])));
  const body = el('tbody', {}, ...rows.map((cells) => row('td', cells)));
  return el(
    'div',
    { class: 'wide', tabindex: 0, role: 'group', 'aria-label': 'Table' },
    el('table', {}, el('thead', {}, row('th', head)), body),
  );
}

function codeBlock(language: string, text: string): HTMLElement {
  const name = language.slice(0, 30);
  return el(
    'div',
    { class: 'code' },
    el(
      'div',
      { class: 'code-head' },
      el('span', {}, name || 'code'),
      copyButton('Copy the code', () => text),
    ),
    el(
      'pre',
      { tabindex: 0, role: 'group', 'aria-label': name ? `Code, ${name}` : 'Code' },
      el('code', {}, text),
    ),
  );
}

function inline(nodes: readonly Inline[]): Node[] {
  return nodes.flatMap((node): Node[] => {
    switch (node.type) {
      case 'text':
        return [document.createTextNode(node.text)];
      case 'break':
        return [el('br')];
      case 'code':
        return [el('code', {}, node.text)];
      case 'group':
        return inline(node.children);
      case 'link':
        return [link(node.address, inline(node.children))];
      default:
        return [el(node.type, {}, ...inline(node.children))];
    }
  });
}

/** Where it leads is seen before it is followed. */
function link(address: string, children: Node[]): HTMLElement {
  const safe = { target: '_blank', rel: 'noopener noreferrer nofollow' };
  return el('a', { href: address, title: address, ...safe }, ...children);
}
