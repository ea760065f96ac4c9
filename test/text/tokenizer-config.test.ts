import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
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
  it('names the end of text, and no more than there is', () => {
    const config = readConfig();
    expect(config.eos_token).toBe('<|endoftext|>');
    expect(config).not.toHaveProperty('pad_token');
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
  ])('refuses %s', (_, config, message) => {
    writeConfig(config);
    expect(() => Tokenizer.load(folder)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
    expect(() => Tokenizer.load(folder)).toThrow(message);
    expect(() => Tokenizer.load(folder)).toThrow(configPath);
  });
});

describe('files', () => {
  it.each([
    ['a missing folder', '/nonexistent/model', 'ERR_FILE_MISSING'],
    ['a folder without tokenizer.json', tmpdir(), 'ERR_FILE_MISSING'],
  ])('names %s', (_, path, code) => {
    expect(() => Tokenizer.load(path)).toThrow(expect.objectContaining({ code }));
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
