/** What the files of a model folder say, before and after the stages. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/base/json.ts';
import { packageRoot } from '../../../src/base/package-root.ts';
import { saveModel } from '../../../src/checkpoint/gpt-folder.ts';
import { stopTokensOf } from '../../../src/checkpoint/text-ends.ts';
import { Gpt } from '../../../src/nn/gpt.ts';
import { presetConfig } from '../../../src/nn/presets.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import { chatTokenizer } from '../../../src/train/loop/chat-model.ts';
import { suiteFolder, temporaryFolder } from '../../helpers/cli.ts';
import {
  dpoDefaults,
  jsonl,
  rewardDefaults,
  runDpo,
  runReward,
  runSft,
  sftDefaults,
} from '../../helpers/stages.ts';

const root = suiteFolder();
const base = join(root, 'base');
const [assistant, preferred, judge] = ['assistant', 'preferred', 'judge'].map((name) => join(root, name)) as [
  string,
  string,
  string,
];
const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as JsonObject;

/** A folder of GPT-2 as transformers 4 wrote it, with 304 rows for 301 tokens. */
async function writeBase(): Promise<void> {
  const file = readJson(packageRoot, 'test/text/fixtures/chat/tokenizer.json');
  const added_tokens = [{ id: 300, content: '<|endoftext|>', special: true, normalized: true }];
  mkdirSync(base);
  const write = (name: string, content: object) => writeFileSync(join(base, name), JSON.stringify(content));
  write('tokenizer.json', { ...file, added_tokens });
  write('tokenizer_config.json', {
    add_prefix_space: false,
    added_tokens_decoder: { 300: { content: '<|endoftext|>', special: true } },
    additional_special_tokens: ['<|endoftext|>'],
    model_max_length: 1024,
    tokenizer_class: 'GPT2Tokenizer',
  });
  write('special_tokens_map.json', { eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' });
  const config = presetConfig('tiny', { vocabSize: 304, contextLength: 64 });
  const model = new Gpt({ ...config, eosTokenId: 300 }, { seed: 3 });
  await saveModel(base, model);
  model.dispose();
  write('config.json', {
    ...readJson(base, 'config.json'),
    ...{ eos_token_id: [300, 7, 304], pad_token_id: 5, task: 'notes', _name_or_path: '/elsewhere' },
    ...{ dtype: 'float16', torch_dtype: 'float16', temperature: 0.9 },
  });
  write('generation_config.json', {
    ...{ _from_model_config: true, transformers_version: '4.40.0', bos_token_id: 6, pad_token_id: 5 },
    ...{ eos_token_id: [300, 7, 304], do_sample: true, temperature: 0.6, top_p: 0.95, house: 'rule' },
  });
}

beforeAll(async () => {
  await writeBase();
  const data = jsonl(root, 'facts.jsonl', [
    { prompt: 'Sky?', completion: 'Blue.' },
    { prompt: 'Rose?', completion: 'Red.' },
  ]);
  const pairs = jsonl(root, 'pairs.jsonl', [
    { prompt: 'Sky?', chosen: 'Blue.', rejected: 'Red.' },
    { prompt: 'Rose?', chosen: 'Red.', rejected: 'Blue.' },
  ]);
  const short = { steps: 1, batchSize: 2, validationSplit: 0 };
  await runSft({ ...sftDefaults, ...short, data, model: base, out: assistant });
  await runDpo({ ...dpoDefaults, ...short, data: pairs, model: assistant, out: preferred });
  await runReward({ ...rewardDefaults, ...short, data: pairs, model: assistant, out: judge });
});

describe.each([
  ['sft', assistant],
  ['dpo', preferred],
])('after %s', (_, folder) => {
  it('generation_config.json keeps what it said, and has the tokens that end an answer', () => {
    // 301 to 303 were rows without tokens, and 304 was no row: it is the token <|end|> now.
    expect(readJson(folder, 'generation_config.json')).toEqual({
      ...{ bos_token_id: 6, pad_token_id: 5, eos_token_id: [304, 300, 7] },
      ...{ do_sample: true, temperature: 0.6, top_p: 0.95, house: 'rule' },
    });
    expect(stopTokensOf(folder, Tokenizer.load(folder))).toEqual([304, 300, 7]);
  });

  it('config.json keeps fields that are still true', () => {
    const config = readJson(folder, 'config.json');
    expect(config).toMatchObject({ eos_token_id: [300, 7], pad_token_id: 5, task: 'notes', vocab_size: 305 });
    expect(config.dtype).toBe('float32');
    for (const key of ['_name_or_path', 'torch_dtype', 'temperature']) {
      expect(config).not.toHaveProperty(key);
    }
  });

  it('the tokenizer files are read by transformers with the new tokens', () => {
    // Its classes rebuild a tokenizer from parts of the files: with added_tokens_decoder they
    // know no other added tokens. special_tokens_map.json stands above tokenizer_config.json.
    const config = readJson(folder, 'tokenizer_config.json');
    expect(config).toMatchObject({
      ...{ tokenizer_class: 'PreTrainedTokenizerFast', model_max_length: 1024, add_prefix_space: false },
      ...{ bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
      ...{ additional_special_tokens: ['<|endoftext|>'] },
    });
    expect(config).not.toHaveProperty('added_tokens_decoder');
    const tokens = readJson(folder, 'tokenizer.json').added_tokens as JsonObject[];
    expect(tokens.map(({ id, content, special }) => [id, content, special])).toEqual(
      ['<|endoftext|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>'].map((token, i) => [
        300 + i,
        token,
        true,
      ]),
    );
    expect(readdirSync(folder)).not.toContain('special_tokens_map.json');
    const ids = Tokenizer.load(folder).encode('<|user|>Hi<|end|>', { allowSpecial: true });
    expect([...ids]).toEqual([302, 39, 72, 304]);
  });
});

it('a reward model keeps the fields of config.json, and pads with a token that ends no answer', () => {
  const config = readJson(judge, 'config.json');
  expect(config).toMatchObject({ task: 'notes', pad_token_id: 300, eos_token_id: [300, 7] });
});

describe('named templates without a default', () => {
  it('are refused, and not replaced', () => {
    const config = readJson(base, 'tokenizer_config.json');
    const folder = temporaryFolder();
    for (const name of ['tokenizer.json', 'config.json']) {
      writeFileSync(join(folder, name), readFileSync(join(base, name)));
    }
    const templates = [{ name: 'tool_use', template: 'x' }];
    writeFileSync(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ ...config, chat_template: templates }),
    );
    const out = temporaryFolder();
    expect(() => chatTokenizer(folder, out)).toThrow(/tool_use, and none of them is named default/);
    expect(readdirSync(out)).toEqual([]);
  });
});
