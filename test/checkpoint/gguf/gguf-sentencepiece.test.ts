/** Tokenizers of SentencePiece in GGUF: what llama.cpp needs, and the same ids read back. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/base/json.ts';
import { convertModel } from '../../../src/checkpoint/convert/convert-model.ts';
import { exportGguf } from '../../../src/checkpoint/gguf/export-gguf.ts';
import { GgufFile } from '../../../src/checkpoint/gguf/gguf-reader.ts';
import { saveModel } from '../../../src/checkpoint/gpt-folder.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { hardTexts } from '../../text/hard-texts.ts';

const fixtures = join(import.meta.dirname, '../../text/fixtures');

/** A small model with the tokenizer of its folder. */
async function modelOf(folder: string): Promise<string> {
  const tokenizer = Tokenizer.load(folder);
  const config = { ...presetConfig('llama-tiny'), vocabSize: tokenizer.vocabSize + 2 };
  const model = new Gpt(config, { seed: 1 });
  const place = join(temporaryFolder(), 'model');
  await saveModel(place, model, { tokenizer: folder });
  model.dispose();
  return place;
}

async function sentencePieceModel(name: string): Promise<string> {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  copyFileSync(join(fixtures, `sentencepiece/${name}.model`), join(folder, 'tokenizer.model'));
  const config = {
    tokenizer_class: 'LlamaTokenizer',
    bos_token: '<s>',
    eos_token: '</s>',
    add_bos_token: true,
  };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return modelOf(folder);
}

/** A model with a tokenizer.json: one of test/text/fixtures/families, or a changed one. */
async function tokenizerModel(json: string): Promise<string> {
  const folder = join(temporaryFolder(), 'own');
  mkdirSync(folder);
  writeFileSync(join(folder, 'tokenizer.json'), json);
  return modelOf(folder);
}

describe.each(['llama', 'gemma'])('a tokenizer as that of %s', (name) => {
  it('has scores in the order of the merges, kinds and the space', async () => {
    const folder = await sentencePieceModel(name);
    const path = join(folder, 'model.gguf');
    const { notes } = await exportGguf(folder, path);
    expect(notes).toEqual([]);
    using file = new GgufFile(path);
    const own = (key: string) => file.metadata.get(`tokenizer.ggml.${key}`);
    const tokenizer = Tokenizer.load(folder);
    const [tokens, scores, types] = ['tokens', 'scores', 'token_type'].map((key) => own(key) as unknown[]);
    expect(own('model')).toBe('llama');
    expect(own('add_space_prefix')).toBe(name === 'llama');
    expect(own('add_bos_token')).toBe(true);
    expect(own('unknown_token_id')).toBe(tokenizer.idOf('<unk>'));
    const typeOf = (token: string) => types![tokenizer.idOf(token)!];
    expect(['<unk>', '</s>', '<0x0A>', 'e'].map(typeOf)).toEqual([2, 3, 6, 1]);
    if (name === 'gemma') expect(['<start_of_turn>', '\n\n'].map(typeOf)).toEqual([4, 4]);
    expect([tokens!.at(-1), types!.at(-1)]).toEqual([`[PAD${tokens!.length - 1}]`, 5]);
    const { merges } = tokenizer.vocabulary;
    const made = Array.from({ length: merges.length / 3 }, (_, i) => Number(scores![merges[3 * i + 2]!]));
    expect(made).toEqual(made.toSorted((a, b) => b - a));
  });

  it('gives the same ids when read back', async () => {
    const folder = await sentencePieceModel(name);
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path);
    const out = join(temporaryFolder(), 'back');
    await convertModel(path, { out });
    const [own, back] = [Tokenizer.load(folder), Tokenizer.load(out)];
    const texts = hardTexts.slice(0, 4000);
    for (const allowSpecial of [true, false]) {
      expect(back.encodeBatch(texts, { allowSpecial })).toEqual(own.encodeBatch(texts, { allowSpecial }));
    }
    expect(back.frame).toEqual(own.frame);
    expect([back.bosId, back.eosId]).toEqual([own.bosId, own.eosId]);
  });
});

describe('what llama.cpp joins in another way', () => {
  const family = (name: string) =>
    gunzipSync(readFileSync(join(fixtures, `families/${name}.json.gz`))).toString('utf8');

  it.each(['llama2', 'gemma', 'phi3', 'mistral'])(
    'is refused: merges of %s that leave two parts of a token apart',
    async (name) => {
      const folder = await tokenizerModel(family(name));
      await expect(exportGguf(folder, join(folder, 'model.gguf'))).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringMatching(/no tokenizer with merges that leave .* apart, whose text is a token/),
      });
    },
  );

  it('is refused: merges in another order, characters without bytes, other steps', async () => {
    const source = await sentencePieceModel('llama');
    Tokenizer.load(source).save(source);
    const json = JSON.parse(readFileSync(join(source, 'tokenizer.json'), 'utf8')) as JsonObject;
    const model = json.model as JsonObject & { merges: string[] };
    const refused = async (changed: JsonObject, message: RegExp) => {
      const folder = await tokenizerModel(JSON.stringify({ ...json, ...changed }));
      await expect(exportGguf(folder, join(folder, 'model.gguf'))).rejects.toThrow(message);
    };
    // The merges of one token in two places.
    const [first, ...rest] = model.merges.slice(8, 12);
    const merges = [...model.merges.slice(0, 8), ...rest, first!, ...model.merges.slice(12)];
    await refused(
      { model: { ...model, merges: merges.toReversed() } },
      /another order than that of the tokens/,
    );
    await refused({ model: { ...model, byte_fallback: false } }, /no bytes in their place/);
    await refused({ normalizer: { type: 'NFKC' } }, /these steps before its merges/);
  });

  it('is noted: spaces before texts where the tokenizer has them before the first alone', async () => {
    const source = await sentencePieceModel('llama');
    Tokenizer.load(source).save(source);
    const json = JSON.parse(readFileSync(join(source, 'tokenizer.json'), 'utf8')) as JsonObject;
    const metaspace = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first', split: false };
    const folder = await tokenizerModel(
      JSON.stringify({ ...json, normalizer: null, pre_tokenizer: metaspace }),
    );
    const { notes } = await exportGguf(folder, join(folder, 'model.gguf'));
    expect(notes).toEqual([expect.stringMatching(/llama.cpp puts a space before every text/)]);
  });
});
