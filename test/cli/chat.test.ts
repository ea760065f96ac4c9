/** The chat command as a real process on a tiny model, and the terminal session on streams. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatSession, type Turn } from '../../src/cli/chat-session.ts';
import { Conversation } from '../../src/generate/conversation.ts';
import { generate } from '../../src/generate/generate.ts';
import type { Gpt } from '../../src/nn/gpt.ts';
import { quantizeForDecoding } from '../../src/nn/quantized-weights.ts';
import { ChatTemplate, type Message } from '../../src/text/chat-template.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { athanor, cliPath, lastLineJson, runNode } from '../helpers/cli.ts';

let folder: string;
let model: Gpt;
let tokenizer: Tokenizer;
let template: ChatTemplate;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-chat-'));
  model = await writeChatModel(folder, { contextLength: 256 });
  tokenizer = Tokenizer.load(folder);
  template = ChatTemplate.of(tokenizer);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const common = ['--dtype', 'f32', '--seed', '5', '--max-tokens', '12'];
const chat = (...args: string[]) => athanor('chat', '--model', folder, ...common, ...args);
const piped = (input: string, ...args: string[]) =>
  runNode([cliPath, 'chat', '--model', folder, ...common, ...args], { input });

/** What the model answers, worked out from the template and generate() alone. */
async function expectedAnswers(messages: readonly string[], system?: string): Promise<string[]> {
  const dialogue: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  const answers: string[] = [];
  for (const content of messages) {
    dialogue.push({ role: 'user', content });
    const [completion] = await generate(model, [template.encodePrompt(dialogue)], {
      ...{ temperature: 0.8, topP: 0.95, seed: 5, maxTokens: 12, stopTokens: template.stopTokens },
    });
    const answer = tokenizer.decode(completion!.tokens, { skipSpecial: true });
    dialogue.push({ role: 'assistant', content: answer });
    answers.push(answer);
  }
  return answers;
}

describe('athanor chat', () => {
  it('R44: answers each message from the tokens that the template gives the whole conversation', async () => {
    const { code, stdout } = await chat('--json', '--message', 'Hello!', '--message', 'Another one?');
    expect(code).toBe(0);
    const result = lastLineJson(stdout) as { turns: Turn[]; tokens: number };
    expect(result.turns.map(({ message }) => message)).toEqual(['Hello!', 'Another one?']);
    expect(result.turns.map(({ answer }) => answer)).toEqual(
      await expectedAnswers(['Hello!', 'Another one?']),
    );
    expect(result.tokens).toBe(result.turns.reduce((sum, { tokens }) => sum + tokens, 0));
  });

  it('prints answers, and with --json shows them on stderr instead', async () => {
    const answers = await expectedAnswers(['Hello!'], 'Be brief.');
    const plain = await chat('--system', 'Be brief.', '--message', 'Hello!');
    expect(plain).toMatchObject({ code: 0, stdout: `${answers[0]}\n` });
    const json = await chat('--json', '--system', 'Be brief.', '--message', 'Hello!');
    expect(json.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(json.stderr).toContain(answers[0]);
  });

  it('reads a message a line from a pipe, with its commands', async () => {
    const input = 'Hello!\r\n\n/reset\nHello!\n/system Be brief.\nHello!\n/nonsense\n/exit\nnever read\n';
    const { code, stdout, stderr } = await piped(input, '--json');
    expect(code).toBe(0);
    const { turns } = lastLineJson(stdout) as { turns: Turn[] };
    const [first] = await expectedAnswers(['Hello!']);
    const [briefly] = await expectedAnswers(['Hello!'], 'Be brief.');
    expect(turns.map(({ answer }) => answer)).toEqual([first, first, briefly]);
    expect(stderr).toContain(
      'There is no command /nonsense; the commands are /reset, /system TEXT and /exit.',
    );
  });

  it('takes a message on the command line as it is, though it looks like a command', async () => {
    const { stdout } = await chat('--json', '--message', '/reset');
    expect((lastLineJson(stdout) as { turns: Turn[] }).turns[0]).toMatchObject({ message: '/reset' });
  });

  it('ends with the error of a message that is too long', async () => {
    const { code, stderr } = await piped(`${'colour '.repeat(300)}\n`);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the message has \d+ tokens with its template, but the model's context is 256 \[ERR_ARGUMENT\]/,
    );
  });

  it('refuses a model without a template with the remedy', async () => {
    const base = mkdtempSync(join(tmpdir(), 'athanor-chat-base-'));
    const plain = Tokenizer.load(folder);
    plain.chatTemplate = undefined;
    plain.save(base);
    const { code, stderr } = await athanor('chat', '--model', base, '--message', 'x');
    rmSync(base, { recursive: true });
    expect(code).toBe(2);
    expect(stderr).toMatch(/no chat template \[ERR_CONFIG\]\n {2}fine-tune it with athanor sft/);
  });

  it('stops at Ctrl-C with what was said so far', async () => {
    const args = [cliPath, 'chat', '--model', folder, '--max-tokens', '200', '--temperature', '0'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.write('Hello!\n');
    let stdout = '';
    child.stdout.on('data', (piece: Buffer) => {
      if (stdout === '') child.kill('SIGINT');
      stdout += piece.toString();
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(130);
    expect(stdout).not.toBe('');
  });
});

describe('generate --chat', () => {
  it('answers each prompt as a user message', async () => {
    const args = ['generate', '--model', folder, ...common, '--chat', '--json', 'Hello!'];
    const { code, stdout } = await athanor(...args);
    expect(code).toBe(0);
    const { completions } = lastLineJson(stdout) as { completions: { text: string }[] };
    expect(completions.map(({ text }) => text)).toEqual(await expectedAnswers(['Hello!']));
  });

  it('and chat decode with int8 weights when told to', async () => {
    using _ = quantizeForDecoding(model);
    const wanted = await expectedAnswers(['Hello!']);
    const generated = await athanor(
      'generate',
      '--model',
      folder,
      ...common,
      '--chat',
      '--json',
      '--quantize',
      'int8',
      'Hello!',
    );
    const { completions } = lastLineJson(generated.stdout) as { completions: { text: string }[] };
    expect(completions.map(({ text }) => text)).toEqual(wanted);
    const chatted = await chat('--json', '--message', 'Hello!', '--quantize', 'int8');
    const { turns } = lastLineJson(chatted.stdout) as { turns: Turn[] };
    expect(turns.map(({ answer }) => answer)).toEqual(wanted);
  });

  it('asks for a message', async () => {
    const { code, stderr } = await athanor('generate', '--model', folder, '--chat');
    expect(code).toBe(1);
    expect(stderr).toContain('there is no message to answer');
  });
});

describe('a conversation', () => {
  const options = { maxTokens: 40, temperature: 0.8, seed: 1, system: 'Be brief.' };

  it('forgets its oldest turns when the context is full, and never its system message', async () => {
    const conversation = new Conversation(model, tokenizer, template, options);
    const forgotten: number[] = [];
    for (let i = 0; i < 12; ++i) {
      forgotten.push((await conversation.answer(`Another one? ${i}`)).forgotten);
      const { messages } = conversation;
      expect(messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
      expect(messages.slice(1).map(({ role }) => role)).toEqual(
        messages.slice(1).map((_, k) => (k % 2 === 0 ? 'user' : 'assistant')),
      );
      expect(messages.at(-2)!.content).toBe(`Another one? ${i}`);
      expect(template.encodePrompt(messages.slice(0, -1)).length + 40).toBeLessThanOrEqual(256);
    }
    expect(forgotten[0]).toBe(0);
    expect(forgotten.some((count) => count > 0)).toBe(true);
  });

  it('is as it was after a message that it refused', async () => {
    const conversation = new Conversation(model, tokenizer, template, options);
    await conversation.answer('Hello!');
    const before = [...conversation.messages];
    await expect(conversation.answer('colour '.repeat(300))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(conversation.messages).toEqual(before);
  });
});

describe('on a terminal', () => {
  /** A session on streams, typed to. */
  function terminal(maxTokens: number) {
    const conversation = new Conversation(model, tokenizer, template, { maxTokens, seed: 3 });
    const input = new PassThrough();
    const shown = { answers: '', notes: '' };
    const stream = (name: 'answers' | 'notes') =>
      new PassThrough().on('data', (piece: Buffer) => {
        shown[name] += piece.toString();
      });
    const session = new ChatSession(conversation, { answers: stream('answers'), notes: stream('notes') });
    return { session, input, shown };
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  it('Ctrl-C stops the answer, and at the prompt the program', async () => {
    const { session, input, shown } = terminal(200);
    const ended = session.interactive(input);
    await until(() => shown.answers.includes('> '));
    input.write('Hello!\r');
    const before = shown.answers.length;
    await until(() => shown.answers.length > before + 12);
    input.write('\x03');
    await until(() => session.turns.length === 1);
    expect(session.turns[0]).toMatchObject({ finish: 'aborted' });
    expect(session.turns[0]!.tokens).toBeLessThan(200);
    input.write('\x03');
    await ended;
  });

  it('tells of a message that is too long and goes on', async () => {
    const { session, input, shown } = terminal(5);
    const ended = session.interactive(input);
    input.write(`${'colour '.repeat(300)}\rHello!\r`);
    await until(() => session.turns.length === 1);
    expect(shown.notes).toMatch(/\[the message has \d+ tokens/);
    expect(session.turns[0]).toMatchObject({ message: 'Hello!' });
    input.write('/exit\r');
    await ended;
  });
});
