import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { ChatTemplate, type TemplateInputs } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { realTexts } from './oracles.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-config-'));
const configPath = join(folder, 'tokenizer_config.json');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let tokenizer: Tokenizer;
beforeAll(async () => {
  const specialTokens = ['<|endoftext|>', '<|begin|>', '<|pad|>'];
  tokenizer = await Tokenizer.train(
    realTexts(3).map(({ text }) => text),
    { vocabSize: 400, specialTokens },
  );
});
beforeEach(() => tokenizer.save(folder));

const writeConfig = (config: unknown) => writeFileSync(configPath, JSON.stringify(config));
const readConfig = () => JSON.parse(readFileSync(configPath, 'utf8'));

describe('tokenizer_config.json', () => {
  it('names the end of text, which also pads, and no more than there is', () => {
    const config = readConfig();
    expect(config.eos_token).toBe('<|endoftext|>');
    expect(config.pad_token).toBe('<|endoftext|>');
    // transformers reads a missing field as what the class of the model's family implies.
    expect(config).toMatchObject({ bos_token: null, unk_token: null });
    expect(config).not.toHaveProperty('chat_template');
  });

  it('gives the ids of its tokens, written as text or as objects', () => {
    writeConfig({
      eos_token: { content: '<|endoftext|>', lstrip: false },
      bos_token: '<|begin|>',
      pad_token: '<|pad|>',
    });
    const loaded = Tokenizer.load(folder);
    expect([loaded.eosId, loaded.bosId, loaded.padId]).toEqual([397, 398, 399]);
  });

  it('keeps the chat template and unknown fields verbatim', () => {
    const template = "{% for m in messages %}{{ m['content'] }}\n\u{1f600}{% endfor %}";
    const config = {
      eos_token: '<|pad|>',
      chat_template: template,
      model_max_length: 1024,
      other: { a: [1, null] },
    };
    writeConfig(config);
    const loaded = Tokenizer.load(folder);
    expect(loaded.chatTemplate).toBe(template);
    loaded.save(folder);
    expect(readConfig()).toMatchObject(config);
    loaded.chatTemplate = 'new';
    loaded.save(folder);
    expect(Tokenizer.load(folder).chatTemplate).toBe('new');
    loaded.chatTemplate = undefined;
    loaded.save(folder);
    expect(readConfig()).not.toHaveProperty('chat_template');
  });

  it('takes the default of a list of named templates, and keeps the list until another is set', () => {
    const tools = { name: 'tool_use', template: 'y' };
    const list = [{ name: 'default', template: 'x' }, tools];
    writeConfig({ chat_template: list });
    const loaded = Tokenizer.load(folder);
    expect(loaded.chatTemplate).toBe('x');
    loaded.save(folder);
    expect(readConfig().chat_template).toEqual(list);
    loaded.chatTemplate = 'z';
    loaded.save(folder);
    expect(readConfig().chat_template).toBe('z');
    writeConfig({ chat_template: [tools] });
    const without = Tokenizer.load(folder);
    expect(without.chatTemplate).toBeUndefined();
    without.save(folder);
    expect(readConfig().chat_template).toEqual([tools]);
    expect(() => ChatTemplate.of(without)).toThrow(/templates tool_use, and none of them is named default/);
    // chat_template.jinja is the default.
    const path = join(folder, 'chat_template.jinja');
    writeFileSync(path, 'from a file');
    expect(Tokenizer.load(folder)).toMatchObject({ chatTemplate: 'from a file', otherTemplates: [] });
    rmSync(path);
  });

  it('takes a dictionary of named templates as a list of them', () => {
    const named = { tool_use: 'y', default: 'x' };
    writeConfig({ chat_template: named });
    const loaded = Tokenizer.load(folder);
    expect(loaded.chatTemplate).toBe('x');
    loaded.save(folder);
    expect(readConfig().chat_template).toEqual(named);
    // transformers uses the template for tools where there are tools, even an empty list.
    const template = ChatTemplate.of(loaded);
    const render = (inputs: TemplateInputs) => template.render([{ role: 'user', content: 'Hi' }], { inputs });
    expect([render({}), render({ tools: [] }), render({ tools: null })]).toEqual(['x', 'y', 'x']);
    writeConfig({ chat_template: { rag: 'z', tool_use: 'y' } });
    expect(Tokenizer.load(folder).otherTemplates).toEqual(['rag', 'tool_use']);
  });

  it('takes templates from the files that transformers 5 writes, and keeps all of them', () => {
    const others = join(folder, 'additional_chat_templates');
    mkdirSync(others);
    writeFileSync(join(others, 'tool_use.jinja'), 'y');
    writeConfig({ chat_template: 'hidden by the files' });
    expect(Tokenizer.load(folder)).toMatchObject({ chatTemplate: undefined, otherTemplates: ['tool_use'] });
    writeFileSync(join(folder, 'chat_template.jinja'), 'x');
    const loaded = Tokenizer.load(folder);
    expect(loaded).toMatchObject({ chatTemplate: 'x', toolTemplate: 'y', otherTemplates: [] });
    expect(loaded.chatTemplateFile).toBe(join(folder, 'chat_template.jinja'));
    loaded.save(folder);
    expect(readdirSync(folder).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    expect(Tokenizer.load(folder)).toMatchObject({ chatTemplate: 'x', toolTemplate: 'y' });
  });

  it('takes a prefix space that the class of the folder does not apply', () => {
    writeConfig({ tokenizer_class: 'PreTrainedTokenizerFast', add_prefix_space: true });
    expect(Tokenizer.load(folder).vocabSize).toBe(400);
  });

  it('adds a token that pads, as transformers does, but none that ends a text', () => {
    writeConfig({ eos_token: '<|endoftext|>', pad_token: '[PAD]', additional_special_tokens: ['<|tool|>'] });
    const loaded = Tokenizer.load(folder);
    expect([loaded.padId, loaded.idOf('<|tool|>'), loaded.vocabSize]).toEqual([400, 401, 402]);
    expect([...loaded.specialTokens.keys()].slice(-2)).toEqual(['[PAD]', '<|tool|>']);
  });

  it('makes a token of the vocabulary special when it is named', () => {
    const path = join(folder, 'tokenizer.json');
    const file = JSON.parse(readFileSync(path, 'utf8'));
    file.added_tokens = file.added_tokens.filter(
      (token: { content: string }) => token.content !== '<|begin|>',
    );
    writeFileSync(path, JSON.stringify(file));
    writeConfig({ eos_token: '<|begin|>' });
    const loaded = Tokenizer.load(folder);
    expect(loaded.specialTokens.get('<|begin|>')).toBe(398);
    expect([...loaded.encode('<|begin|>', { allowSpecial: true })]).toEqual([398]);
  });

  it('may be missing: the end of text is then known by its name', () => {
    rmSync(configPath);
    expect(Tokenizer.load(folder).eosId).toBe(397);
  });

  it('takes the template from chat_template.jinja before the one here, and saves over it', () => {
    const path = join(folder, 'chat_template.jinja');
    writeConfig({ chat_template: 'from the configuration' });
    writeFileSync(path, 'from a file');
    const loaded = Tokenizer.load(folder);
    expect(loaded.chatTemplate).toBe('from a file');
    loaded.chatTemplate = 'new';
    loaded.save(folder);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(Tokenizer.load(folder).chatTemplate).toBe('new');
    expect(readConfig().chat_template).toBe('new');
    loaded.chatTemplate = undefined;
    loaded.save(folder);
    expect(existsSync(path)).toBe(false);
    expect(Tokenizer.load(folder).chatTemplate).toBeUndefined();
  });

  it('leaves nothing else behind', () => {
    expect(readdirSync(folder).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
  });

  it.each([
    ['a token of another vocabulary', { eos_token: '</s>' }, /"<\/s>" is not in .*tokenizer\.json/],
    ['a token that is a number', { pad_token: 5 }, /pad_token to be a token but it is 5/],
    ['a list', [], /expected an object/],
    [
      'a space before every text',
      { tokenizer_class: 'GPT2TokenizerFast', add_prefix_space: true },
      /add_prefix_space, which GPT2Tokenizer applies, is not supported/,
    ],
  ])('refuses %s', (_, config, message) => {
    writeConfig(config);
    expect(() => Tokenizer.load(folder)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
    expect(() => Tokenizer.load(folder)).toThrow(message);
    expect(() => Tokenizer.load(folder)).toThrow(configPath);
  });
});

// What transformers 5.18 gave for the same two files beside a config.json of GPT-2.
it('reads the older vocab.json and merges.txt where there is no tokenizer.json', () => {
  const older = temporaryFolder();
  const fixture = readFileSync(join(packageRoot, 'test/text/fixtures/chat/tokenizer.json'), 'utf8');
  const { vocab, merges } = JSON.parse(fixture).model;
  writeFileSync(join(older, 'vocab.json'), JSON.stringify({ ...vocab, '<|endoftext|>': 300 }));
  const lines = merges.map((pair: string[] | string) => [pair].flat().join(' '));
  writeFileSync(join(older, 'merges.txt'), `#version: 0.2\n${lines.join('\n')}\n`);
  writeFileSync(join(older, 'config.json'), '{"model_type": "gpt2"}');
  const loaded = Tokenizer.load(older);
  const ids = loaded.encode('Name a colour. Blue<|endoftext|>Hi', { allowSpecial: true });
  expect([...ids]).toEqual([291, 258, 298, 13, 289, 68, 300, 39, 72]);
  expect([loaded.eosId, loaded.bosId, loaded.padId, loaded.vocabSize]).toEqual([300, 300, undefined, 301]);
});

describe('files', () => {
  it.each([
    ['a missing folder', () => '/nonexistent/model'],
    ['a folder without tokenizer.json', () => temporaryFolder()],
  ])('names %s', (_, make) => {
    const path = make();
    expect(() => Tokenizer.load(path)).toThrow(expect.objectContaining({ code: 'ERR_FILE_MISSING' }));
    expect(() => Tokenizer.load(path)).toThrow(path);
  });

  it('does not write where a file is in the way', () => {
    expect(() => tokenizer.save(join(configPath, 'deeper'))).toThrow(
      expect.objectContaining({ name: 'AthanorError' }),
    );
  });
});

// As special_tokens_map of transformers 5.18 for the same file.
it('gives templates all named tokens', () => {
  writeConfig({
    eos_token: '<|endoftext|>',
    bos_token: null,
    unk_token: { __type: 'AddedToken', content: '<|endoftext|>' },
    image_token: '<image>',
    add_bos_token: true,
    extra_special_tokens: { audio_token: '<audio>', boi: '<boi>' },
  });
  const tokenizer = Tokenizer.load(folder);
  expect(tokenizer.namedTokens).toEqual({
    eos_token: '<|endoftext|>',
    unk_token: '<|endoftext|>',
    image_token: '<image>',
    audio_token: '<audio>',
    boi: '<boi>',
  });
  tokenizer.chatTemplate = '{{ unk_token }}{{ image_token }}{{ boi }}{{ bos_token is defined }}';
  expect(ChatTemplate.of(tokenizer).render([])).toBe('<|endoftext|><image><boi>False');
});
