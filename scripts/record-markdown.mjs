#!/usr/bin/env node
// Records how markdown-it 14 renders Markdown, for test/serve/page/markdown.test.ts:
//   npm install --no-save markdown-it && node scripts/record-markdown.mjs
// Left out is what the chat page does otherwise on purpose, or what no model writes: images, link
// definitions, HTML, three tildes, entities in the name of a language, text behind an empty item.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './lib/process.mjs';

const require = createRequire(join(root, 'package.json'));
const MarkdownIt = require('markdown-it');
const { version } = JSON.parse(readFileSync(require.resolve('markdown-it/package.json'), 'utf8'));

const written = [
  'One paragraph\nwith a break.\n\nAnother.',
  '# One\n## Two ##\n### Three #\n####### seven\n#none',
  'Over\n====\nUnder\n---\n\n---\n* * *\n___',
  'a *b* **c** ***d*** _e_ __f__ snake_case_name 2*3*4',
  '**bold *nested* text** and *emph **strong** more*',
  '*open **crossed* close**',
  '~~struck~~ and ~one~ and **~~both~~**',
  '`code` ``a ` b`` ` `` ` `open',
  '`*not emphasis*` *`code`*',
  '[a link](https://example.org/a_b_c) and [title](https://example.org "t\\"x")',
  '[brackets [inside]](https://example.org) [none] [x](not closed',
  '[*a*](<https://example.org/with>) <https://example.org/x?y=1> <a@b.c> <nothing>',
  'See https://example.org/path(1), or (https://example.org/a). And http://example.org!',
  '\\*not\\* \\# \\` \\[x\\](y) \\a C:\\dir',
  '&amp; &lt;b&gt; &copy; &#65; &#x42; &unknown; &#0; AT&T',
  '<b>bold</b> <script>alert(1)</script> <img src=x onerror=alert(1)>',
  '- a\n- b\n- c',
  '- a\n\n- b\n\n- c',
  '- a\n  more\n- b\nlazy\n\n  second\n- c',
  '* a\n    * b\n        * c\n    * d\n* e',
  '1. one\n2. two\n   - inner\n   - list\n3. three',
  '7. seven\n8. eight\n\n1) other\n2) list',
  'text\n- list at once\n1. and numbers\n2. two',
  'text\n2. no list\n14. none',
  '- a\n- b\n* c\n+ d',
  '- ```js\n  code();\n  ```\n- after',
  '- [ ] task\n- [x] done',
  '-\n- \n- a',
  '-one\n1.two',
  '> quote\n> more\nlazy\n\n> > nested\n> back\n\nout',
  '> - a\n> - b\n>\n> text\n\n> # h\n> ```\n> code\n> ```',
  '```\nplain\n  indented\n\n```\n~~~python\nprint("`x`")\n~~~',
  '````md\n```js\ninner\n```\n````',
  '```js\nnever closed\n\nstill code',
  '```one``` inline\n\n    indented code\n\n    more\n\ntext\n    not code',
  '\tcode by a tab\n\n- a\n\tb\n\n\tc',
  '```make\nall:\n\tcc x.c\n```',
  '- item\n\n  ```make\n  all:\n  \tcc x.c\n  ```',
  '| a | b |\n| --- | :-: |\n| 1 | 2 |\n| 3 |\n| 4 | 5 | 6 |\n\nafter',
  'a | b\n--- | --:\n*x* | `y`\n\nno | table\n-- x',
  '| a \\| b | `c` |\n|:--|---|\n| d | e |\ntext row',
  'text before\n| a | b |\n|---|---|\n| 1 | 2 |',
  '| one |\n|---|\n| x |',
  'a line with two spaces  \nand a backslash\\\nend',
  '  leading spaces\n   # heading\n    text',
  'é*ü*ö **„Zitat“** ¡*hola*! 中**文**字 a**"b"**c',
  '***both** then* and **then *both***',
  '*a `*` b* and **a `**` b**',
  '5 * 3 * 2 = 30 and a_b_c and __init__',
  'x^2 $y$ {z} |w|',
  '',
  '\n\n',
];

let seed = 20_261;
function below(n) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * n);
}
const inline = [
  ...['*', '**', '_', '__', '***', '~~', 'a', 'b c', '.', '(', ' ', ' ', '`', '``', '[', '\\*', '\\'],
  ...['](<https://x.y>)', 'x', 'é', '\n', '"', '&amp;', ' https://e.org/a ', '<', '&', '-', '|'],
];
const block = [
  ...['- a', '- b', '  c', '1. x', '2. y', '> q', '', '', '# h', '```', '    code', 'text', '---'],
  ...['more *em* text', '| a | b |', '|---|:-:|', '===', '   - n', '* s', '10) t', '  - deep'],
  ...['\tcode', '```js', '  text', '> - z', '+ p', '- [x](<https://x.y>)', '>', '-'],
];
function drawn(pieces, between, most) {
  return Array.from({ length: 1 + below(most) }, () => pieces[below(pieces.length)]).join(between);
}

const markdown = new MarkdownIt({ html: false, breaks: true, linkify: true }).disable(['image', 'reference']);
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
const texts = [
  ...written,
  ...Array.from({ length: 400 }, () => drawn(inline, '', 14)),
  ...Array.from({ length: 400 }, () => drawn(block, '\n', 9)),
];
const isOther = (text) => /~{3}|^`{3}.*[&\\]|^ {0,3}[-*+]\n\s*\n {2,}/m.test(text);
const cases = texts
  .filter((text) => !isOther(text) || written.includes(text))
  .map((text) => ({ text, html: markdown.render(text) }));
const file = join(root, 'test/fixtures/markdown/markdown-it.json');
writeFileSync(file, `${JSON.stringify({ version, cases }, null, 1)}\n`);
