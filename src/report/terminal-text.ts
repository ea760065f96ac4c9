/**
 * The width of text on a terminal: escape sequences and combining marks take no column,
 * wide characters two.
 */

const escapeCharacter = String.fromCharCode(27);
const styleSequence = `${escapeCharacter}\\[[0-9;]*m`;
const pieces = new RegExp(`(${styleSequence})|([\\s\\S])`, 'gu');
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{17000}-\u{18aff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const none = /\p{Mn}|\p{Me}|[\u200b\u200e\u200f\u2060]|\u200c|\u200d/u;

/** Number of columns that a line takes. */
export function displayWidth(text: string): number {
  let used = 0;
  for (const [piece, style] of text.matchAll(pieces)) if (!style) used += columnsOf(piece);
  return used;
}

/** Cuts text to a number of columns, with an ellipsis at the cut. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return '';
  let used = 0;
  let out = '';
  for (const [piece, style] of text.matchAll(pieces)) {
    used += style ? 0 : columnsOf(piece);
    if (used > columns - 1) break;
    out += piece;
  }
  return `${out}…${out.includes(escapeCharacter) ? `${escapeCharacter}[0m` : ''}`;
}

/**
 * Makes outside text (a file's name, a model's sample) safe to print. Control characters,
 * which could move the cursor or rename the window, become visible ones. Line breaks, tabs
 * and colours stay.
 */
export function printable(text: string): string {
  return text.replace(pieces, (piece, style) =>
    style || piece === '\n' || piece === '\t' ? piece : visible(piece),
  );
}

/** Replaces control characters by their Unicode pictures. */
export function visible(character: string): string {
  const code = character.codePointAt(0)!;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return code >= 0x80 && code < 0xa0 ? '\ufffd' : character;
}

function columnsOf(character: string): number {
  if (character >= ' ' && character <= '~') return 1;
  if (none.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
