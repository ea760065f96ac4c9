/** GGUF files read back: what was written, what llama.cpp's own package reads, and broken files. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../../src/base/errors.ts';
import { convertModel } from '../../../src/checkpoint/convert/convert-model.ts';
import { exportGguf } from '../../../src/checkpoint/gguf/export-gguf.ts';
import { ggufFamilies } from '../../../src/checkpoint/gguf/gguf-families.ts';
import { writeGguf } from '../../../src/checkpoint/gguf/gguf-file.ts';
import { GgufFile } from '../../../src/checkpoint/gguf/gguf-reader.ts';
import { type GgufType, tensorTypes } from '../../../src/checkpoint/gguf/gguf-types.ts';
import { loadModel, saveModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readModelFiles } from '../../../src/checkpoint/load-model.ts';
import { textEnds } from '../../../src/checkpoint/text-ends.ts';
import type { ModelConfig } from '../../../src/nn/config.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { noGrad } from '../../../src/tensor/autograd.ts';
import { scope, tensor } from '../../../src/tensor/tensor.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../helpers/chat-model.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { familyConfigs } from '../../helpers/family-configs.ts';
import { ggufConfigs } from '../../helpers/gguf-configs.ts';
import { maxError } from '../../helpers/reference.ts';

const families = Object.keys(ggufFamilies);

async function modelFolder(config: ModelConfig, weights: 'f32' | 'bf16' = 'f32'): Promise<string> {
  const tokenizer = await chatTokenizer();
  const folder = join(temporaryFolder(), config.architecture);
  const model = new Gpt({ ...config, vocabSize: tokenizer.vocabSize + 3 }, { seed: 3, weights });
  tokenizer.save(folder);
  await saveModel(folder, model, { tokenizer: folder });
  model.dispose();
  return folder;
}

function logitsOf(folder: string): Float32Array {
  const model = loadModel(folder, { dtype: 'f32' });
  const tokens = Int32Array.from({ length: 40 }, (_, i) => (i * 7) % 50);
  const input = {
    tokens: tensor(tokens),
    positions: tensor(Int32Array.from(tokens.keys())),
    cuSeqlens: tensor(Int32Array.of(0, tokens.length)),
  };
  const logits = noGrad(() => scope(() => model.logits(model.forward(input)).toFloats()));
  model.dispose();
  return logits;
}

async function readBack(folder: string, type: GgufType): Promise<string> {
  const path = join(folder, `${type}.gguf`);
  await exportGguf(folder, path, { type });
  const out = join(temporaryFolder(), 'read');
  await convertModel(path, { out });
  return out;
}

describe.each(families)('%s as GGUF and back', (name) => {
  const config = ggufConfigs[name]!;

  it('has every weight, the configuration and the tokenizer', async () => {
    const folder = await modelFolder(config);
    const out = await readBack(folder, 'f32');
    const [written, read] = [readModelFiles(folder), readModelFiles(out)];
    const { bosTokenId, eosTokenId, initializerRange, architecture, ...shape } = written.config;
    // In GGUF Mistral is a Llama.
    expect(read.config).toMatchObject({
      ...shape,
      architecture: name === 'mistral' ? 'llama' : architecture,
    });
    expect([...read.parameters.keys()]).toEqual([...written.parameters.keys()]);
    for (const [key, { data }] of written.parameters) {
      const found = read.parameters.get(key)!.data;
      // The file has gains, from which the offset is taken again.
      const isGain = config.normOffset !== undefined && key.endsWith('norm.weight');
      if (isGain) expect(maxError(found as Float32Array, data as Float32Array), key).toBeLessThan(1e-7);
      else expect(found, key).toEqual(data);
    }
    expect(logitsOf(out)).toEqual(logitsOf(folder));
    const [own, back] = [Tokenizer.load(folder), Tokenizer.load(out)];
    for (const text of ['Hello world', "It's 12 345\n\n  fine.", 'é漢字🙂<|end|>']) {
      for (const allowSpecial of [true, false]) {
        expect([...back.encode(text, { allowSpecial })]).toEqual([...own.encode(text, { allowSpecial })]);
      }
    }
    expect(back.chatTemplate).toBe(own.chatTemplate);
    expect(read.config.eosTokenId).toBe(own.eosId);
    const ids = (place: string, tokenizer: Tokenizer) => textEnds(place, tokenizer).eos?.ids;
    expect(ids(out, back)).toEqual(expect.arrayContaining([...(ids(folder, own) ?? [])]));
  });

  it('keeps bf16', async () => {
    const folder = await modelFolder(config, 'bf16');
    const out = await readBack(folder, 'bf16');
    const [written, read] = [readModelFiles(folder), readModelFiles(out)];
    const key = 'blocks.0.mlp.down.weight';
    expect(read.parameters.get(key)).toEqual(written.parameters.get(key));
  });
});

it('a special token keeps its id before those of the vocabulary', async () => {
  const folder = await modelFolder(ggufConfigs.llama!);
  const path = join(folder, 'tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as {
    added_tokens: { id: number; content: string }[];
    model: { vocab: Record<string, number> };
  };
  const ids = [...new Set([...json.added_tokens.map(({ id }) => id), ...Object.values(json.model.vocab)])];
  const first = json.added_tokens.find(({ content }) => content === '<|endoftext|>')!.id;
  const moved = (id: number) => (id === first ? 0 : id < first ? id + 1 : id);
  const { vocab } = json.model;
  for (const token of json.added_tokens) {
    token.id = moved(token.id);
    vocab[token.content] = token.id;
  }
  const added = new Set(json.added_tokens.map(({ content }) => content));
  for (const [token, id] of Object.entries(vocab)) if (!added.has(token)) vocab[token] = moved(id);
  writeFileSync(path, JSON.stringify(json));
  const [own, back] = [Tokenizer.load(folder), Tokenizer.load(await readBack(folder, 'f32'))];
  expect(own.eosId).toBe(0);
  expect(back.eosId).toBe(0);
  expect(back.vocabSize).toBe(ids.length);
  const text = "It's 12 345<|endoftext|> fine.<|end|>";
  expect([...back.encode(text, { allowSpecial: true })]).toEqual([
    ...own.encode(text, { allowSpecial: true }),
  ]);
});

describe('weights', () => {
  const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'blocks.json'), 'utf8')) as Record<
    string,
    string
  > & { read: Record<string, string> };
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

  it.each(['q8_0', 'q4_0', 'f16'] as const)('of type %s are those that gguf 0.19 reads', async (type) => {
    const path = join(temporaryFolder(), 'one.gguf');
    const data = bytes(recorded[type]!);
    const expected = new Float32Array(bytes(recorded.read[type]!).buffer);
    const shape = [expected.length / 32, 32];
    const tensor = { name: 'w', shape, type: tensorTypes[type].number, bytes: data.length, read: () => data };
    await writeGguf(path, [], [tensor]);
    using file = new GgufFile(path);
    expect(file.read('w')).toEqual({ dtype: 'f32', shape, data: expected });
  });
});

/** A refusal says what is wrong with the file. ERR_IO would be an error of our own reading. */
const REFUSALS = /^ERR_(FILE_DAMAGED|FORMAT|CONFIG|NOT_FINITE)$/;
const codeOf = (error: unknown) => (error instanceof AthanorError ? error.code : String(error));

describe('a broken file is refused', () => {
  it('cut or changed anywhere, without another error', async () => {
    const folder = await modelFolder(familyConfigs.llama);
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'q8_0' });
    const whole = readFileSync(path);
    const broken = join(folder, 'broken.gguf');
    const attempt = async (data: Buffer): Promise<unknown> => {
      writeFileSync(broken, data);
      const out = join(temporaryFolder(), 'read');
      return convertModel(broken, { out }).catch((error: unknown) => error);
    };
    for (let i = 0; i < 40; i++) {
      const cut = await attempt(whole.subarray(0, 4 + Math.floor(((i + 0.5) / 40) * (whole.length - 8))));
      expect(codeOf(cut), `cut ${i}`).toMatch(REFUSALS);
    }
    let random = 12345;
    for (let i = 0; i < 60; i++) {
      random = (random * 1103515245 + 12345) % 2 ** 31;
      const data = Buffer.from(whole);
      // Numbers near the beginning decide sizes.
      const at = 4 + (random % (i < 30 ? 400 : 6000));
      data[at] = data[at]! ^ (1 << (random % 8));
      const result = await attempt(data);
      if (result instanceof Error) expect(codeOf(result), `changed at ${at}`).toMatch(REFUSALS);
    }
  });

  it.each([
    [
      'another architecture',
      'general.architecture',
      { string: 'mamba' },
      /architecture mamba is not supported/,
    ],
    [
      'a tokenizer of words',
      'tokenizer.ggml.model',
      { string: 'bert' },
      /is neither byte-level BPE nor SentencePiece's/,
    ],
    ['SentencePiece without scores', 'tokenizer.ggml.model', { string: 'llama' }, /do not fit each other/],
    ['an unknown split pattern', 'tokenizer.ggml.pre', { string: 'what' }, /split pattern what is not known/],
  ])('%s', async (_, key, value, message) => {
    const folder = await modelFolder(familyConfigs.llama);
    const path = join(folder, 'model.gguf');
    await exportGguf(folder, path, { type: 'f32' });
    using file = new GgufFile(path);
    const text = (entry: string) => ({ string: String(file.metadata.get(entry)) });
    const number = (entry: string) => ({ u32: Number(file.metadata.get(entry)) });
    const epsilon = 'llama.attention.layer_norm_rms_epsilon';
    const sizes = ['context_length', 'embedding_length', 'block_count', 'feed_forward_length'];
    const counts = ['attention.head_count', 'attention.head_count_kv', 'attention.key_length'];
    const entries = new Map<
      string,
      Parameters<typeof writeGguf>[1] extends Iterable<readonly [string, infer V]> ? V : never
    >([
      ['general.architecture', text('general.architecture')],
      ['tokenizer.ggml.model', text('tokenizer.ggml.model')],
      ['tokenizer.ggml.pre', text('tokenizer.ggml.pre')],
      [epsilon, { f32: Number(file.metadata.get(epsilon)) }],
      ...[...sizes, ...counts].map((name) => [`llama.${name}`, number(`llama.${name}`)] as const),
      [key, value],
    ]);
    const tensors = [...file.tensors].map(([name, { shape, type }]) => {
      const { data } = file.read(name);
      const raw = new Uint8Array(data.buffer);
      return { name, shape, type: tensorTypes[type].number, bytes: raw.length, read: () => raw };
    });
    const changed = join(folder, 'changed.gguf');
    await writeGguf(changed, entries, tensors);
    const out = join(temporaryFolder(), 'read');
    await expect(convertModel(changed, { out })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });
});
