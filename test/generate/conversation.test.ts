/** test/cli/chat.test.ts tests conversations as `athanor chat` uses them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Batch } from '../../src/generate/batch.ts';
import { Conversation, type Turn } from '../../src/generate/conversation.ts';
import { TextStream } from '../../src/generate/text-stream.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';

let tokenizer: Tokenizer;
let template: ChatTemplate;
let model: Gpt;
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  template = ChatTemplate.of(tokenizer);
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: 128 };
  model = new Gpt(presetConfig('tiny', shape), { seed: 7 });
});
afterAll(() => model.dispose());

const options = { maxTokens: 12, temperature: 0.8, seed: 5 };
const begin = (system?: string) => new Conversation(model, tokenizer, template, { ...options, system });

describe('a conversation', () => {
  it('says in a batch with others what it says alone', async () => {
    const scripts = [['Hello!', 'Another one?'], ['Name a colour.', 'Red, then.', 'Blue.'], ['Be brief.']];
    const alone = await Promise.all(
      scripts.map(async (messages) => {
        const conversation = begin();
        for (const message of messages) await conversation.answer(message);
        return conversation.messages;
      }),
    );

    // As a server would: one batch, a stream for each request, and the next message as soon as
    // one is answered.
    using batch = new Batch(model, { slots: 2, prefillTokens: 16 });
    const { stopTokens } = template;
    const conversations = scripts.map(() => begin());
    const asked = scripts.map(() => 0);
    const requests = new Map<number, { speaker: number; turn: Turn; stream: TextStream }>();
    const ask = (speaker: number) => {
      const message = scripts[speaker]![asked[speaker]!++];
      if (message === undefined) return;
      const turn = conversations[speaker]!.ask(message);
      const stream = new TextStream(tokenizer, { stopTokens, skipSpecial: true });
      const id = batch.add({ ...options, prompt: turn.prompt, stopTokens });
      requests.set(id, { speaker, turn, stream });
    };
    for (const speaker of scripts.keys()) ask(speaker);
    while (batch.size > 0) {
      for (const { id, token, completion } of batch.step()) {
        const { speaker, turn, stream } = requests.get(id)!;
        stream.push(token);
        if (!completion) continue;
        stream.end();
        turn.end(stream.text);
        ask(speaker);
      }
    }
    expect(conversations.map(({ messages }) => messages)).toEqual(alone);
  });

  it('is as it was while a turn has no end', () => {
    const conversation = begin('Be brief.');
    const { prompt, forgotten, end } = conversation.ask('Hello!');
    expect([conversation.messages.length, forgotten]).toEqual([1, 0]);
    const said = { role: 'user', content: 'Hello!' };
    expect(prompt).toEqual(template.encodePrompt([...conversation.messages, said]));
    end('Red.');
    expect(conversation.messages.slice(1)).toEqual([said, { role: 'assistant', content: 'Red.' }]);
  });

  it('forgets the oldest turns where the answer needs room, once a turn ends', () => {
    const conversation = begin();
    let forgotten = 0;
    for (let i = 0; i < 16; ++i) {
      const turn = conversation.ask(`Another one? ${i}`);
      expect(turn.prompt.length + options.maxTokens).toBeLessThanOrEqual(128);
      forgotten += turn.forgotten;
      turn.end('Blue.');
      expect(conversation.messages.length).toBe(2 * (i + 1) - forgotten);
    }
    expect(forgotten).toBeGreaterThan(0);
    expect(() => conversation.ask('x'.repeat(200))).toThrow("the model's context is 128");
    expect(conversation.messages.length).toBe(32 - forgotten);
  });
});
