/**
 * Markdown as models write it, read into a tree: CommonMark without HTML, link definitions and
 * images, with tables, struck text and bare addresses. The text becomes nodes of the page one by
 * one, never markup.
 */
import { type Inline, parseInline } from './inline-markdown.ts';

export type Align = 'left' | 'center' | 'right' | undefined;

export type Block =
  | { type: 'heading'; level: number; children: Inline[] }
  | { type: 'paragraph'; children: Inline[] }
  | { type: 'code'; language: string; text: string }
  | { type: 'quote'; blocks: Block[] }
  | { type: 'list'; start: number | undefined; isTight: boolean; items: Block[][] }
  | { type: 'table'; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { type: 'rule' };

/** A block of the outermost level, with the text that it was read from. */
export interface SourceBlock {
  block: Block;
  source: string;
}

/** Nesting of quotes and lists. */
const MAX_DEPTH = 12;
const MAX_COLUMNS = 64;

export function parseMarkdown(text: string): SourceBlock[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const reader = new BlockReader(lines, 0);
  const blocks: SourceBlock[] = [];
  for (;;) {
    const start = reader.at;
    const block = reader.next();
    if (!block) return blocks;
    blocks.push({ block, source: lines.slice(start, reader.at).join('\n') });
  }
}

class BlockReader {
  at = 0;
  readonly #lines: readonly string[];
  readonly #depth: number;

  constructor(lines: readonly string[], depth: number) {
    this.#lines = lines;
    this.#depth = depth;
  }

  all(): Block[] {
    const blocks: Block[] = [];
    for (let block = this.next(); block; block = this.next()) blocks.push(block);
    return blocks;
  }

  next(): Block | undefined {
    while (this.at < this.#lines.length && isBlank(this.#line)) ++this.at;
    if (this.at >= this.#lines.length) return undefined;
    if (indentOf(this.#line) >= 4) return this.#indentedCode();
    return (
      this.#fence() ??
      this.#heading() ??
      this.#rule() ??
      this.#quote() ??
      this.#list() ??
      this.#table() ??
      this.#paragraph()
    );
  }

  get #line(): string {
    return this.#lines[this.at] ?? '';
  }

  #fence(): Block | undefined {
    const open = fenceOf(this.#line);
    if (!open) return undefined;
    const lines: string[] = [];
    for (++this.at; this.at < this.#lines.length; ++this.at) {
      const close = /^ {0,3}(`{3,}|~{3,})\s*$/.exec(this.#line)?.[1];
      if (close?.startsWith(open.mark)) {
        ++this.at;
        break;
      }
      lines.push(dedented(this.#line, Math.min(open.indent, indentOf(this.#line))));
    }
    return { type: 'code', language: open.language, text: lines.join('\n') };
  }

  #indentedCode(): Block {
    const lines: string[] = [];
    for (; this.at < this.#lines.length; ++this.at) {
      if (!isBlank(this.#line) && indentOf(this.#line) < 4) break;
      lines.push(dedented(this.#line, 4));
    }
    while (isBlank(lines.at(-1)!)) lines.pop();
    return { type: 'code', language: '', text: lines.join('\n') };
  }

  #heading(): Block | undefined {
    const heading = headingOf(this.#line);
    if (!heading) return undefined;
    ++this.at;
    return { type: 'heading', level: heading.level, children: parseInline(heading.text) };
  }

  #rule(): Block | undefined {
    if (!isRule(this.#line)) return undefined;
    ++this.at;
    return { type: 'rule' };
  }

  #quote(): Block | undefined {
    if (!isQuote(this.#line) || this.#depth >= MAX_DEPTH) return undefined;
    const inner = new InnerLines();
    for (; this.at < this.#lines.length; ++this.at) {
      const line = this.#line;
      if (isQuote(line)) inner.push(line.replace(/^ {0,3}>[ \t]?/, ''));
      else if (!inner.canGoOn(line)) break;
      else inner.goOn(line);
    }
    return { type: 'quote', blocks: new BlockReader(inner.lines, this.#depth + 1).all() };
  }

  #list(): Block | undefined {
    const first = markerOf(this.#line);
    if (!first || this.#depth >= MAX_DEPTH) return undefined;
    const items: string[][] = [];
    let isLoose = false;
    for (;;) {
      const marker = markerOf(this.#line);
      if (this.at >= this.#lines.length || marker?.kind !== first.kind || isRule(this.#line)) break;
      const { lines, blankAfter } = this.#item(marker);
      items.push(lines);
      const next = markerOf(this.#line);
      isLoose ||= blankAfter && next?.kind === first.kind && this.at < this.#lines.length;
    }
    const read = items.map((lines) => {
      const reader = new BlockReader(lines, this.#depth + 1);
      const blocks: Block[] = [];
      for (let block = reader.next(); block; block = reader.next()) {
        blocks.push(block);
        const isBlankBehind = isBlank(lines[reader.at - 1]!) || isBlank(lines[reader.at] ?? 'x');
        isLoose ||= isBlankBehind && !isBlank(lines.at(-1)!) && reader.at < lines.length;
      }
      return blocks;
    });
    return { type: 'list', start: first.start, isTight: !isLoose, items: read };
  }

  /** The lines of an item without its indent, and whether blank ones follow it. */
  #item({ width, rest }: Marker): { lines: string[]; blankAfter: boolean } {
    const inner = new InnerLines();
    inner.push(rest);
    ++this.at;
    let blanks = 0;
    for (; this.at < this.#lines.length; ++this.at) {
      const line = this.#line;
      if (isBlank(line)) {
        // An item that begins with a blank line has only that one.
        if (inner.lines.length === 1 && isBlank(rest)) break;
        ++blanks;
        continue;
      }
      const isInside = indentOf(line) >= width;
      if (!isInside && (blanks > 0 || !inner.canGoOn(line))) break;
      while (blanks > 0) {
        inner.push('');
        --blanks;
      }
      if (isInside) inner.push(dedented(line, width));
      else inner.goOn(line);
    }
    while (isBlank(this.#line) && this.at < this.#lines.length) {
      ++blanks;
      ++this.at;
    }
    return { lines: inner.lines, blankAfter: blanks > 0 };
  }

  #table(): Block | undefined {
    const align = alignments(this.#lines[this.at + 1] ?? '');
    if (!align || !this.#line.includes('|')) return undefined;
    const head = cellsOf(this.#line);
    if (head.length !== align.length) return undefined;
    const rows: Inline[][][] = [];
    for (this.at += 2; this.at < this.#lines.length; ++this.at) {
      const isOther = indentOf(this.#line) >= 4 || markerOf(this.#line);
      if (isBlank(this.#line) || isOther || interrupts(this.#line)) break;
      const cells = cellsOf(this.#line);
      rows.push(align.map((_, i) => parseInline(cells[i] ?? '')));
    }
    return { type: 'table', align, head: head.map(parseInline), rows };
  }

  #paragraph(): Block {
    const lines = [this.#line.trimStart()];
    for (++this.at; this.at < this.#lines.length; ++this.at) {
      const line = this.#line;
      const underline = /^ {0,3}(=+|-+)\s*$/.exec(line)?.[1];
      if (underline) {
        ++this.at;
        const level = underline.startsWith('=') ? 1 : 2;
        return { type: 'heading', level, children: parseInline(lines.join('\n').trimEnd()) };
      }
      const isTable = line.includes('|') && alignments(this.#lines[this.at + 1] ?? '');
      if (isBlank(line) || interrupts(line) || isTable) break;
      lines.push(line.trimStart());
    }
    return { type: 'paragraph', children: parseInline(lines.join('\n').trimEnd()) };
  }
}

/** The lines inside a quote or an item, and whether a line without its mark could go on there. */
class InnerLines {
  readonly lines: string[] = [];
  #isInFence = false;

  push(line: string): void {
    this.lines.push(line);
    if (fenceOf(line)) this.#isInFence = !this.#isInFence;
  }

  /** Whether the last line belongs to a paragraph, which this line continues. */
  canGoOn(line: string): boolean {
    const last = this.lines.at(-1) ?? '';
    const isOther = isBlank(last) || indentOf(last) >= 4 || headingOf(last) || isRule(last);
    return !isOther && !this.#isInFence && !isBlank(line) && !interrupts(line) && !markerOf(line);
  }

  /** Adds a line that continues a paragraph; so it underlines neither a heading nor a table's. */
  goOn(line: string): void {
    const text = line.trimStart();
    const isUnderline = /^(=+|-+)\s*$/.test(text) || alignments(text);
    this.lines.push(isUnderline ? `\\${text}` : text);
  }
}

interface Marker {
  /** The character of a list's items; lists of different ones are different lists. */
  kind: string;
  /** The number of the first item; undefined for a list without numbers. */
  start: number | undefined;
  /** Columns up to the text. */
  width: number;
  rest: string;
}

function markerOf(line: string): Marker | undefined {
  const [whole, indent = '', bullet, number, dot] =
    /^( {0,3})(?:([-*+])|(\d{1,9})([.)]))(?=[ \t]|$)/.exec(line) ?? [];
  if (whole === undefined) return undefined;
  const rest = untabbed(line.slice(whole.length), whole.length);
  const spaces = indentOf(rest);
  // Five spaces and more are one space and indented code.
  const gap = isBlank(rest) || spaces > 4 ? 1 : spaces;
  return {
    kind: bullet ?? dot!,
    start: number === undefined ? undefined : Number(number),
    width: indent.length + whole.trimStart().length + gap,
    rest: rest.slice(gap),
  };
}

function fenceOf(line: string): { mark: string; indent: number; language: string } | undefined {
  const [, indent, mark, info = ''] = /^( {0,3})(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
  if (indent === undefined || mark === undefined) return undefined;
  if (mark.startsWith('`') && info.includes('`')) return undefined;
  return { mark, indent: indent.length, language: info.trim().split(/\s/)[0] ?? '' };
}

function headingOf(line: string): { level: number; text: string } | undefined {
  const [, marks, rest = ''] = /^ {0,3}(#{1,6})([ \t].*)?$/.exec(line) ?? [];
  if (marks === undefined) return undefined;
  const text = rest.trim();
  const bare = withoutRun(text, '#');
  return { level: marks.length, text: bare === '' || bare.endsWith(' ') ? bare.trim() : text };
}

function withoutRun(text: string, char: string): string {
  let end = text.length;
  while (text[end - 1] === char) --end;
  return text.slice(0, end);
}

/** Whether a line ends a paragraph without a blank line. */
function interrupts(line: string): boolean {
  if (fenceOf(line) || headingOf(line) || isRule(line) || isQuote(line)) return true;
  const marker = markerOf(line);
  return marker !== undefined && !isBlank(marker.rest) && (marker.start ?? 1) === 1;
}

function isQuote(line: string): boolean {
  return /^ {0,3}>/.test(line);
}

function isRule(line: string): boolean {
  const marks = indentOf(line) < 4 ? line.replace(/[ \t]/g, '') : '';
  return marks.length >= 3 && /[-*_]/.test(marks[0]!) && withoutRun(marks, marks[0]!) === '';
}

function isBlank(line: string): boolean {
  return line.trim() === '';
}

/** Columns before the text. */
function indentOf(line: string): number {
  let column = 0;
  for (let i = 0; line[i] === ' ' || line[i] === '\t'; ++i) {
    column += line[i] === '\t' ? 4 - (column % 4) : 1;
  }
  return column;
}

/** A line without its first columns of space; a tab that is cut leaves spaces. */
function dedented(line: string, columns: number): string {
  let column = 0;
  let i = 0;
  for (; column < columns && (line[i] === ' ' || line[i] === '\t'); ++i) {
    column += line[i] === '\t' ? 4 - (column % 4) : 1;
  }
  return ' '.repeat(Math.max(0, column - columns)) + line.slice(i);
}

/** Leading tabs as spaces, of a text that begins in this column. */
function untabbed(text: string, start: number): string {
  let column = start;
  for (let i = 0; i < text.length; ++i) {
    if (text[i] === '\t') column += 4 - (column % 4);
    else if (text[i] === ' ') ++column;
    else return ' '.repeat(column - start) + text.slice(i);
  }
  return '';
}

/** The alignments of a table's second line; undefined for any other line. */
function alignments(line: string): Align[] | undefined {
  if (!line.includes('-') || indentOf(line) >= 4 || /[^-:| ]/.test(line)) return undefined;
  if (!/[|:]/.test(line)) return undefined;
  const cells = cellsOf(line);
  if (cells.length > MAX_COLUMNS || !cells.every((cell) => /^:?-+:?$/.test(cell))) return undefined;
  return cells.map((cell) => {
    if (cell.endsWith(':')) return cell.startsWith(':') ? 'center' : 'right';
    return cell.startsWith(':') ? 'left' : undefined;
  });
}

/** The cells of a table's line; a bar behind a backslash belongs to its cell. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = '';
  const text = line.trim();
  for (let i = text.startsWith('|') ? 1 : 0; i < text.length; ++i) {
    if (text[i] === '\\' && text[i + 1] === '|') {
      cell += '|';
      ++i;
    } else if (text[i] === '|') {
      cells.push(cell.trim());
      cell = '';
    } else cell += text[i];
  }
  if (cell.trim() !== '' || !text.endsWith('|')) cells.push(cell.trim());
  return cells;
}
