/** Markdown's tree as HTML, in the form that markdown-it writes. */
import type { Inline } from '../../../src/serve/page/inline-markdown.ts';
import { type Align, type Block, parseMarkdown } from '../../../src/serve/page/markdown.ts';

export function markdownHtml(text: string): string {
  return blocksHtml(parseMarkdown(text).map(({ block }) => block));
}

function blocksHtml(blocks: readonly Block[], isTight = false): string {
  return blocks.map((block) => blockHtml(block, isTight)).join('');
}

function blockHtml(block: Block, isTight: boolean): string {
  switch (block.type) {
    case 'heading':
      return `<h${block.level}>${inlineHtml(block.children)}</h${block.level}>\n`;
    case 'paragraph':
      return isTight ? `${inlineHtml(block.children)}\n` : `<p>${inlineHtml(block.children)}</p>\n`;
    case 'code': {
      const language = block.language === '' ? '' : ` class="language-${escaped(block.language)}"`;
      const text = block.text === '' ? '' : `${escaped(block.text)}\n`;
      return `<pre><code${language}>${text}</code></pre>\n`;
    }
    case 'quote':
      return `<blockquote>\n${blocksHtml(block.blocks)}</blockquote>\n`;
    case 'rule':
      return '<hr>\n';
    case 'list': {
      const tag = block.start === undefined ? 'ul' : 'ol';
      const start = (block.start ?? 1) === 1 ? '' : ` start="${block.start}"`;
      const items = block.items.map((item) => `<li>${blocksHtml(item, block.isTight)}</li>\n`);
      return `<${tag}${start}>\n${items.join('')}</${tag}>\n`;
    }
    case 'table': {
      const cell = (tag: string, align: Align, nodes: readonly Inline[]) =>
        `<${tag}${align ? ` style="text-align:${align}"` : ''}>${inlineHtml(nodes)}</${tag}>\n`;
      const row = (tag: string, cells: readonly Inline[][]) =>
        `<tr>\n${cells.map((nodes, i) => cell(tag, block.align[i], nodes)).join('')}</tr>\n`;
      const body = block.rows.map((cells) => row('td', cells)).join('');
      return `<table>\n<thead>\n${row('th', block.head)}</thead>\n${body && `<tbody>\n${body}</tbody>\n`}</table>\n`;
    }
  }
}

export function inlineHtml(nodes: readonly Inline[]): string {
  return nodes
    .map((node) => {
      switch (node.type) {
        case 'text':
          return escaped(node.text);
        case 'code':
          return `<code>${escaped(node.text)}</code>`;
        case 'break':
          return '<br>\n';
        case 'group':
          return inlineHtml(node.children);
        case 'link':
          return `<a href="${escaped(node.address)}">${inlineHtml(node.children)}</a>`;
        default: {
          const tag = node.type === 'del' ? 's' : node.type;
          return `<${tag}>${inlineHtml(node.children)}</${tag}>`;
        }
      }
    })
    .join('');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Without white space that is not seen, and without titles of links. */
export function normalised(html: string): string {
  const bare = html.replace(/ title="[^"]*"/g, '').replace(/ +/g, ' ');
  return bare.replace(/>\s+/g, '>').replace(/\s+</g, '<').trim();
}
