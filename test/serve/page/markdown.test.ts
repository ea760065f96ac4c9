/** Markdown on the chat page, against what markdown-it makes of it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseInline } from '../../../src/serve/page/inline-markdown.ts';
import { parseMarkdown } from '../../../src/serve/page/markdown.ts';
import { inlineHtml, markdownHtml, normalised } from './markdown-html.ts';

interface Recording {
  cases: { text: string; html: string }[];
}

const recording = new URL('../../fixtures/markdown/markdown-it.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(recording, 'utf8')) as Recording;

it('reads Markdown as markdown-it does', () => {
  expect(cases.length).toBeGreaterThan(800);
  const different = cases.filter(({ text, html }) => normalised(markdownHtml(text)) !== normalised(html));
  expect(
    different.map(({ text, html }) => ({
      text,
      html: normalised(html),
      own: normalised(markdownHtml(text)),
    })),
  ).toEqual([]);
});

it.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  ' javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'blob:https://x',
  '//evil.example',
  '/v1/feedback',
  '#x',
  '',
])('a link to %j is only its text', (address) => {
  for (const text of [`[click](${address})`, `[click](<${address}>)`, `![click](<${address}>)`]) {
    expect(markdownHtml(text)).not.toContain('<a');
    expect(markdownHtml(text)).toContain('click');
  }
});

it('images become links, so that nothing is loaded', () => {
  expect(inlineHtml(parseInline('![a cat](https://x.example/c.png)'))).toBe(
    '<a href="https://x.example/c.png">a cat</a>',
  );
});

it('names where each block came from, and a block that is complete does not change', () => {
  const text = '# A\n\ntext\nmore\n\n- a\n\n- b\n\n```js\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend';
  const whole = parseMarkdown(text);
  expect(whole.map(({ block }) => block.type)).toEqual([
    'heading',
    'paragraph',
    'list',
    'code',
    'table',
    'paragraph',
  ]);
  for (const { block, source } of whole) expect(parseMarkdown(source)[0]!.block).toEqual(block);
});

it('takes time in proportion to the text, whatever the text is', () => {
  const hard = [
    '*a _b ',
    '**a',
    '[',
    '![',
    '[a](',
    '[a](<b',
    '<',
    '<a:',
    '`a``b```c',
    '> ',
    '- ',
    '    - ',
    '1. a\n',
    '> a\nb\n',
    '- a\nb\n',
    '|a',
    '|-',
    'a|b\n-|-\n',
    '# ',
    '\\',
    '&',
    '&#1',
    'https://a.b/(',
    'https://a.b/)))',
    '~~a',
    '***a**b*',
    '![[](',
    '```\n',
    '\t',
    ' ',
    '\n',
    '_',
    '*',
    'a* ',
    '*a ',
  ];
  for (const piece of hard) {
    const text = piece.repeat(Math.ceil(60_000 / piece.length));
    const start = performance.now();
    markdownHtml(text);
    expect([piece, performance.now() - start < 3000]).toEqual([piece, true]);
  }
});

it('does not break on deep nesting', () => {
  for (const text of ['> '.repeat(5000), '- '.repeat(5000), '*a **b '.repeat(3000), '['.repeat(9000)]) {
    expect(markdownHtml(`${text}x${' c** d*'.repeat(3000)}${'](https://a.b)'.repeat(3000)}`)).toContain('x');
  }
});
