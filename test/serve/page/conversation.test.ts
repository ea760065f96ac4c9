/** Conversations as trees, what is exported of them, and the small readers of the page. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readInstructions } from '../../../src/data/rows/instructions.ts';
import {
  type AnswerTurn,
  addTurn,
  type Conversation,
  choose,
  merged,
  messagesOf,
  newConversation,
  repair,
  shownPath,
  titleOf,
  type UserTurn,
} from '../../../src/serve/page/conversation.ts';
import { EventParser } from '../../../src/serve/page/event-parser.ts';
import { branchRows, fileName, jsonLines, markdownOf, shownRows } from '../../../src/serve/page/export.ts';
import { readSettings, requestBody } from '../../../src/serve/page/request.ts';
import { levelOf, percent, piecesOf } from '../../../src/serve/page/tokens.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let clock = 0;
const user = (id: string, parent: string | null, text = id): UserTurn => {
  return { kind: 'user', id, parent, text, createdAt: ++clock };
};
const answer = (id: string, parent: string, finish: AnswerTurn['finish'] = 'stop', text = id): AnswerTurn => {
  return { kind: 'answer', id, parent, text, createdAt: ++clock, system: '', finish, model: 'tiny' };
};

/** q1 has two answers; the first was followed by q2, which was edited to q3. */
function tree(): Conversation {
  const made = newConversation('Be brief.', 1);
  for (const turn of [user('q1', null), answer('a1', 'q1'), answer('a1b', 'q1')]) addTurn(made, turn);
  choose(made, made.turns[1]!);
  for (const turn of [user('q2', 'a1'), answer('a2', 'q2')]) addTurn(made, turn);
  for (const turn of [user('q3', 'a1'), answer('a3', 'q3')]) addTurn(made, turn);
  return made;
}
const ids = (conversation: Conversation) => shownPath(conversation).map(({ id }) => id);

describe('a conversation', () => {
  it('shows one branch, and every other one can be chosen', () => {
    const made = tree();
    expect(ids(made)).toEqual(['q1', 'a1', 'q3', 'a3']);
    choose(made, made.turns.find(({ id }) => id === 'q2')!);
    expect(ids(made)).toEqual(['q1', 'a1', 'q2', 'a2']);
    choose(made, made.turns.find(({ id }) => id === 'a1b')!);
    expect(ids(made)).toEqual(['q1', 'a1b']);
    choose(made, made.turns.find(({ id }) => id === 'a1')!);
    expect(ids(made)).toEqual(['q1', 'a1', 'q2', 'a2']);
  });

  it('has the first words of the first message as its name', () => {
    expect(tree().title).toBe('q1');
    expect(titleOf('  a\n b ')).toBe('a b');
    expect(titleOf('word '.repeat(40))).toBe(`${'word '.repeat(12).trim()}…`);
    expect([...titleOf('🙂'.repeat(100))].length).toBe(61);
  });

  it('keeps the turns of two tabs', () => {
    const [mine, stored] = [tree(), tree()];
    addTurn(mine, user('mine', 'a3'));
    addTurn(stored, user('stored', 'a2'));
    const both = merged(mine, stored);
    expect(both.turns.map(({ id }) => id)).toEqual(expect.arrayContaining(['mine', 'stored', 'a1b']));
    expect(both.turns.length).toBe(mine.turns.length + 1);
    expect(ids(both)).toEqual(['q1', 'a1', 'q3', 'a3', 'mine']);
  });

  it('is repaired: answers that never began are dropped, and a pair has two complete ones', () => {
    const made = tree();
    const [first, second, third] = [
      answer('p1', 'a3'),
      answer('p2', 'a3', 'lost'),
      answer('p3', 'a3', 'stop', ''),
    ];
    for (const turn of [first, second, third]) addTurn(made, { ...turn, pair: turn === first ? 'p2' : 'p1' });
    addTurn(made, answer('none', 'a3', 'lost', ''));
    addTurn(made, answer('stopped', 'a3', 'stopped', ''));
    repair(made);
    expect(made.turns.slice(7).map(({ id }) => id)).toEqual(['p1', 'p2', 'p3']);
    expect(made.turns.slice(7).map((turn) => turn.kind === 'answer' && turn.pair)).toEqual([
      ...[undefined, undefined, 'p1'],
    ]);
  });

  it('becomes messages, with the system prompt only where there is one', () => {
    const path = shownPath(tree());
    expect(messagesOf('Be brief.', path)[0]).toEqual({ role: 'system', content: 'Be brief.' });
    expect(messagesOf(' \n', path).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
  });
});

describe('an export', () => {
  it('is read by sft, message for message', async () => {
    const made = tree();
    addTurn(made, user('q4', 'a3', 'Quotes " and\nlines \u2028 and 🙂'));
    addTurn(made, answer('a4', 'q4', 'length', '```js\nx\n```'));
    addTurn(made, user('unanswered', 'a4'));
    const file = join(folder, 'shown.jsonl');
    writeFileSync(file, jsonLines(shownRows(made)));
    const { rows } = await readInstructions(file);
    const turns = rows.map(({ messages }) => messages.map(({ role, content }) => `${role}: ${content}`));
    expect(turns).toEqual([
      [
        'system: Be brief.',
        ...['user: q1', 'assistant: a1', 'user: q3', 'assistant: a3'],
        'user: Quotes " and\nlines \u2028 and 🙂',
        'assistant: ```js\nx\n```',
      ],
    ]);
  });

  it('has a row for each branch, and none that ends in an answer that was cut off', () => {
    const made = tree();
    addTurn(made, user('q4', 'a3'));
    addTurn(made, answer('cut', 'q4', 'stopped'));
    expect(branchRows(made).map(({ messages }) => messages.at(-1)!.content)).toEqual(['a1b', 'a2', 'a3']);
    expect(shownRows(made)[0]!.messages.at(-1)!.content).toBe('a3');
    expect(shownRows(newConversation('', 1))).toEqual([]);
  });

  it('as Markdown names who speaks', () => {
    expect(markdownOf(tree())).toBe(
      '# q1\n\n## System prompt\n\nBe brief.\n\n## User\n\nq1\n\n## tiny\n\na1\n\n## User\n\nq3\n\n## tiny\n\na3\n',
    );
  });

  it('has a name that every file system takes', () => {
    expect(fileName('What is 1/2 of C:\\x? "Yes"', 'md')).toBe('what-is-1-2-of-c-x-yes.md');
    expect(fileName('…', 'jsonl')).toBe('conversation.jsonl');
    expect(fileName('Grüße 中文', 'md')).toBe('grüße-中文.md');
  });
});

it('server-sent events are the same however the stream is cut', () => {
  const stream =
    ': ping\n\nevent: x\ndata: {"a":1}\n\ndata:two\ndata: lines\r\n\r\nid: 7\rdata: é🙂\r\rdatax: no\n\ndata: [DONE]\n\ndata: open';
  const expected = ['{"a":1}', 'two\nlines', 'é🙂', '[DONE]'];
  expect(new EventParser().push(stream)).toEqual(expected);
  for (let size = 1; size < 12; ++size) {
    const parser = new EventParser();
    const read: string[] = [];
    for (let at = 0; at < stream.length; at += size) read.push(...parser.push(stream.slice(at, at + size)));
    expect([size, read]).toEqual([size, expected]);
  }
});

describe('tokens', () => {
  const report = (token: string, logprob: number, bytes: number[]) => ({
    ...{ token, logprob, bytes },
    top_logprobs: [
      { token, logprob },
      { token: ' no', logprob: -3 },
    ],
  });

  it('are joined where only together they are a character', () => {
    const smile = [...Buffer.from('🙂')];
    const pieces = piecesOf([
      report('Hi', -0.1, [72, 105]),
      report('�', -0.5, smile.slice(0, 2)),
      report('�', -0.25, smile.slice(2)),
      report('�', -1, [0xff]),
    ]);
    expect(pieces.map(({ text, logProb, tokens }) => [text, logProb, tokens])).toEqual([
      ['Hi', -0.1, 1],
      ['🙂', -0.75, 2],
      ['�', -1, 1],
    ]);
    expect(pieces.map(({ others }) => others.length)).toEqual([1, 0, 1]);
    const bytes = [...smile.slice(0, 3), 0x80, 0xc9, 0x86, 0xe2, 0x82, 0x41, 0xc3];
    const broken = piecesOf(bytes.map((byte) => report('�', -1, [byte])));
    expect(broken.map(({ tokens }) => tokens)).toEqual([4, 2, 2, 1, 1]);
    expect(broken.map(({ text }) => text).join('')).toBe(new TextDecoder().decode(Uint8Array.from(bytes)));
  });

  it('have levels and percentages', () => {
    expect([0, -0.1, -0.11, -0.69, -0.7, -2.3, -2.31, -50].map(levelOf)).toEqual([
      ...['sure', 'sure', 'likely', 'likely', 'unsure', 'unsure', 'unlikely', 'unlikely'],
    ]);
    expect([0, Math.log(0.995), Math.log(0.5), Math.log(0.034), -20].map(percent)).toEqual([
      ...['100 %', '99.5 %', '50 %', '3.4 %', 'under 0.01 %'],
    ]);
  });
});

describe('settings', () => {
  it('that are not set are left to the server', () => {
    const messages = [{ role: 'user', content: 'x' } as const];
    const base = { messages, stream: true, stream_options: { include_usage: true } };
    expect(requestBody(readSettings(null), messages, { answers: 1, versions: 0 })).toEqual(base);
    const settings = {
      ...readSettings(null),
      temperature: 0,
      seed: 7,
      stop: ['\n'],
      logprobs: true,
      user: 'ann',
    };
    expect(requestBody(settings, messages, { answers: 2, versions: 1 })).toEqual({
      ...base,
      ...{ temperature: 0, seed: 8, n: 2, stop: ['\n'], logprobs: true, top_logprobs: 5, user: 'ann' },
    });
  });

  it('survive what another page left in the storage', () => {
    for (const json of [
      '',
      'null',
      '[]',
      '7',
      '{"temperature":"x","stop":7,"system":[],"top_k":null}',
      '{',
    ]) {
      expect(readSettings(json)).toEqual(readSettings(null));
    }
    expect(readSettings('{"temperature":0.5,"system":"s","more":1}')).toMatchObject({
      temperature: 0.5,
      system: 's',
    });
  });
});
