/** The hard texts of scripts/record-tokenizer-families.py, and digests of what becomes of them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Digests {
  special: string[];
  plain: string[];
  joined: string;
  text: string;
}
export interface Recording {
  pieces: string[];
  ranges: [number, number][];
  texts: number;
  block: number;
  digests: Record<string, Digests>;
}

export const familyFixtures = join(import.meta.dirname, 'fixtures/families');
export const familyRecord = JSON.parse(
  readFileSync(join(familyFixtures, 'digests.json'), 'utf8'),
) as Recording;
/** The texts of the script, by the same generator. */
function drawnTexts({ pieces, ranges, texts }: Recording): string[] {
  let state = 1;
  const draw = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
  return Array.from({ length: texts }, () => {
    let text = '';
    for (let left = 1 + draw(12); left > 0; left--) {
      if (draw(4) > 0) {
        text += pieces[draw(pieces.length)];
        continue;
      }
      const [first, last] = ranges[draw(ranges.length)]!;
      const point = first + draw(last - first + 1);
      if (point < 0xd800 || point > 0xdfff) text += String.fromCodePoint(point);
    }
    return text;
  });
}

export const hardTexts: readonly string[] = drawnTexts(familyRecord);

/** A digest of each block of texts. */
export function digestsOf(rows: readonly Int32Array[]): string[] {
  const digests: string[] = [];
  for (let at = 0; at < rows.length; at += familyRecord.block) {
    const hash = createHash('sha256');
    for (const row of rows.slice(at, at + familyRecord.block)) {
      hash
        .update(Int32Array.of(row.length))
        .update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    }
    digests.push(hash.digest('hex').slice(0, 16));
  }
  return digests;
}
