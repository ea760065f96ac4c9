/**
 * The forms of public chat templates, compared with transformers (scripts/record-chat.py): the same
 * text, the same ids, and masks that are right for any text.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { rng } from '../helpers/reference.ts';

const fixtures = join(import.meta.dirname, 'fixtures/chat');
const readJson = (name: string) => JSON.parse(readFileSync(join(fixtures, name), 'utf8'));

interface Render {
  messages: Message[];
  prompt: boolean;
  text: string;
  ids: number[];
}
type Shape = { bos?: string; eos: string; special: string[] };

const shapes = readJson('templates.json') as Record<string, Shape>;
const { renders } = readJson('renders.json') as { renders: Record<string, Render[]> };

function load(name: string) {
  const { bos, eos, special } = shapes[name]!;
  const names = [...(bos === undefined ? [] : [bos]), eos, ...special];
  const complete = Tokenizer.load(join(fixtures, 'tokenizer.json')).withSpecialTokens(names);
  const folder = mkdtempSync(join(tmpdir(), 'athanor-shape-'));
  complete.save(folder);
  const config = { eos_token: eos, ...(bos !== undefined && { bos_token: bos }) };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  copyFileSync(join(fixtures, `${name}.jinja`), join(folder, 'chat_template.jinja'));
  const tokenizer = Tokenizer.load(folder);
  rmSync(folder, { recursive: true });
  return { tokenizer, template: ChatTemplate.of(tokenizer) };
}

/** What an assistant's turn adds to its words, after the prompt for it. */
const answers: Record<string, (said: string) => string> = {
  chatml: (said) => `${said}<|im_end|>`,
  'llama-3': (said) => `${said.trim()}<|eot_id|>`,
  'llama-2': (said) => ` ${said.trim()} </s>`,
  zephyr: (said) => `${said}</s>`,
  gemma: (said) => `${said.trim()}<end_of_turn>`,
  'phi-3': (said) => `${said}<|end|>`,
  thinking: (said) => `${said}<|im_end|>`,
};

/** The stretches of learned tokens, as text. */
function learned(tokenizer: Tokenizer, tokens: Int32Array, supervised: Uint8Array): string[] {
  const runs: number[][] = [];
  tokens.forEach((id, i) => {
    if (!supervised[i]) return;
    if (i === 0 || !supervised[i - 1]) runs.push([]);
    runs.at(-1)!.push(id);
  });
  return runs.map((ids) => tokenizer.decode(ids));
}

describe.each(Object.keys(shapes))('%s', (name) => {
  const { tokenizer, template } = load(name);
  const special = new Set(tokenizer.specialTokens.values());

  it("R44: text and ids are transformers', with one begin-of-text at most", () => {
    for (const { messages, prompt, text, ids } of renders[name]!) {
      expect(template.render(messages, { addGenerationPrompt: prompt })).toBe(text);
      const ours = prompt ? template.encodePrompt(messages) : template.encodeDialogue(messages).tokens;
      expect(Array.from(ours)).toEqual(ids);
      const begin = tokenizer.chatTemplate!.includes('bos_token') ? 1 : 0;
      const wanted = name === 'llama-2' ? messages.filter(({ role }) => role === 'user').length : begin;
      expect(Array.from(ours).filter((id) => id === tokenizer.bosId)).toHaveLength(wanted);
    }
  });

  it('R7: learns each answer to its end token, and not what the template writes behind it', () => {
    for (const { messages } of renders[name]!.filter(({ prompt }) => !prompt)) {
      const { tokens, supervised } = template.encodeDialogue(messages);
      const said = messages.filter(({ role }) => role === 'assistant');
      const expected = said.map(({ content }) => answers[name]!(content));
      if (name === 'thinking') expected.push(`<think>\n\n</think>\n\n${expected.pop()}`);
      expect(learned(tokenizer, tokens, supervised)).toEqual(expected);
    }
  });

  it('stops at its end token', () => {
    const [first] = template.stopTokens;
    expect(tokenizer.tokenOf(first!)).toBe(answers[name]!('').trim());
    expect(template.stopTokens).toContain(tokenizer.eosId);
  });

  it('R44: prompts begin dialogues and masks end at end tokens, whatever is said', () => {
    const pieces = [
      ...tokenizer.specialTokens.keys(),
      ...[
        '<|',
        '|>',
        '<',
        '>',
        '[/INST]',
        '\n',
        ' ',
        '\n\n',
        'Blue',
        '.',
        'é',
        '🙂',
        '日本',
        '\u0301',
        '',
        '\ue000',
        '\t',
      ],
    ];
    const random = rng(shapes[name]!.eos.length + name.length);
    for (let round = 0; round < 150; ++round) {
      const content = () =>
        Array.from({ length: random.integer(8) }, () => pieces[random.integer(pieces.length)]!).join('');
      const turns = 1 + random.integer(3);
      const messages = Array.from({ length: 2 * turns }, (_, i): Message => {
        return { role: i % 2 === 0 ? 'user' : 'assistant', content: content() };
      });
      const { tokens, supervised } = template.encodeDialogue(messages);
      const harmless = template.encodeDialogue(messages.map(({ role }) => ({ role, content: 'x' })));
      const control = (ids: Int32Array) => Array.from(ids).filter((id) => special.has(id));
      expect(control(tokens)).toEqual(control(harmless.tokens));
      expect(tokenizer.decode(tokens)).toBe(template.render(messages));
      const ends = Array.from(tokens, (id, i) => supervised[i] && special.has(id));
      expect(ends.filter(Boolean)).toHaveLength(turns);
      for (let turn = 1; turn < messages.length; turn += 2) {
        const prompt = template.encodePrompt(messages.slice(0, turn));
        const text = template.render(messages.slice(0, turn), { addGenerationPrompt: true });
        const bytes = Buffer.byteLength(text);
        const begin = firstAt(tokenizer, tokens, bytes);
        // Where a token joins the last of the prompt to the first of the answer, it is
        // nobody's to learn.
        const straddled = tokenizer.decodeBytes(tokens.slice(0, begin)).length > bytes;
        expect(supervised[begin - 1]).toBe(0);
        expect(supervised[begin]).toBe(1);
        if (straddled) expect(/^\s/.test(messages[turn]!.content)).toBe(true);
        else if (special.has(prompt.at(-1)!) || !/^\s/.test(messages[turn]!.content)) {
          expect(Array.from(tokens.slice(0, begin))).toEqual(Array.from(prompt));
        }
      }
    }
  });
});

/** The first token that begins at this byte or after it. */
function firstAt(tokenizer: Tokenizer, tokens: Int32Array, bytes: number): number {
  let at = 0;
  let index = 0;
  while (at < bytes) at += tokenizer.byteLength(tokens[index++]!);
  return index;
}

it('R44: a turn that leaves unsaid what an earlier one said is refused, naming the turn', () => {
  const { tokenizer } = load('chatml');
  const source =
    "{% for m in messages %}{% if loop.last or m['role'] == 'user' %}<|im_start|>{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}";
  const messages = ['a', 'b', 'c', 'd'].map((content, i) => ({
    role: i % 2 ? 'assistant' : 'user',
    content,
  }));
  expect(() => new ChatTemplate(source, tokenizer).encodeDialogue(messages, 'rows.jsonl:3')).toThrow(
    /^rows\.jsonl:3: the chat template is not prefix-preserving: turn 2 does not follow/,
  );
});
