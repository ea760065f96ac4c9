// Rules about text that no formatter has: length of files and lines, words for unfinished work,
// paths of one machine.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const maxLines = 800;
/** Limit for a line of Markdown or of a comment, in characters. */
export const maxColumns = 100;
/** Limit for a cell of a Markdown table. A longer text should be a list or a section. */
export const maxCell = 120;

/** Folders, with all below them, whose comments keep to maxColumns. Add a folder once it does. */
export const narrowComments = ['docs', 'examples', 'native', 'scripts', 'src', 'test'];

// Each word is split, so that this file does not break its own rule.
const word = (...parts) => parts.join('');
const rules = [
  [
    new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')}|${word('HA', 'CK')})\\b`),
    'unfinished work',
  ],
  [new RegExp(`not (yet )?${word('imple', 'mented')}`, 'i'), 'unfinished work'],
  [
    new RegExp(`\\b(it|test|describe)\\.(${word('on', 'ly')}|${word('sk', 'ip')})\\(`),
    'a test that does not run, or alone',
  ],
  [/^(<{7}|>{7}) /, 'a merge conflict'],
  [
    new RegExp(word('"resol', 'ved": "https?:')),
    'a registry address: npm config set omit-lockfile-registry-resolved true',
  ],
  [
    new RegExp(`(^|[\\s"'\`(=:])/(${word('ho', 'me')}|${word('ro', 'ot')}|${word('Us', 'ers')})/[a-z]`),
    'a path of one machine',
  ],
];

/** The text files that git tracks or would track. */
export function trackedFiles(root) {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const names = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0');
  return names.filter((name) => name !== '' && existsSync(join(root, name)));
}

const codeFile = /\.(ts|mjs|cjs|h|cpp|cu|cuh)$/;
const textFile =
  /\.(ts|mjs|cjs|h|cpp|cu|cuh|json|md|txt|ya?ml|css|html|py|sh|gyp)$|(^|\/)(CMakeLists\.txt|\.ci\/run)$/;

const columns = (text) => [...text].length;
const hasAddress = (line) => /https?:\/\//.test(line);

/** The cells of a table's row; a bar behind a backslash belongs to its cell. */
function cellsOf(row) {
  return row
    .trim()
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Wide lines and cells of Markdown. A block marked `text`, a program's output, may be wide. */
function* wideMarkdown(lines) {
  let fence;
  for (const [index, line] of lines.entries()) {
    const mark = /^\s*(```+|~~~+)\s*(\S*)/.exec(line);
    if (mark && (fence === undefined || (mark[2] === '' && mark[1].startsWith(fence.mark)))) {
      fence = fence === undefined ? { mark: mark[1], kind: mark[2] } : undefined;
    } else if (fence === undefined && /^\s*\|/.test(line)) {
      for (const cell of cellsOf(line)) {
        if (columns(cell) > maxCell) yield [index, `a cell of ${columns(cell)} characters`, maxCell];
      }
    } else if (fence?.kind !== 'text' && columns(line) > maxColumns && !hasAddress(line)) {
      yield [index, `${columns(line)} columns`, maxColumns];
    }
  }
}

/** Whether code ends in a comment: behind two slashes that no quote surrounds. */
function endsInComment(line) {
  const at = line.search(/\s\/\/ /);
  return at >= 0 && ['"', "'", '`'].every((quote) => line.slice(0, at).split(quote).length % 2 === 1);
}

/** Lines with a comment that are too long. */
function* wideComments(lines) {
  let inBlock = false;
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    if (text.startsWith('/*')) inBlock = true;
    const isComment = inBlock || text.startsWith('//') || endsInComment(line);
    if (inBlock && text.includes('*/')) inBlock = false;
    if (isComment && columns(line) > maxColumns && !hasAddress(line)) {
      yield [index, `a comment of ${columns(line)} columns`, maxColumns];
    }
  }
}

function wideLines(name, lines) {
  if (name.endsWith('.md')) return wideMarkdown(lines);
  const isNarrow = narrowComments.some((folder) => name === folder || name.startsWith(`${folder}/`));
  return isNarrow && codeFile.test(name) ? wideComments(lines) : [];
}

/** Every violation in the named files, as `file:line: what`. */
export function checkText(root, names) {
  const problems = [];
  for (const name of names.filter((file) => textFile.test(file) && !file.includes('/fixtures/'))) {
    const lines = readFileSync(join(root, name), 'utf8').split('\n');
    if (codeFile.test(name) && lines.length > maxLines + 1) {
      problems.push(`${name}: ${lines.length - 1} lines; the limit is ${maxLines}: split it`);
    }
    for (const [index, what, limit] of wideLines(name, lines)) {
      problems.push(`${name}:${index + 1}: ${what}; the limit is ${limit}`);
    }
    lines.forEach((line, index) => {
      for (const [pattern, what] of rules) {
        const match = pattern.exec(line);
        if (match) problems.push(`${name}:${index + 1}: "${match[0].trim()}" is ${what}`);
      }
    });
  }
  return problems;
}
