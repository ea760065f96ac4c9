/** What stands around a text, against what transformers 5.18 gave for the same files. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/base/json.ts';
import { evaluationBatches } from '../../src/data/shards/evaluation-batches.ts';
import { prepareData } from '../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../src/data/shards/token-dataset.ts';
import { promptTokens } from '../../src/generate/generate-text.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { athanor, temporaryFolder } from '../helpers/cli.ts';
import { expectError } from '../helpers/reference.ts';
import { jsonl } from '../helpers/stages.ts';

interface Case {
  name: string;
  post_processor: JsonValue;
  config: JsonObject;
  ids: number[][];
}

const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8'));
const { cases, texts, added_tokens } = read('post-processors.json') as {
  cases: Case[];
  texts: string[];
  added_tokens: (JsonObject & { id: number })[];
};
const base = read('chat/tokenizer.json') as JsonObject;
const [BEGIN, END] = added_tokens.map(({ id }) => id) as [number, number];

function load(post_processor: JsonValue, config: JsonObject = {}): Tokenizer {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-post-'));
  write(folder, post_processor, config);
  const tokenizer = Tokenizer.load(folder);
  rmSync(folder, { recursive: true });
  return tokenizer;
}

function write(folder: string, post_processor: JsonValue, config: JsonObject): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...base, added_tokens, post_processor }));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
}

const named = (name: string) => cases.find((one) => one.name === name)!.post_processor;

describe('a text with special tokens', () => {
  it.each(cases)('has the ids of transformers: $name', ({ post_processor, config, ids }) => {
    const tokenizer = load(post_processor, config);
    expect(tokenizer.encodeBatch(texts, { addSpecialTokens: true }).map((row) => [...row])).toEqual(ids);
    expect([...tokenizer.encode(texts[0]!, { addSpecialTokens: true })]).toEqual(ids[0]);
    const { before, after } = tokenizer.frame;
    const plain = ids.map((row) => row.slice(before.length, row.length - after.length));
    expect(tokenizer.encodeBatch(texts).map((row) => [...row])).toEqual(plain);
    // As generate and eval read a prompt.
    texts.forEach((text, i) => {
      if (ids[i]!.length > 0) expect([...promptTokens(tokenizer, text)]).toEqual(ids[i]);
    });
  });

  it('has them after saving and with more tokens', () => {
    const folder = temporaryFolder();
    load(named('llama 3')).withSpecialTokens(['<|new|>']).save(folder);
    const again = Tokenizer.load(folder);
    expect(again.encode('a', { addSpecialTokens: true })[0]).toBe(BEGIN);
  });

  it('has none with a chat template, which writes them itself', () => {
    const tokenizer = load(named('llama 3'), { bos_token: '<s>', eos_token: '</s>' });
    tokenizer.chatTemplate =
      '{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}';
    const ids = [...ChatTemplate.of(tokenizer).encodePrompt([{ role: 'user', content: 'Hi' }])];
    expect(ids.filter((id) => id === BEGIN)).toEqual([BEGIN]);
    expect(ids[0]).toBe(BEGIN);
    tokenizer.chatTemplate = '{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}';
    expect([...ChatTemplate.of(tokenizer).encodePrompt([{ role: 'user', content: 'Hi' }])]).not.toContain(
      BEGIN,
    );
  });

  it.each([
    [{ type: 'Unknown' }, /post_processor "Unknown" is not supported/],
    [{ type: 'TemplateProcessing', special_tokens: {} }, /post_processor\.single to be an array/],
    [
      { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>' } }], special_tokens: {} },
      /special_tokens\["<s>"\] to be an object/,
    ],
    [{ type: 'TemplateProcessing', single: [], special_tokens: {} }, /writes a text 0 times/],
    [{ type: 'BertProcessing', sep: ['</s>'], cls: ['<s>', 1] }, /expected an id in post_processor/],
  ] as [JsonValue, RegExp][])('refuses %j', (processor, message) => {
    expectError('ERR_FORMAT', message, () => load(processor));
  });
});

describe('token shards', () => {
  const documents = ['Hello, world', 'two lines'];
  const shards = async (processor: JsonValue, config: JsonObject) => {
    const [from, out] = [temporaryFolder(), join(temporaryFolder(), 'shards')];
    write(from, processor, config);
    const source = jsonl(
      from,
      'corpus.jsonl',
      documents.map((text) => ({ text })),
    );
    const rest = { vocabSize: 0, validationSplit: 0, minChars: 1, onBadLine: 'fail' } as const;
    await prepareData({ sources: [source], out, tokenizer: from, ...rest });
    const dataset = TokenDataset.open(out);
    const ids = [...dataset.read('train', 0, dataset.tokens('train'))];
    const batches = [
      ...evaluationBatches(dataset, { split: 'train', batchSize: 4, context: 32, maxTokens: 999 }),
    ];
    dataset.close();
    return { ids, batches };
  };
  let plain: number[][];
  beforeEach(() => {
    plain = load(null)
      .encodeBatch(documents)
      .map((ids) => [...ids]);
  });
  const bytes = documents.join('').length;

  it('hold the begin token, which evaluation takes as the first token and not as a target', async () => {
    const { ids, batches } = await shards(named('llama 3'), { bos_token: '<s>', eos_token: '</s>' });
    expect(ids).toEqual(plain.flatMap((document) => [END, BEGIN, ...document]));
    const [batch] = batches;
    expect(batch!.bytes).toBe(bytes);
    const orders = [plain.flat(), plain.toReversed().flat()];
    expect(orders).toContainEqual([...batch!.targets].filter((id) => id >= 0));
  });

  it.each(['begin and end', 'roberta'])('have one end token between documents with %s', async (name) => {
    const { ids, batches } = await shards(named(name), { bos_token: '<s>', eos_token: '</s>' });
    expect(ids).toEqual(plain.flatMap((document) => [END, BEGIN, ...document]));
    expect(batches[0]!.bytes).toBe(bytes);
  });

  it('have one token between documents where the begin token is the end token', async () => {
    const { ids } = await shards(named('llama 3'), { eos_token: '<s>' });
    expect(ids).toEqual(plain.flatMap((document) => [BEGIN, ...document]));
  });

  it('are as before without a post-processor', async () => {
    const { ids, batches } = await shards(null, { eos_token: '</s>' });
    expect(ids).toEqual(plain.flatMap((document) => [END, ...document]));
    expect(batches[0]!.bytes).toBe(bytes);
  });
});

it('athanor tokenizer encode --add-special-tokens adds them', async () => {
  const folder = temporaryFolder();
  write(folder, named('llama 3'), {});
  const args = ['tokenizer', 'encode', '--tokenizer', folder, 'Hello, world'];
  const { stdout } = await athanor(...args, '--add-special-tokens');
  const wanted = cases.find(({ name }) => name === 'llama 3')!.ids[0]!;
  expect(stdout.trim()).toBe(wanted.join(' '));
  expect((await athanor(...args)).stdout.trim()).toBe(wanted.slice(1).join(' '));
});
