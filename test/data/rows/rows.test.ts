/**
 * Instructions, comparisons and prompts from files: every form of row that is accepted, and every
 * kind that is refused.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../../src/base/json.ts';
import { rankedPairs, readComparisons } from '../../../src/data/rows/comparisons.ts';
import { readInstructions } from '../../../src/data/rows/instructions.ts';
import { readPrompts } from '../../../src/data/rows/prompts.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });

/** A .jsonl file of these rows; texts are lines as they are. */
function write(rows: readonly unknown[], name = 'rows.jsonl'): string {
  const path = join(temporaryFolder(), name);
  const lines = rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)));
  const text = Buffer.from(`${lines.join('\n')}\n`);
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(text) : text);
  return path;
}

const good = { prompt: 'Name a colour.', completion: 'Blue.' };

describe('instructions', () => {
  it.each([
    ['messages', { messages: [user('a'), assistant('b')] }, [user('a'), assistant('b')]],
    [
      'messages of several turns with a system message',
      { messages: [system('s'), user('a'), assistant('b'), user('c'), assistant('d')] },
      [system('s'), user('a'), assistant('b'), user('c'), assistant('d')],
    ],
    [
      'an empty system message, which is none',
      { messages: [system(' '), user('a'), assistant('b')] },
      [user('a'), assistant('b')],
    ],
    ['prompt and completion', { prompt: 'a', completion: 'b', id: 7 }, [user('a'), assistant('b')]],
    [
      'prompt and completion as messages',
      { prompt: [system('s'), user('a')], completion: [assistant('b')] },
      [system('s'), user('a'), assistant('b')],
    ],
    ['instruction and output', { instruction: 'a', input: '', output: 'b' }, [user('a'), assistant('b')]],
    [
      'instruction, input and output',
      { instruction: 'a', input: 'x', output: 'b' },
      [user('a\n\nx'), assistant('b')],
    ],
    [
      'fields of another form that are null',
      { messages: null, prompt: null, instruction: 'a', input: null, output: 'b' },
      [user('a'), assistant('b')],
    ],
    [
      'contents as they are, white space included',
      { prompt: ' a\n', completion: '\u{1f600}\u0000 ' },
      [user(' a\n'), assistant('\u{1f600}\u0000 ')],
    ],
  ])('from %s', async (_, row, messages) => {
    const path = write(['', row, '  ']);
    const { rows, counts } = await readInstructions(path);
    expect(rows).toEqual([{ id: `${path}:2`, messages }]);
    expect(counts.describe()).toBe('');
  });

  it('that go on after the last answer are cut there and counted', async () => {
    const row = { messages: [user('a'), assistant('b'), user('c')] };
    const { rows, counts } = await readInstructions(write([row]));
    expect(rows[0]!.messages).toEqual([user('a'), assistant('b')]);
    expect(counts.changed).toEqual({ 'dialogues cut after their last answer': 1 });
    expect(counts.describe()).toBe('1 dialogues cut after their last answer');
  });

  it.each([
    ['text that is not JSON', 'bad_json', '{"prompt": "a"', /not JSON/],
    ['a list', 'bad_row', [good], /it is a list, not an object/],
    ['a number', 'bad_row', '7', /it is a number, not an object/],
    [
      'unknown fields',
      'bad_row',
      { question: 'a', answer: 'b' },
      /it has question, answer; expected messages/,
    ],
    ['nothing', 'bad_row', {}, /it has nothing; expected/],
    ['messages that are a text', 'bad_row', { messages: 'a' }, /"messages" is a string, not a list/],
    ['no messages', 'empty', { messages: [] }, /"messages" is empty/],
    ['a message that is null', 'bad_row', { messages: [null] }, /message 1 of "messages" is null/],
    ['an unknown role', 'bad_row', { messages: [{ role: 'bot', content: 'a' }] }, /has the role "bot"/],
    ['no role', 'bad_row', { messages: [{ content: 'a' }] }, /has the role null/],
    [
      'contents in parts that are no text',
      'bad_row',
      { messages: [{ role: 'user', content: [{ type: 'image', url: 'a' }] }] },
      /part 1 of message 1 of "messages" has the type "image"; only text is supported/,
    ],
    ['no content', 'bad_row', { messages: [{ role: 'user' }] }, /the content of message 1 .* is missing/],
    [
      'a user message that is empty',
      'empty',
      { messages: [user(' \n'), assistant('b')] },
      /turn 1 of "messages" is empty/,
    ],
    [
      'an answer that is empty',
      'empty',
      { messages: [system('s'), user('a'), assistant('')] },
      /turn 2 of "messages" is empty/,
    ],
    ['no answer', 'bad_row', { messages: [user('a')] }, /no turn of the assistant/],
    [
      'two turns of one side',
      'bad_row',
      { messages: [user('a'), user('b')] },
      /turn 2 .* is the user's, expected the assistant's/,
    ],
    [
      'an assistant who begins',
      'bad_row',
      { messages: [assistant('a')] },
      /turn 1 .* is the assistant's, expected the user's/,
    ],
    [
      'a system message later on',
      'bad_row',
      { messages: [user('a'), system('s'), assistant('b')] },
      /turn 2 of "messages" is the system's/,
    ],
    ['no completion', 'bad_row', { prompt: 'a' }, /"completion" is missing, not a text/],
    ['an empty completion', 'empty', { prompt: 'a', completion: ' ' }, /"completion" is empty/],
    ['an empty prompt', 'empty', { prompt: '', completion: 'b' }, /"prompt" is empty/],
    [
      'a prompt that is a number',
      'bad_row',
      { prompt: 5, completion: 'b' },
      /"prompt" is a number, not a text/,
    ],
    [
      'a prompt that ends with an answer',
      'bad_row',
      { prompt: [user('a'), assistant('b')], completion: 'c' },
      /"prompt" does not end with the user's turn/,
    ],
    [
      'a completion of the user',
      'bad_row',
      { prompt: 'a', completion: [user('b')] },
      /the message in "completion" is not the assistant's/,
    ],
    [
      'a completion of two messages',
      'bad_row',
      { prompt: 'a', completion: [assistant('b'), assistant('c')] },
      /"completion" is not one message/,
    ],
    ['no output', 'bad_row', { instruction: 'a', output: null }, /"output" is null, not a text/],
    ['an input that is a list', 'bad_row', { instruction: 'a', input: [], output: 'b' }, /"input" is a list/],
  ])('with %s are left out, counted and named', async (_, reason, row, message) => {
    const path = write([good, Array.isArray(row) ? JSON.stringify(row) : row, good]);
    const { rows, counts } = await readInstructions(path);
    expect(rows.map(({ id }) => id)).toEqual([`${path}:1`, `${path}:3`]);
    expect(counts.dropped).toEqual({ [reason]: 1 });
    expect(counts.examples).toHaveLength(1);
    expect(counts.examples[0]).toMatch(message);
    expect(counts.examples[0]!.startsWith(`${path}:2: `)).toBe(true);
    const stopped = readInstructions(path, { onBadLine: 'fail' });
    if (reason === 'empty') expect((await stopped).rows).toHaveLength(2);
    else await expect(stopped).rejects.toMatchObject({ code: 'ERR_FORMAT', message: counts.examples[0] });
  });

  it('are counted by reason, with the first of each', async () => {
    const rows = [good, 'x', '[]', 'y', { prompt: '' }, { prompt: '' }, Buffer.from('7').toString()];
    const { counts } = await readInstructions(write(rows));
    expect(counts.dropped).toEqual({ bad_json: 2, bad_row: 2, empty: 2 });
    expect(counts.examples.map((text) => /:(\d): /.exec(text)![1])).toEqual(['2', '3', '5']);
    expect(counts.describe()).toMatch(
      /^left out 6 rows \(bad json 2, bad row 2, empty 2\); the first of each: .*:2: /,
    );
  });
});

describe('files', () => {
  const messages = [user('Name a colour.'), assistant('Blue.')];

  it('are JSONL, JSON lists, either of them compressed, or a folder of them in name order', async () => {
    const folder = temporaryFolder();
    const line = `${JSON.stringify(good)}\n`;
    writeFileSync(join(folder, 'd.jsonl'), `\ufeff${line}${line.trimEnd()}`);
    writeFileSync(join(folder, 'b.json'), JSON.stringify([good, 5, good], undefined, 2));
    writeFileSync(join(folder, 'c.jsonl.gz'), gzipSync(line));
    writeFileSync(join(folder, 'a.json.gz'), gzipSync(JSON.stringify([good])));
    writeFileSync(join(folder, 'notes.txt'), 'not read');
    writeFileSync(join(folder, '.hidden.jsonl'), 'not read');
    mkdirSync(join(folder, 'deeper'));
    const { rows, counts } = await readInstructions(folder);
    const ids = ['a.json.gz[0]', 'b.json[0]', 'b.json[2]', 'c.jsonl.gz:1', 'd.jsonl:1', 'd.jsonl:2'];
    expect(rows).toEqual(ids.map((id) => ({ id: join(folder, id), messages })));
    expect(counts.examples[0]).toMatch(/b\.json\[1\]: .*it is a number, not an object/);
  });

  it('that are missing, empty or of another kind are named', async () => {
    const folder = temporaryFolder();
    await expect(readInstructions(join(folder, 'none.jsonl'))).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
    await expect(readInstructions(folder)).rejects.toThrow(
      /holds no \.jsonl, \.json, \.parquet or \.arrow file/,
    );
    const empty = write([]);
    await expect(readInstructions(empty)).rejects.toThrow(`${empty} has no row that can be used`);
    await expect(readInstructions(write(['a,b', '1,2']))).rejects.toThrow(
      /no row that can be used: left out 2 rows \(bad json 2\); the first of each: .*rows\.jsonl:1: not JSON/,
    );
    // What datasets and pandas write by default.
    const lines = await readInstructions(write([good, '', good], 'rows.json'));
    expect(lines.rows).toHaveLength(2);
    const object = write(['{"rows": []}'], 'rows.json');
    await expect(readInstructions(object)).rejects.toThrow(`${object}: it is an object, not a list of rows`);
    await expect(readInstructions(write(['[{'], 'rows.json'))).rejects.toThrow(/rows\.json: it is not JSON/);
    const cut = write([good, good], 'rows.jsonl.gz');
    writeFileSync(cut, readFileSync(cut).subarray(0, 30));
    await expect(readInstructions(cut)).rejects.toMatchObject({ code: 'ERR_FILE_DAMAGED' });
  });

  it('damaged anywhere lose rows, and every lost row is counted', async () => {
    const random = rng(11);
    const path = write(
      Array.from({ length: 20 }, (_, i) => ({ prompt: `Question ${i}?`, completion: 'Yes \u{1f600}.' })),
    );
    const whole = readFileSync(path);
    for (let round = 0; round < 200; ++round) {
      const bytes = Buffer.from(whole);
      for (let hit = 0; hit <= random.integer(3); ++hit) {
        // A newline made or lost would change how many rows there are.
        const at = random.integer(bytes.length);
        if (bytes[at] !== 10) bytes[at] = 11 + random.integer(245);
      }
      writeFileSync(path, bytes);
      const { rows, counts } = await readInstructions(path);
      const lost = Object.values(counts.dropped).reduce((sum, count) => sum + count, 0);
      expect(rows.length + lost).toBe(20);
      expect(lost).toBeLessThanOrEqual(3);
    }
  });
});

describe('comparisons', () => {
  const prompt = [user('a')];
  const human = (...turns: string[]) =>
    turns.map((text, i) => `\n\n${i % 2 === 0 ? 'Human' : 'Assistant'}: ${text}`).join('');

  it.each([
    ['a pair', { prompt: 'a', chosen: 'b', rejected: 'c' }, [user('a')], ['b', 'c'], [0, 1]],
    [
      'a pair of messages',
      { prompt: [system('s'), user('a')], chosen: [assistant('b')], rejected: [assistant('c')] },
      [system('s'), user('a')],
      ['b', 'c'],
      [0, 1],
    ],
    [
      'a prompt and whole dialogues',
      { prompt: 'a', chosen: [user('a'), assistant('b')], rejected: [user('a'), assistant('c')] },
      prompt,
      ['b', 'c'],
      [0, 1],
    ],
    [
      'two dialogues',
      {
        chosen: [user('a'), assistant('x'), user('d'), assistant('b')],
        rejected: [user('a'), assistant('x'), user('d'), assistant('c')],
      },
      [user('a'), assistant('x'), user('d')],
      ['b', 'c'],
      [0, 1],
    ],
    [
      'two transcripts',
      { chosen: human('a', 'x: y', 'd\n\ne', 'b '), rejected: human('a', 'x: y', 'd\n\ne', ' c') },
      [user('a'), assistant('x: y'), user('d\n\ne')],
      ['b', 'c'],
      [0, 1],
    ],
    ['a ranking', { prompt: 'a', completions: ['b', 'c', 'd'] }, prompt, ['b', 'c', 'd'], [0, 1, 2]],
    [
      'ranks',
      { prompt: 'a', completions: ['b', 'c', 'd'], ranks: [3, 1, 2] },
      prompt,
      ['b', 'c', 'd'],
      [2, 0, 1],
    ],
    [
      'scores',
      { prompt: 'a', completions: ['b', 'c', 'd'], scores: [-0.5, 7, 1] },
      prompt,
      ['b', 'c', 'd'],
      [2, 0, 1],
    ],
    [
      'ties among others',
      { prompt: 'a', completions: ['b', 'c', 'd'], scores: [1, 7, 1] },
      prompt,
      ['b', 'c', 'd'],
      [1, 0, 1],
    ],
  ])('from %s', async (_, row, expectedPrompt, completions, ranks) => {
    const path = write([row]);
    const { rows } = await readComparisons(path);
    expect(rows).toEqual([{ id: `${path}:1`, prompt: expectedPrompt, completions, ranks }]);
  });

  it('have all pairs that are no tie', async () => {
    const ranking = { prompt: 'a', completions: ['b', 'c', 'd', 'e'] };
    const tied = { prompt: 'a', completions: ['b', 'c', 'd', 'e'], scores: [1, 1, 0, 0] };
    const { rows, counts } = await readComparisons(write([ranking, tied]));
    expect(rankedPairs(rows[0]!)).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    expect(rankedPairs(rows[1]!)).toEqual([
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
    ]);
    expect(counts.changed).toEqual({ 'tied pairs left out': 2 });
  });

  it('of equal completions are made one, with the best rank, and counted', async () => {
    const row = { prompt: 'a', completions: ['c', 'b', 'c', 'd'], ranks: [2, 1, 0, 3] };
    const { rows, counts } = await readComparisons(write([row]));
    expect(rows[0]).toMatchObject({ completions: ['b', 'c', 'd'], ranks: [1, 0, 3] });
    expect(counts.changed).toEqual({ 'repeated completions merged': 1 });
  });

  it('keep a margin', async () => {
    const row = { prompt: 'a', chosen: 'b', rejected: 'c', margin: 0.5 };
    expect((await readComparisons(write([row]))).rows[0]!.margin).toBe(0.5);
  });

  const pair = { prompt: 'a', chosen: 'b', rejected: 'c' };
  it.each([
    ['the same twice', 'duplicate', pair, /the same comparison came before/],
    ['equal answers', 'tie', { ...pair, chosen: 'c' }, /no completion is better/],
    [
      'equal scores',
      'tie',
      { prompt: 'a', completions: ['b', 'c'], scores: [1, 1] },
      /no completion is better/,
    ],
    ['no answers', 'bad_row', { prompt: 'a' }, /neither chosen and rejected nor completions/],
    ['no rejected answer', 'bad_row', { ...pair, rejected: null }, /neither chosen and rejected/],
    ['an empty answer', 'empty', { ...pair, chosen: ' ' }, /"chosen" is empty/],
    ['an answer that is a number', 'bad_row', { ...pair, chosen: 7 }, /"chosen" is a number/],
    [
      'a margin that is a text',
      'bad_row',
      { ...pair, margin: '1' },
      /"margin" is a string, not a number of at least 0/,
    ],
    ['a negative margin', 'bad_row', { ...pair, margin: -1 }, /"margin" is -1/],
    ['one completion', 'bad_row', { prompt: 'a', completions: ['b'] }, /at least two completions/],
    ['an empty completion', 'empty', { prompt: 'a', completions: ['b', ''] }, /completion 2 is empty/],
    [
      'completions that are a text',
      'bad_row',
      { prompt: 'a', completions: 'b' },
      /"completions" is a string/,
    ],
    [
      'a rank too few',
      'bad_row',
      { prompt: 'a', completions: ['b', 'c'], ranks: [0] },
      /"ranks" is not a list of 2/,
    ],
    [
      'a score that is null',
      'bad_row',
      { prompt: 'a', completions: ['b', 'c'], scores: [0, null] },
      /"scores" is not/,
    ],
    ['no prompt to completions', 'bad_row', { completions: ['b', 'c'] }, /"prompt" is missing/],
    [
      'dialogues of other questions',
      'bad_row',
      { chosen: [user('a'), assistant('b')], rejected: [user('x'), assistant('c')] },
      /differ before their last turn/,
    ],
    [
      'a dialogue of another prompt',
      'bad_row',
      { ...pair, chosen: [user('x'), assistant('b')] },
      /"chosen" does not begin with the messages of "prompt"/,
    ],
    [
      'a dialogue that ends with a question',
      'bad_row',
      { chosen: [user('a')], rejected: [user('a')] },
      /"chosen" does not end with an answer/,
    ],
    ['texts without turns or prompt', 'bad_row', { chosen: 'b', rejected: 'c' }, /no turns of "Human:"/],
    [
      'a transcript with a beginning of nobody',
      'bad_row',
      { chosen: `hello${human('a', 'b')}`, rejected: human('a', 'c') },
      /"chosen" begins with text before the first turn/,
    ],
    [
      'a transcript of an empty answer',
      'empty',
      { chosen: human('a', ''), rejected: human('a', 'c') },
      /turn 2 of "chosen" is empty/,
    ],
    [
      'a transcript in which one side speaks twice',
      'bad_row',
      { chosen: '\n\nHuman: a\n\nHuman: b\n\nAssistant: c', rejected: human('a', 'c') },
      /turn 2 of "chosen" is the user's/,
    ],
  ])('with %s are left out, counted and named', async (_, reason, row, message) => {
    const path = write([pair, row]);
    const { rows, counts } = await readComparisons(path);
    expect(rows).toHaveLength(1);
    expect(counts.dropped).toEqual({ [reason]: 1 });
    expect(counts.examples[0]).toMatch(message);
  });
});

describe('prompts', () => {
  it('keep the whole row for reward functions', async () => {
    const rows = [
      { prompt: 'a', answer: 4, tags: ['x'] },
      { messages: [system('s'), user('a'), assistant('b')], answer: 5 },
      { prompt: [user('a'), assistant('b'), user('c')] },
    ];
    const path = write(rows);
    const read = await readPrompts(path);
    expect(read.rows).toEqual([
      { id: `${path}:1`, messages: [user('a')], row: rows[0] },
      { id: `${path}:2`, messages: [system('s'), user('a')], row: rows[1] },
      { id: `${path}:3`, messages: [user('a'), assistant('b'), user('c')], row: rows[2] },
    ]);
    expect(read.counts.changed).toEqual({ 'dialogues whose last answer was left out of the prompt': 1 });
  });

  it.each([
    ['neither prompt nor messages', 'bad_row', { text: 'a' }, /neither prompt nor messages/],
    ['no question', 'bad_row', { messages: [system('s')] }, /no turn of the user/],
    ['an empty prompt', 'empty', { prompt: '\t' }, /"prompt" is empty/],
  ])('with %s are left out, counted and named', async (_, reason, row, message) => {
    const { counts } = await readPrompts(write([{ prompt: 'a' }, row]));
    expect(counts.dropped).toEqual({ [reason]: 1 });
    expect(counts.examples[0]).toMatch(message);
  });
});

describe('fields of rows and messages', () => {
  const calls = [{ type: 'function', function: { name: 'f', arguments: { x: 1 } } }];
  const tool = { role: 'tool', name: 'f', content: '' };

  it('reach the template: tool calls, reasoning, tools, documents and variables', async () => {
    const row = {
      messages: [
        user('a'),
        { role: 'assistant', content: null, tool_calls: calls, reasoning_content: 'Hm', thinking: null },
        tool,
        tool,
        assistant('b'),
      ],
      tools: JSON.stringify([{ name: 'f' }]),
      documents: [{ title: 't' }],
      chat_template_kwargs: { enable_thinking: false },
    };
    const { rows, counts } = await readInstructions(write([row]));
    const called = {
      role: 'assistant',
      content: '',
      fields: { tool_calls: calls, reasoning_content: 'Hm', content: null },
    };
    const result = { role: 'tool', content: '', fields: { name: 'f' } };
    expect(rows[0]!.messages).toEqual([user('a'), called, result, result, assistant('b')]);
    expect(rows[0]!.inputs).toEqual({
      tools: [{ name: 'f' }],
      documents: [{ title: 't' }],
      variables: { enable_thinking: false },
    });
    expect(counts.describe()).toBe('');
    const { rows: prompts } = await readPrompts(write([row]));
    expect(prompts[0]).toMatchObject({
      messages: [user('a'), called, result, result],
      inputs: rows[0]!.inputs,
    });
  });

  it('of completions are told apart and kept', async () => {
    const answer = { ...assistant('b'), reasoning_content: 'x' };
    const row = { prompt: [user('a')], chosen: [answer], rejected: [assistant('b')], tools: [] };
    const { rows } = await readComparisons(write([row]));
    expect(rows[0]).toMatchObject({
      completions: ['b', 'b'],
      completionFields: [{ reasoning_content: 'x' }, undefined],
      inputs: { tools: [] },
    });
  });

  it('say which turns are learned', async () => {
    const turns = (more: object) => [user('a'), { ...assistant('b'), ...more }, user('c'), assistant('d')];
    const rows = [{ weight: 0 }, { train: false }, { weight: 1, train: true }, { weight: null }];
    const read = await readInstructions(write(rows.map((more) => ({ messages: turns(more) }))));
    expect(read.rows.map(({ messages }) => messages[1]!.train)).toEqual([false, false, undefined, undefined]);
    const bad = [{ weight: 0.5 }, { train: 'no' }].map((more) => ({ messages: turns(more) }));
    const { counts } = await readInstructions(write([good, ...bad]));
    expect(counts.dropped).toEqual({ bad_row: 2 });
    expect(counts.describe()).toMatch(/the weight of message 2 of "messages" is 0\.5, not 0 or 1/);
  });

  it.each([
    [{ ...good, tools: 'f' }, /"tools" is a text that is not JSON/],
    [{ ...good, tools: '{}' }, /"tools" is an object, not a list/],
    [{ ...good, chat_template_kwargs: [] }, /"chat_template_kwargs" is a list, not an object/],
    [
      { messages: [user('a'), assistant('b'), tool] },
      /turn 3 of "messages" is the tool's, expected the user's/,
    ],
    [{ messages: [user('a'), { role: 'assistant', content: '' }] }, /turn 2 of "messages" is empty/],
  ])('that do not fit are named: %j', async (row, message) => {
    const { counts } = await readInstructions(write([good, row]));
    expect(counts.describe()).toMatch(message);
  });

  it('without use are counted and named once for each file', async () => {
    const rows = [
      { ...good, source: 'x', url: 'y', id: 1 },
      { ...good, source: 'z', url: null },
    ];
    const path = write(rows);
    const { counts } = await readInstructions(path);
    expect(counts.describe()).toBe(`${path} has fields without use: source (2 rows), url (1 rows)`);
    const pair = { prompt: 'a', chosen: 'b', rejected: 'c', score_chosen: 1 };
    expect((await readComparisons(write([pair]))).counts.describe()).toMatch(/score_chosen \(1 rows\)/);
    // A reward function gets the whole row.
    expect((await readPrompts(write([{ prompt: 'a', answer: 1 }]))).counts.describe()).toBe('');
  });
});

describe('messages', () => {
  const read = async (messages: JsonObject[]) => {
    const path = join(temporaryFolder(), 'rows.jsonl');
    writeFileSync(path, JSON.stringify({ messages }));
    return (await readInstructions(path, { onBadLine: 'fail' })).rows[0]!.messages;
  };
  const turns = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello!' },
  ];

  it('may begin with one of the developer, or of the system and the developer', async () => {
    const developer = { role: 'developer', content: 'Be brief.' };
    const system = { role: 'system', content: 'You are kind.' };
    expect(await read([developer, ...turns])).toEqual([developer, ...turns]);
    expect(await read([system, developer, ...turns])).toEqual([system, developer, ...turns]);
    expect(await read([system, { role: 'developer', content: ' ' }, ...turns])).toEqual([system, ...turns]);
    await expect(read([developer, developer, ...turns])).rejects.toThrow(/turn 1 .* is the developer's/);
    await expect(read([...turns, developer, ...turns])).rejects.toThrow(/turn 3 .* is the developer's/);
  });

  it('may have content in parts of text', async () => {
    const content = [
      { type: 'text', text: 'Hi' },
      { type: 'text', text: ' there' },
    ];
    const [user] = await read([{ role: 'user', content }, turns[1]!]);
    expect(user).toEqual({ role: 'user', content: 'Hi there', fields: { content } });
    for (const [part, problem] of [
      [{ type: 'image', url: 'x' }, /part 1 of message 1 .*the type "image"; only text is supported/],
      [{ type: 'text' }, /the type "text"; only text/],
      ['Hi', /part 1 of message 1 .* is a string, not an object/],
    ] as [JsonValue, RegExp][]) {
      await expect(read([{ role: 'user', content: [part] }, turns[1]!])).rejects.toThrow(problem);
    }
    await expect(read([{ role: 'user', content: [] }, turns[1]!])).rejects.toThrow(/turn 1 .* is empty/);
  });
});
