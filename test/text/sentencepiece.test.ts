/**
 * tokenizer.model, the file of SentencePiece, gives SentencePiece's own ids on 20,000 hard texts.
 * scripts/record-sentencepiece.py records them.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { PieceKind, type SentencePiece, sentencePieceJson } from '../../src/text/sentence-pieces.ts';
import { parseSentencePieceFile } from '../../src/text/sentencepiece-file.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { digestsOf, hardTexts } from './hard-texts.ts';

const fixtures = join(import.meta.dirname, 'fixtures/sentencepiece');
const digests = JSON.parse(readFileSync(join(fixtures, 'digests.json'), 'utf8')) as Record<string, string[]>;

function folderOf(name: string, config?: JsonObject): string {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  copyFileSync(join(fixtures, `${name}.model`), join(folder, 'tokenizer.model'));
  if (config) writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return folder;
}

describe('a folder with tokenizer.model alone', () => {
  it.each(Object.entries(digests))('(%s) has the ids of SentencePiece', (name, wanted) => {
    const tokenizer = Tokenizer.load(folderOf(name));
    expect(digestsOf(tokenizer.encodeBatch(hardTexts))).toEqual(wanted);
  });

  it('is the same when written as tokenizer.json and read again', () => {
    const folder = temporaryFolder();
    const tokenizer = Tokenizer.load(folderOf('llama'));
    tokenizer.save(folder);
    expect(Tokenizer.load(folder).fingerprint()).toBe(tokenizer.fingerprint());
    for (const text of [' two  spaces', 'é漢字🙂', 'a\nb']) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('puts tokens around a text only where tokenizer_config.json asks for them', () => {
    const config = { tokenizer_class: 'LlamaTokenizer', bos_token: { content: '<s>' }, eos_token: '</s>' };
    const frame = (more: JsonObject) => Tokenizer.load(folderOf('llama', { ...config, ...more })).frame;
    expect(frame({})).toEqual({ before: [], after: [] });
    expect(frame({ add_bos_token: true })).toEqual({ before: [1], after: [] });
    expect(frame({ add_bos_token: true, add_eos_token: true })).toEqual({ before: [1], after: [2] });
    expect(Tokenizer.load(folderOf('llama', config)).eosId).toBe(2);
  });

  it.each([
    ['unigram', /a SentencePiece model of Unigram is not supported/],
    ['spaces', /a normalizer that removes spaces is not supported/],
  ])('is refused by name: %s', (name, message) => {
    expect(() => Tokenizer.load(folderOf(name))).toThrow(message);
  });
});

describe('pieces', () => {
  const jsonOf = (pieces: SentencePiece[]) =>
    sentencePieceJson({ path: 'a file', pieces, addsSpace: false, postProcessor: null });
  const letters = ['a', 'b', 'c'].map((text) => ({ text, score: -9, kind: PieceKind.normal }));
  const piece = (text: string, score: number) => ({ text, score, kind: PieceKind.normal });

  it('are joined by score, in every way in which two of them are a third', () => {
    const json = jsonOf([...letters, piece('bc', -1), piece('ab', -2), piece('abc', -3)]);
    expect(json.model).toMatchObject({
      merges: [
        ['b', 'c'],
        ['a', 'b'],
        ['ab', 'c'],
        ['a', 'bc'],
      ],
    });
  });

  it('are refused where scores, texts or lengths say nothing useful', () => {
    expect(() => jsonOf([...letters, piece('ab', 0), piece('bc', 0)])).toThrow(/"ab" and "bc" have the same/);
    expect(() => jsonOf([...letters, piece('a', 0)])).toThrow(/"a" has two ids, 0 and 3/);
    expect(() => jsonOf([...letters, piece('a'.repeat(5000), 0)])).toThrow(/id 3 has 5000 characters/);
  });
});

describe('a broken file', () => {
  const whole = readFileSync(join(fixtures, 'gemma.model'));

  it('that ends early or has changed bytes is refused, without another error', () => {
    const codes = new Set<unknown>();
    const attempt = (bytes: Uint8Array) => {
      try {
        parseSentencePieceFile(bytes, 'a file');
      } catch (error) {
        codes.add((error as { code: unknown }).code);
      }
    };
    for (let i = 1; i < 200; i++) attempt(whole.subarray(0, (i * whole.length) / 200));
    expect([...codes]).toEqual(['ERR_FILE_DAMAGED']);
    let random = 12345;
    for (let i = 0; i < 300; i++) {
      random = (random * 1103515245 + 12345) % 2 ** 31;
      const changed = Buffer.from(whole);
      changed[random % whole.length]! ^= 1 << (random % 8);
      attempt(changed);
    }
    // A changed byte may name another kind of model.
    for (const code of codes) expect(['ERR_FILE_DAMAGED', 'ERR_FORMAT']).toContain(code);
    expect(() => parseSentencePieceFile(whole.subarray(0, 1000), 'a file')).toThrow(/a file is damaged/);
  });

  it('that ends before its settings is damaged, and not of another kind', () => {
    expect(() => parseSentencePieceFile(new Uint8Array(), 'x')).toThrow(/no settings of its training/);
    // A piece "a", and nothing behind it.
    const cut = Uint8Array.of(0x0a, 3, 0x0a, 1, 0x61);
    expect(() => parseSentencePieceFile(cut, 'x')).toThrow(/no settings of its training/);
  });
});
