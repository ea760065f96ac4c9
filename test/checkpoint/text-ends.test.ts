/**
 * The tokens that begin, end and pad a text, against what transformers answered for the same
 * folders. `scripts/record-text-ends.py` recorded it.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/json.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { readDescription } from '../../src/checkpoint/load-model.ts';
import { modelEnds, stopTokensOf, textEnds } from '../../src/checkpoint/text-ends.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { temporaryFolder } from '../helpers/cli.ts';

interface TokenizerCase {
  added: string[];
  padding: string | null;
  files: Record<string, JsonObject>;
  class: string;
  /** Begin, end and pad: the token and its id. */
  named: ([string, number] | null)[];
}

interface ModelCase {
  family: string;
  config: JsonObject;
  generation: JsonObject | null;
  /** Begin, end and pad, as generate() has them. */
  ids: [number | null, number[] | null, number | null];
}

const readJson = (path: string) => JSON.parse(readFileSync(join(packageRoot, path), 'utf8'));
const { models, tokenizers } = readJson('test/checkpoint/fixtures/text-ends.json') as {
  models: ModelCase[];
  tokenizers: TokenizerCase[];
};
const base = readJson('test/text/fixtures/chat/tokenizer.json') as JsonObject;

function tokenizerFolder({ added, padding, files }: TokenizerCase): string {
  const folder = temporaryFolder();
  const added_tokens = added.map((content, i) => ({ id: 300 + i, content, special: true }));
  const file = { ...base, added_tokens, padding: padding && { pad_token: padding } };
  for (const [name, content] of Object.entries({ ...files, 'tokenizer.json': file })) {
    writeFileSync(join(folder, name), JSON.stringify(content));
  }
  return folder;
}

function modelFolder({ family, config, generation }: Omit<ModelCase, 'ids'>): string {
  const folder = temporaryFolder();
  const source = join(packageRoot, 'test/fixtures/torch', family);
  copyFileSync(join(source, 'model.safetensors'), join(folder, 'model.safetensors'));
  const recorded = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...recorded, ...config }));
  if (generation) writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(generation));
  return folder;
}

describe('the ids of a model', () => {
  it.each(models.map((each, i) => [i, each] as const))('%i are those that generate() has', (_, given) => {
    const { bos, eos, pad } = modelEnds(modelFolder(given));
    // Where nothing says, generate() pads with an id that ends.
    expect([bos?.ids[0] ?? null, eos?.ids ?? null, pad?.ids[0] ?? eos?.ids[0] ?? null]).toEqual(given.ids);
  });

  it('come before those of the tokenizer, which fill gaps', () => {
    const folder = modelFolder({ family: 'gpt2', config: { eos_token_id: [5, 6] }, generation: null });
    const added_tokens = [{ id: 300, content: '<|endoftext|>', special: true }];
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...base, added_tokens }));
    writeFileSync(join(folder, 'tokenizer_config.json'), '{"model_max_length": 8}');
    const tokenizer = Tokenizer.load(folder);
    expect(textEnds(folder, tokenizer).eos).toEqual({ ids: [5, 6], source: join(folder, 'config.json') });
    expect(stopTokensOf(folder, tokenizer)).toEqual([5, 6]);
    // Then transformers has no end at all, and runs on.
    writeFileSync(join(folder, 'generation_config.json'), '{"temperature": 0.5}');
    expect(stopTokensOf(folder, tokenizer)).toEqual([300]);
    const source = `${join(folder, 'config.json')} (GPT2Tokenizer)`;
    expect(textEnds(folder, tokenizer).eos).toEqual({ ids: [300], source });
  });

  it.each(['"2"', '1.5', '[[3]]'])('of generation_config.json are whole numbers, not %s', (value) => {
    const folder = modelFolder({ family: 'gpt2', config: {}, generation: null });
    writeFileSync(join(folder, 'generation_config.json'), `{"eos_token_id": ${value}}`);
    expect(() => modelEnds(folder)).toThrow(/generation_config\.json: eos_token_id holds/);
  });

  it('may be ids without a token, as transformers generates with them', () => {
    const folder = modelFolder({ family: 'llama', config: { eos_token_id: [97, 5] }, generation: null });
    expect(readDescription(folder).config.eosTokenId).toBe(5);
    const outside = { bos_token_id: 1000, eos_token_id: -1 };
    const { config } = readDescription(modelFolder({ family: 'llama', config: outside, generation: null }));
    expect(config).not.toHaveProperty('bosTokenId');
    expect(config).not.toHaveProperty('eosTokenId');
  });
});

describe("the tokenizer's names", () => {
  it.each(tokenizers.map((each, i) => [i, each] as const))(
    'of folder %i are those of transformers',
    (_, given) => {
      const folder = tokenizerFolder(given);
      const tokenizer = Tokenizer.load(folder);
      const known = new Set([...given.added, '<|late|>']);
      // transformers adds a token that a class implies and the vocabulary lacks. No model has it.
      const expected = given.named.map((token) => (token && known.has(token[0]) ? token[1] : undefined));
      const isBare = !('tokenizer_config.json' in given.files || 'special_tokens_map.json' in given.files);
      const end = isBare ? tokenizer.specialTokens.get('<|endoftext|>') : undefined;
      expected[1] ??= end;
      expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual(expected);
    },
  );
});
