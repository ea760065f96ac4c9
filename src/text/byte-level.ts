/**
 * The byte-level spelling of tokens. A token is a string of bytes, and tokenizer.json writes each
 * byte as one printable character, as GPT-2 does: bytes that are printable in Latin-1 as
 * themselves, the other 68 as U+0100 and up. The ids 0 to 255 of a trained vocabulary are the bytes
 * in the order of these characters.
 */

function prints(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
}

const allBytes = Array.from({ length: 256 }, (_, byte) => byte);

/** The byte of each of the ids 0 to 255 of a trained vocabulary. */
export const byteOrder: readonly number[] = [
  ...allBytes.filter(prints),
  ...allBytes.filter((byte) => !prints(byte)),
];

const characters: string[] = [];
const byteOf = new Map<string, number>();
{
  let next = 256;
  for (const byte of allBytes) {
    const character = String.fromCharCode(prints(byte) ? byte : next++);
    characters.push(character);
    byteOf.set(character, byte);
  }
}

/** The byte-level spelling of bytes, one printable character per byte. */
export function spellBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += characters[byte];
  return text;
}

/** The bytes of a byte-level spelling, or undefined when one of its characters spells no byte. */
export function unspellBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOf.get(text[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
