/**
 * Which tokens `{% generation %}` blocks wrote, as transformers 5.18 counts them
 * (scripts/record-generation-masks.py), also where a template rewrites earlier turns.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

interface Recording {
  templates: Record<string, string>;
  cases: { family: string; template: string; messages: Message[]; ids: number[]; mask: number[] }[];
}

const fixtures = join(import.meta.dirname, 'fixtures');
const record = JSON.parse(readFileSync(join(fixtures, 'chat/generation.json'), 'utf8')) as Recording;
const folder = mkdtempSync(join(tmpdir(), 'athanor-generation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(family: string): Tokenizer {
  const path = join(folder, `${family}.json`);
  writeFileSync(path, gunzipSync(readFileSync(join(fixtures, `families/${family}.json.gz`))));
  return Tokenizer.load(path).withSpecialTokens(['<s>', '</s>', '<|user|>']);
}

describe.each([...new Set(record.cases.map(({ family }) => family))])('the settings of %s', (family) => {
  const tokenizer = load(family);

  it.each(Object.keys(record.templates))('give the ids and the mask of transformers: %s', (name) => {
    const template = new ChatTemplate(record.templates[name]!, tokenizer);
    for (const { messages, ids, mask } of record.cases.filter(
      (c) => c.family === family && c.template === name,
    )) {
      const { tokens, supervised } = template.encodeDialogue(messages);
      expect([...tokens]).toEqual(ids);
      expect([...supervised]).toEqual(mask);
    }
  });
});

it('leaves out an answer that must not be learned, and refuses where it is not known which block it is', () => {
  const tokenizer = load('qwen2');
  const messages: Message[] = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'bb', train: false },
    { role: 'user', content: 'c' },
    { role: 'assistant', content: 'dd' },
  ];
  const { tokens, supervised } = new ChatTemplate(record.templates.turns!, tokenizer).encodeDialogue(
    messages,
  );
  expect(tokenizer.decode(tokens.filter((_, i) => supervised[i] === 1))).toBe('dd</s>');
  const whole =
    '{% generation %}{% for m in messages %}{{ m.content }}{{ "</s>" }}{% endfor %}{% endgeneration %}';
  expect(() => new ChatTemplate(whole, tokenizer).encodeDialogue(messages, 'rows:1')).toThrow(
    /rows:1: the chat template writes 1 generation blocks for 2 answers/,
  );
});
