/** Text of tokens where the symbols of the vocabulary are characters, as tokenizers decodes it. */
import { byteOfToken } from './read-decoder.ts';
import { TokenKind, tokenBytes, tokenText, type Vocabulary } from './vocabulary.ts';

const SPACE = 0x20;

/** Whether decoding writes anything for an id. */
export function isWritten({ kinds }: Vocabulary, id: number, skipSpecial: boolean): boolean {
  const kind = kinds[id] ?? TokenKind.hole;
  return kind !== TokenKind.hole && !(skipSpecial && kind === TokenKind.special);
}

/** How many bytes a text loses where it begins with a token. */
export function droppedAtStart(vocabulary: Vocabulary, id: number): number {
  const { textStart } = vocabulary.pipeline;
  const bytes = textStart === 'all' ? undefined : tokenBytes(vocabulary, id);
  if (bytes?.[0] !== SPACE) return 0;
  if (textStart === 'no space') return 1;
  const end = bytes.findIndex((byte) => byte !== SPACE);
  return end < 0 ? bytes.length : end;
}

/**
 * The text of ids. Of tokens of single bytes, a run that is not UTF-8 becomes one U+FFFD per byte.
 */
export function decodeCharacters(vocabulary: Vocabulary, ids: Int32Array, skipSpecial: boolean): string {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  const written = Array.from(ids).filter((id) => isWritten(vocabulary, id, skipSpecial));
  const parts: string[] = [];
  let run: number[] = [];
  const flush = () => {
    if (run.length === 0) return;
    parts.push(textOf(utf8, Uint8Array.from(run)) ?? '\ufffd'.repeat(run.length));
    run = [];
  };
  written.forEach((id, i) => {
    const bytes = tokenBytes(vocabulary, id)!;
    const isByte = bytes.length === 1 && byteOfToken(tokenText(vocabulary, id)!) !== undefined;
    if (isByte) {
      run.push(bytes[0]!);
      return;
    }
    flush();
    parts.push(utf8.decode(i === 0 ? bytes.subarray(droppedAtStart(vocabulary, id)) : bytes));
  });
  flush();
  const text = parts.join('');
  const isSpaceByte = written[0] !== undefined && byteOfToken(tokenText(vocabulary, written[0])!) === SPACE;
  return isSpaceByte && vocabulary.pipeline.textStart === 'no space' ? text.slice(1) : text;
}

function textOf(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
