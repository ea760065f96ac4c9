/**
 * The inline part of Markdown, after the algorithm of CommonMark: a list of delimiters, resolved
 * from the left. Time is linear in the text: no search goes further than a bound or twice over the
 * same place.
 */

export type Inline =
  | { type: 'text'; text: string }
  | { type: 'code'; text: string }
  | { type: 'break' }
  | { type: 'strong' | 'em' | 'del'; children: Inline[] }
  /** Of a link that leads nowhere: only its text. */
  | { type: 'group'; children: Inline[] }
  | { type: 'link'; address: string; children: Inline[] };

/** Characters of an address or a title. */
const MAX_ADDRESS = 2048;
/** Nesting in an address; as in other readers. */
const MAX_PARENTHESES = 32;
/** Nesting of emphasis and links. */
const MAX_DEPTH = 24;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ENTITIES: Readonly<Record<string, string>> = {
  ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…' },
  ...{ mdash: '—', ndash: '–', times: '×', rarr: '→', larr: '←', deg: '°', euro: '€' },
};

/** A run of characters that may open or close emphasis. */
interface Delimiter {
  char: string;
  /** How many are left of it, and how many it had. */
  left: number;
  length: number;
  opens: boolean;
  closes: boolean;
}

interface Piece {
  node: Inline;
  delimiter?: Delimiter;
  /** How deep its node is nested; none: not at all. */
  depth?: number;
}

interface Bracket {
  /** Index of its piece. */
  at: number;
  isImage: boolean;
}

export function parseInline(text: string): Inline[] {
  return new InlineParser(text).parse();
}

class InlineParser {
  readonly #text: string;
  readonly #pieces: Piece[] = [];
  readonly #brackets: Bracket[] = [];
  /** Brackets below this index are around a link, and can be no link themselves. */
  #aroundLink = 0;
  /** Where runs of backticks begin, by their length, the next one last. */
  #ticks: Map<number, number[]> | undefined;
  #at = 0;
  #plain = '';

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Inline[] {
    while (this.#at < this.#text.length) this.#step();
    this.#flush();
    return resolved(this.#pieces).map(({ node }) => node);
  }

  #step(): void {
    const char = this.#text[this.#at]!;
    if (!this.#read(char)) this.#literal(char);
  }

  /** Reads what begins with this character; false where it only stands for itself. */
  #read(char: string): boolean {
    switch (char) {
      case '\\':
        return this.#escape();
      case '`':
        return this.#code();
      case '*':
      case '_':
      case '~':
        return this.#delimiter(char);
      case '[':
        return this.#open(false);
      case '!':
        return this.#text[this.#at + 1] === '[' && this.#open(true);
      case ']':
        return this.#close();
      case '<':
        return this.#autolink();
      case '&':
        return this.#entity();
      case '\n':
        return this.#newline();
      case 'h':
        return this.#bareAddress();
      default:
        return false;
    }
  }

  #literal(text: string): void {
    this.#plain += text;
    this.#at += text.length;
  }

  #flush(): void {
    if (this.#plain !== '') this.#pieces.push({ node: { type: 'text', text: this.#plain } });
    this.#plain = '';
  }

  /** Adds text, and goes on behind what it was written as. */
  #plainly(text: string, end: number): true {
    this.#plain += text;
    this.#at = end;
    return true;
  }

  /** Adds a node, and goes on behind it. */
  #push(node: Inline, end: number): true {
    this.#flush();
    this.#pieces.push({ node });
    this.#at = end;
    return true;
  }

  #escape(): boolean {
    const next = this.#text[this.#at + 1] ?? '';
    if (next === '\n') return this.#push({ type: 'break' }, this.#at + 2);
    if (!ESCAPABLE.test(next)) return false;
    return this.#plainly(next, this.#at + 2);
  }

  /** Every line break is kept: models write verses and lists that way. */
  #newline(): boolean {
    this.#plain = this.#plain.trimEnd();
    this.#push({ type: 'break' }, this.#at + 1);
    while (this.#text[this.#at] === ' ') ++this.#at;
    return true;
  }

  #code(): boolean {
    const start = this.#at;
    let end = start;
    while (this.#text[end] === '`') ++end;
    const close = this.#nextTicks(end - start, end);
    if (close === undefined) return this.#plainly(this.#text.slice(start, end), end);
    const inner = this.#text.slice(end, close).replaceAll('\n', ' ');
    const isPadded = /^ .*[^ ].* $|^ [^ ] $/s.test(inner) && inner.trim() !== '';
    return this.#push({ type: 'code', text: isPadded ? inner.slice(1, -1) : inner }, close + end - start);
  }

  #nextTicks(length: number, from: number): number | undefined {
    if (!this.#ticks) {
      this.#ticks = new Map();
      for (const { 0: run, index } of [...this.#text.matchAll(/`+/g)].reverse()) {
        const places = this.#ticks.get(run.length) ?? [];
        places.push(index);
        this.#ticks.set(run.length, places);
      }
    }
    const places = this.#ticks.get(length) ?? [];
    while (places.length > 0 && places.at(-1)! < from) places.pop();
    return places.at(-1);
  }

  #delimiter(char: string): boolean {
    const start = this.#at;
    let end = start;
    while (this.#text[end] === char) ++end;
    const length = end - start;
    const before = characterBefore(this.#text, start);
    const after = String.fromCodePoint(this.#text.codePointAt(end) ?? 32);
    const [spaceBefore, spaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [markBefore, markAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const isLeft = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const isRight = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const isWord = char === '_';
    this.#flush();
    this.#at = end;
    const node: Inline = { type: 'text', text: this.#text.slice(start, end) };
    // One tilde, or three and more, mean nothing.
    if (char === '~' && length !== 2) return this.#push(node, end);
    const opens = isLeft && (!isWord || !isRight || markBefore);
    const closes = isRight && (!isWord || !isLeft || markAfter);
    this.#pieces.push({ node, delimiter: { char, left: length, length, opens, closes } });
    return true;
  }

  #open(isImage: boolean): boolean {
    this.#flush();
    this.#brackets.push({ at: this.#pieces.length, isImage });
    const text = isImage ? '![' : '[';
    return this.#push({ type: 'text', text }, this.#at + text.length);
  }

  #close(): boolean {
    const bracket = this.#brackets.pop();
    const isAround = this.#brackets.length < this.#aroundLink;
    this.#aroundLink = Math.min(this.#aroundLink, this.#brackets.length);
    const isOpen = bracket && (bracket.isImage || !isAround);
    const target = isOpen ? linkTarget(this.#text, this.#at + 1) : undefined;
    if (!bracket || !target) return false;
    this.#flush();
    const inside = resolved(this.#pieces.splice(bracket.at + 1));
    const depth = depthOf(inside) + 1;
    if (depth > MAX_DEPTH) {
      for (const piece of inside) this.#pieces.push(piece);
      return false;
    }
    this.#pieces.pop();
    if (!bracket.isImage) this.#aroundLink = this.#brackets.length;
    const children = inside.map(({ node }) => withoutLink(node));
    this.#pieces.push({ node: linkOf(target.address, children), depth });
    this.#at = target.end;
    return true;
  }

  #autolink(): boolean {
    const ahead = this.#ahead();
    const [whole, address] = /^<([a-z][a-z0-9+.-]{1,31}:[^\s<>]{0,2048})>/i.exec(ahead) ?? [];
    const [mail, name] = /^<([\w.+-]{1,64}@[a-z0-9.-]{1,255})>/i.exec(ahead) ?? [];
    const text = address ?? name;
    if (text === undefined) return false;
    const node = linkOf(address ?? `mailto:${text}`, [{ type: 'text', text }]);
    return this.#push(node, this.#at + (whole ?? mail)!.length);
  }

  #entity(): boolean {
    const [whole, decimal, hex, name = ''] =
      /^&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));/i.exec(this.#text.slice(this.#at, this.#at + 12)) ??
      [];
    if (whole === undefined) return false;
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    const text = name === '' ? characterOf(code) : ENTITIES[name];
    return text !== undefined && this.#plainly(text, this.#at + whole.length);
  }

  /** An address that stands in the text as it is. */
  #bareAddress(): boolean {
    const before = this.#text[this.#at - 1] ?? ' ';
    const found = /[^\p{L}\p{N}]/u.test(before) && /^https?:\/\/[^\s<>[\]`"*\\]{1,2048}/.exec(this.#ahead());
    if (!found) return false;
    const address = withoutTail(found[0]);
    if (/^https?:\/\/$/.test(address)) return false;
    return this.#push(linkOf(address, [{ type: 'text', text: address }]), this.#at + address.length);
  }

  #ahead(): string {
    return this.#text.slice(this.#at, this.#at + MAX_ADDRESS + 8);
  }
}

function characterBefore(text: string, at: number): string {
  if (at === 0) return ' ';
  const unit = text.charCodeAt(at - 1);
  const isLow = unit >= 0xdc00 && unit < 0xe000;
  return text.slice(isLow ? at - 2 : at - 1, at);
}

function characterOf(code: number): string {
  const isNone = code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000);
  return isNone ? '\ufffd' : String.fromCodePoint(code);
}

/** An address ends before a parenthesis that closes one around it, and before punctuation. */
function withoutTail(address: string): string {
  let depth = 0;
  let end = 0;
  for (; end < address.length; ++end) {
    if (address[end] === '(') ++depth;
    else if (address[end] === ')' && --depth < 0) break;
  }
  while (/[?!.,:;*_~'”]/.test(address[end - 1]!)) --end;
  return address.slice(0, end);
}

/** The part `(address "title")` behind a bracket. */
function linkTarget(text: string, start: number): { address: string; end: number } | undefined {
  if (text[start] !== '(') return undefined;
  const part = text.slice(start, start + MAX_ADDRESS);
  const inAngles = /^\(\s{0,99}<([^<>\n]*)>/.exec(part);
  const head = inAngles ?? /^\(\s{0,99}/.exec(part)!;
  let end = head[0].length;
  if (!inAngles) {
    let depth = 0;
    for (; end < part.length; ++end) {
      const char = part[end]!;
      if (/\s/.test(char) || (char === ')' && depth === 0)) break;
      if (char === '\\' && ESCAPABLE.test(part[end + 1] ?? '')) ++end;
      else if (char === ')') --depth;
      else if (char === '(' && ++depth > MAX_PARENTHESES) return undefined;
    }
  }
  const address = inAngles?.[1] ?? part.slice(head[0].length, end);
  const tail = /^(?:\s{1,99}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?\s{0,99}\)/s.exec(
    part.slice(end),
  );
  if (!tail) return undefined;
  return { address: address.replace(/\\([!-/:-@[-`{-~])/g, '$1'), end: start + end + tail[0].length };
}

/** A link that leads out, or only its text: no script, no file, no path of this server. */
function linkOf(address: string, children: Inline[]): Inline {
  const isOutside = /^(https?:\/\/|mailto:)/i.test(address);
  return isOutside ? { type: 'link', address, children } : { type: 'group', children };
}

function withoutLink(node: Inline): Inline {
  if (!('children' in node)) return node;
  const children = node.children.map(withoutLink);
  return node.type === 'link' ? { type: 'group', children } : { ...node, children };
}

function depthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((most, { depth = 0 }) => Math.max(most, depth), 0);
}

/** Turns pairs of delimiters into emphasis. */
function resolved(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  /** By kind of a closing run: below this index no run opens it. */
  const bottoms = new Map<string, number>();
  for (const piece of pieces) {
    const closer = piece.delimiter;
    while (closer?.closes && closer.left > 0) {
      const kind = `${closer.char}${closer.opens}${closer.length % 3}`;
      const at = openerOf(out, closer, bottoms.get(kind) ?? 0);
      if (at === undefined) {
        bottoms.set(kind, out.length);
        break;
      }
      const inside = out.splice(at + 1);
      for (const [key, bottom] of bottoms) bottoms.set(key, Math.min(bottom, out.length));
      wrap(out, closer, inside);
    }
    if (closer?.left !== 0) out.push(piece);
    if (closer && closer.left > 0) cut(piece, closer);
  }
  return out;
}

/** Puts the pieces between the last of `out`, which opens them, and `closer` into one. */
function wrap(out: Piece[], closer: Delimiter, inside: readonly Piece[]): void {
  const piece = out.at(-1)!;
  const opener = piece.delimiter!;
  const used = closer.left >= 2 && opener.left >= 2 ? 2 : 1;
  const depth = depthOf(inside) + 1;
  const children = inside.map(({ node }) => node);
  const type = closer.char === '~' ? 'del' : used === 2 ? 'strong' : 'em';
  opener.left -= used;
  closer.left -= used;
  if (opener.left === 0) out.pop();
  else cut(piece, opener);
  // Deeper than anyone writes: the text without the emphasis.
  if (depth <= MAX_DEPTH) out.push({ node: { type, children }, depth });
  else out.push({ node: { type: 'group', children: flat(children) } });
}

/** The text of a run is what is left of it. */
function cut(piece: Piece, { char, left }: Delimiter): void {
  piece.node = { type: 'text', text: char.repeat(left) };
}

function openerOf(out: readonly Piece[], closer: Delimiter, bottom: number): number | undefined {
  for (let at = out.length - 1; at >= bottom; --at) {
    const opener = out[at]!.delimiter;
    if (!opener?.opens || opener.char !== closer.char || opener.left === 0) continue;
    // Rules 9 and 10 of CommonMark.
    const isInner = opener.closes || closer.opens;
    const isOdd = (opener.length + closer.length) % 3 === 0 && closer.length % 3 !== 0;
    if (!(isInner && isOdd)) return at;
  }
  return undefined;
}

/** Only the texts, without what is around them. */
function flat(nodes: readonly Inline[]): Inline[] {
  const texts: Inline[] = [];
  const rest = [...nodes].reverse();
  for (let node = rest.pop(); node; node = rest.pop()) {
    if ('children' in node) for (const child of [...node.children].reverse()) rest.push(child);
    else texts.push(node);
  }
  return texts;
}
