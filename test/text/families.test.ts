/**
 * Tokenizers with the settings of published ones give the ids and texts that the tokenizers library
 * gives, on 20,000 hard texts each. scripts/record-tokenizer-families.py records them.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import {
  digestsOf,
  familyFixtures as fixtures,
  familyRecord as record,
  hardTexts as texts,
} from './hard-texts.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-families-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(name: string, source = join(fixtures, `${name}.json.gz`)): Tokenizer {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, gunzipSync(readFileSync(source)));
  return Tokenizer.load(path);
}

describe.each(Object.entries(record.digests))('the settings of %s', (name, wanted) => {
  const tokenizer = load(name);
  const rows = tokenizer.encodeBatch(texts);

  it('give the ids of the tokenizers library', () => {
    expect(digestsOf(tokenizer.encodeBatch(texts, { allowSpecial: true }))).toEqual(wanted.special);
    expect(digestsOf(rows)).toEqual(wanted.plain);
  });

  it('give its ids of one long text, which is cut for parallel work', () => {
    const ids = tokenizer.encode(texts.join(' and then '));
    const hash = createHash('sha256').update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    expect(hash.digest('hex').slice(0, 16)).toBe(wanted.joined);
  });

  it('give its texts', () => {
    const decoded = rows.flatMap((row) =>
      [false, true].map((skipSpecial) => tokenizer.decode(row, { skipSpecial })),
    );
    expect(createHash('sha256').update(decoded.join('\0')).digest('hex').slice(0, 16)).toBe(wanted.text);
  });

  it('give the same from a stream, except for bytes that are not UTF-8', () => {
    for (const row of rows.slice(0, 500)) {
      const stream = tokenizer.stream();
      const text = Array.from(row, (id) => stream.push(id)).join('') + stream.end();
      const whole = tokenizer.decode(row);
      if (!whole.includes('\ufffd')) expect(text).toBe(whole);
    }
  });

  it('are the same when written and read again', () => {
    tokenizer.save(join(folder, name));
    const again = Tokenizer.load(join(folder, name));
    expect(again.fingerprint()).toBe(tokenizer.fingerprint());
    expect(again.encodeBatch(texts.slice(0, 500))).toEqual(rows.slice(0, 500));
  });
});
