/**
 * Chat templates of 112 models and of vLLM, against transformers 5.18
 * (scripts/record-chat-templates.py): what they write of dialogues, and where a model goes on with
 * the last message.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import type { JsonObject, JsonValue } from '../../src/base/json.ts';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { TemplateError } from '../../src/text/jinja/errors.ts';
import { Template } from '../../src/text/jinja/template.ts';
import { RefusedMessages } from '../../src/text/refused-messages.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { toolFormatOf } from '../../src/text/tool-calls/formats.ts';
import { ToolCallReader } from '../../src/text/tool-calls/reader.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';
import { expectError } from '../helpers/reference.ts';

interface Recording {
  names: Record<string, string>;
  contexts: JsonObject[];
  continued: { messages: { role: string; content: JsonValue }[]; field?: string }[];
  templates: Record<string, Recorded>;
}
interface Recorded {
  source?: string;
  sha256?: string;
  /** A text for each dialogue; null for an error. */
  texts: (string | null)[];
  continued: (string | null)[];
}

const file = join(import.meta.dirname, 'fixtures/chat/in-use.json.gz');
const record = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Recording;
const now = () => new Date(2026, 2, 7, 15, 4, 9, 120);

/** The folder of the recording, for the templates that are not kept here. */
const folder = process.env.ATHANOR_CHAT_TEMPLATES;

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  vi.useFakeTimers({ toFake: ['Date'], now: now() });
});
afterAll(() => {
  vi.useRealTimers();
});

function messageOf({ role, content, ...fields }: JsonObject & { role: string; content: JsonValue }): Message {
  if (typeof content === 'string') return { role, content, fields };
  const parts = Array.isArray(content) ? (content as JsonObject[]) : [];
  return { role, content: parts.map(({ text }) => text ?? '').join(''), fields: { ...fields, content } };
}

describe.each(Object.entries(record.templates))('%s', (name, { source: kept, sha256, texts, continued }) => {
  const isThere = kept !== undefined || folder !== undefined;
  const source = () => kept ?? readFileSync(join(folder!, name), 'utf8');

  it.skipIf(!isThere)('writes what transformers writes, and fails where it does', () => {
    if (sha256 !== undefined) expect(createHash('sha256').update(source()).digest('hex')).toBe(sha256);
    const template = new Template(source());
    texts.forEach((text, i) => {
      let written: string | null = null;
      try {
        written = template.render(record.contexts[i]!, { now });
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
      }
      expect(written, `dialogue ${i}`).toBe(text);
    });
  });

  it.skipIf(!isThere)('leaves a last message open as transformers does', () => {
    const template = new ChatTemplate(source(), tokenizer);
    continued.forEach((text, i) => {
      const { messages, field = true } = record.continued[i]!;
      // A template that takes no parts gets their text here, and says Python's words there.
      if (messages.some(({ content }) => Array.isArray(content)) && /\[\{/.test(text ?? '[{')) return;
      let open: string | null = null;
      try {
        const inputs = { variables: record.names };
        open = template.render(messages.map(messageOf), { continueFinalMessage: field, inputs });
      } catch (error) {
        if (!(error instanceof RefusedMessages)) throw error;
      }
      expect(open, `dialogue ${i}`).toBe(text);
    });
  });
});

it('a message is left open as tokens too, and what it spells is no control token', () => {
  const template = ChatTemplate.of(tokenizer);
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'Blue <|end|>' },
  ];
  const tokens = template.encode(messages, { continueFinalMessage: true });
  expect([...tokens]).toEqual([
    ...template.encodePrompt(messages.slice(0, 1)),
    ...tokenizer.encode('Blue <|end|>'),
  ]);
});

it('a message cannot be left open and answered', () => {
  const template = ChatTemplate.of(tokenizer);
  const options = { addGenerationPrompt: true, continueFinalMessage: true };
  expectError('ERR_ARGUMENT', /cannot both be given/, () => template.render([], options));
  const open = { continueFinalMessage: true };
  const field = { continueFinalMessage: 'reasoning_content' };
  const user = { role: 'user', content: 'a', fields: { reasoning_content: 'b' } };
  expectError('ERR_CONFIG', /the last message has no `content`/, () => template.render([], open));
  expectError('ERR_CONFIG', /^row: the chat template reads no `reasoning_content`/, () =>
    template.render([user], field, 'row'),
  );
  const deaf = new ChatTemplate("{{ 'content' if messages }}<|end|>", tokenizer);
  expectError('ERR_CONFIG', /changes or leaves out the last message/, () => deaf.render([user], open));
});

/** What models that learned from these templates write is read as what the templates were given. */
describe('calls that a template writes are read', () => {
  const CALLS: [string, JsonObject][] = [
    ['get_weather', { city: 'Orléans <b>', days: 2 }],
    ['search', { query: 'a "b" [c]' }],
  ];
  const parameters = new Map<string, JsonObject>([
    ['get_weather', { properties: { city: { type: 'string' }, days: { type: 'integer' } } }],
    ['search', { properties: { query: { type: 'string' } } }],
  ]);
  const tools = CALLS.map(([name]) => ({
    type: 'function',
    function: { name, description: '', parameters: parameters.get(name)! },
  }));
  const user: Message = { role: 'user', content: 'a' };

  it.each(
    Object.entries(record.templates).flatMap(([name, { source }]): [string, string, string][] => {
      const format = source === undefined ? undefined : toolFormatOf(source);
      // These show their own calls to no model.
      const isDeaf = name.startsWith('HuggingFaceTB_SmolLM3') || source?.includes('tool_calls') === false;
      return format && !isDeaf ? [[name, format.name, source!]] : [];
    }),
  )('%s in the form %s', (_name, form, source) => {
    const format = toolFormatOf(source)!;
    const template = new ChatTemplate(source, tokenizer);
    const count = format.between === undefined ? 1 : 2;
    const given = CALLS.slice(0, count);
    const calls = given.map(([name, args], i) => {
      return { id: `a1b2c3d4${i}`, type: 'function', function: { name, arguments: args } };
    });
    const answer: Message = { role: 'assistant', content: '', fields: { tool_calls: calls } };
    const inputs = { tools, variables: { ...record.names, eos_token: '' } };
    const prompt = template.render([user], { inputs, addGenerationPrompt: true });
    const text = template.render([user, answer], { inputs });
    const said = text.slice(prompt.replace(/<think>\s*$/, '').length).replace(/<\|im_end\|>\s*$/, '');
    const reader = new ToolCallReader(format, [...parameters.keys()], { parameters, isWhole: true });
    const read: { name: string; args: string }[] = [];
    for (const piece of [...reader.push(said), ...reader.end()]) {
      if (piece.kind === 'call') read.push({ name: piece.name, args: '' });
      else if (piece.kind === 'arguments') read[piece.index]!.args += piece.text;
    }
    expect(
      read.map(({ name, args }) => [name, JSON.parse(args)]),
      `${form}: ${said}`,
    ).toEqual(given);
  });
});

it('errors of templates are errors of this package', () => {
  const template = new ChatTemplate("{{ messages[0].content + '' }}<|end|>", tokenizer);
  expect(() => template.render([], {})).toThrow(AthanorError);
});
