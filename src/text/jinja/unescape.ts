import { TemplateError } from './errors.ts';

const simple: Record<string, string> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const digits: Record<string, number> = { x: 2, u: 4, U: 8 };

/** The text that a string literal stands for, by Python's rules. Throws TemplateError. */
export function unescaped(literal: string, line: number): string {
  if (!literal.includes('\\')) return literal;
  // Jinja2 spells other characters as escapes first, so one behind a backslash stays spelled.
  const ascii = literal.replace(/[^\0-\x7f]/gu, escaped);
  return ascii.replace(
    /\\(?:([0-7]{1,3})|([xuU])([0-9a-fA-F]*)|(N)|([\s\S]))/g,
    (whole, octal?: string, kind?: string, hex?: string, named?: string, other?: string) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      if (kind !== undefined) return fromHex(kind, hex!, line);
      if (named !== undefined) throw new TemplateError('\\N{…} is not supported in strings', line);
      return simple[other!] ?? whole;
    },
  );
}

function fromHex(kind: string, hex: string, line: number): string {
  const length = digits[kind]!;
  const code = Number.parseInt(hex.slice(0, length), 16);
  if (hex.length < length || code > 0x10ffff) {
    throw new TemplateError(`the escape \\${kind} needs ${length} hexadecimal digits`, line);
  }
  return String.fromCodePoint(code) + hex.slice(length);
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
