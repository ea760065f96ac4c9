/** Answers are recorded as they were drawn, and feedback on them is stored. */
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import type { AnswerRecord } from '../../src/feedback/records.ts';
import { FeedbackStore } from '../../src/feedback/store.ts';
import { Batch } from '../../src/generate/batch.ts';
import { addKey } from '../../src/serve/access/keys.ts';
import { serve } from '../../src/serve/serve.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { answerRecord, safetyEvent } from '../helpers/feedback.ts';
import { type Reply, type Served, startServer, until } from '../helpers/served.ts';

const { DatabaseSync } = createRequire(import.meta.url)(
  '@photostructure/sqlite',
) as typeof import('@photostructure/sqlite');

const folder = suiteFolder();
const path = join(folder, 'feedback.db');
const keyFile = join(folder, 'keys');
const adminKeyFile = join(folder, 'admin-keys');
let key: string;
let adminKey: string;
let served: Served;
let store: FeedbackStore;
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 256 })).dispose();
  key = addKey(keyFile, 'ann');
  adminKey = addKey(adminKeyFile, 'root');
  served = await startServer({ model: folder, name: 'tiny', feedback: path, adminKeyFile });
  store = FeedbackStore.open(path);
});
afterAll(async () => {
  store.close();
  await served.server.close();
});

/** The answers of an id, once they are written. */
async function recorded(id: string, count: number): Promise<AnswerRecord[]> {
  const found = () => [...store.answers()].filter((answer) => answer.id === id);
  await until(() => found().length >= count);
  return found().sort((a, b) => a.choice - b.choice);
}

async function failure(
  sent: Promise<Response>,
): Promise<{ status: number; code: string; param: string | null }> {
  const response = await sent;
  const { error } = (await response.json()) as Reply;
  return { status: response.status, code: error.code, param: error.param };
}

const messages = [
  { role: 'system' as const, content: 'Be brief.' },
  { role: 'user' as const, content: 'Name a colour.' },
];

/** What a batch in this process draws with the settings of a record. */
function drawnAgain({ promptIds, sampling, answerIds }: AnswerRecord): { ids: number[]; logProbs: number[] } {
  const model = loadModel(folder, { dtype: 'f32' });
  const tokenizer = Tokenizer.load(folder);
  const suppressTokens = tokenizer.unusedIds(model.config.vocabSize);
  const batch = new Batch(model, { slots: 1, suppressTokens });
  const { ends: _, stopStrings: __, ...settings } = sampling;
  batch.add({ prompt: promptIds, maxTokens: answerIds.length, topLogProbs: 0, ...settings });
  const ids: number[] = [];
  const logProbs: number[] = [];
  while (batch.size > 0) {
    for (const { token, report } of batch.step()) {
      ids.push(token);
      logProbs.push(report!.logProb);
    }
  }
  batch.dispose();
  model.dispose();
  return { ids, logProbs };
}

describe('an answer is recorded', () => {
  const settings: [string, object][] = [
    ['at temperature 1', {}],
    ['with a seed', { seed: 5 }],
    ['greedily', { temperature: 0 }],
    ['at another temperature', { temperature: 0.7, top_k: 30, seed: 3 }],
    [
      'with penalties and biases',
      {
        frequency_penalty: 1,
        presence_penalty: 0.5,
        repetition_penalty: 1.3,
        logit_bias: { 65: 3 },
        top_p: 0.9,
      },
    ],
  ];
  it.each(settings)('%s, so that it can be drawn again with the same bits', async (_, fields) => {
    const body = { messages, max_tokens: 12, n: 2, user: 'u1', ignore_eos: true, ...fields };
    const reply = await served.ask('/v1/chat/completions', body);
    const answers = await recorded(reply.id, 2);
    expect(answers.map(({ choice }) => choice)).toEqual([0, 1]);
    const tokenizer = Tokenizer.load(folder);
    for (const answer of answers) {
      const { text, finish, ...rest } = answer;
      expect([text, finish]).toEqual([reply.choices[answer.choice]!.message.content, 'length']);
      expect(rest).toMatchObject({ messages, client: null, user: 'u1', modelHash: served.server.model.hash });
      expect(rest.tokenizerHash).toBe(tokenizer.fingerprint());
      expect(Math.abs(rest.createdAt - Date.now())).toBeLessThan(60_000);
      expect(rest.answerIds.length).toBe(12);
      const again = drawnAgain(answer);
      expect(again.ids).toEqual(rest.answerIds);
      expect(again.logProbs).toEqual(rest.logProbs);
    }
  });

  it('of each kind of request, streamed or not, with the ids of its prompt', async () => {
    const completion = await served.ask('/v1/completions', {
      ...{ prompt: ['Red', [1, 2, 3]], n: 2, max_tokens: 4, ignore_eos: true, logprobs: 1, temperature: 0.5 },
    });
    const four = await recorded(completion.id, 4);
    expect(four.map(({ text }) => text)).toEqual(completion.choices.map(({ text }) => text));
    expect(four.map(({ messages }) => messages)).toEqual([null, null, null, null]);
    expect(four[2]!.promptIds).toEqual([1, 2, 3]);
    expect(four[0]!.promptIds).toEqual([...Tokenizer.load(folder).encode('Red')]);
    expect(four.map(({ logProbs }) => logProbs)).toEqual(
      completion.choices.map(({ logprobs }) => logprobs!.token_logprobs),
    );

    const { client } = served;
    const response = await client.responses.create({
      model: 'tiny',
      input: 'Hi',
      instructions: 'Be brief.',
      max_output_tokens: 16,
    });
    const [one] = await recorded(response.id, 1);
    expect(one).toMatchObject({
      text: response.output_text,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
    });

    let streamed = '';
    let id = '';
    const stream = await client.chat.completions.create({
      ...{ model: 'tiny', messages, max_tokens: 20, stream: true, safety_identifier: 'u2' },
    });
    for await (const chunk of stream) {
      id = chunk.id;
      streamed += chunk.choices[0]!.delta.content ?? '';
    }
    expect(await recorded(id, 1)).toMatchObject([{ text: streamed, user: 'u2' }]);
  });

  it('with the token that ended it, and without what follows a stop string', async () => {
    const end = Tokenizer.load(folder).specialTokens.get('<|end|>')!;
    const ended = await served.ask('/v1/chat/completions', {
      messages,
      max_tokens: 9,
      logit_bias: { [end]: 100 },
    });
    expect(await recorded(ended.id, 1)).toMatchObject([{ text: '', answerIds: [end], finish: 'stop' }]);
    const body = { prompt: 'x', max_tokens: 9, temperature: 0, logit_bias: { 65: 100 }, stop: 'bb' };
    const stopped = await served.ask('/v1/completions', body);
    const [answer] = await recorded(stopped.id, 1);
    expect(answer).toMatchObject({ text: stopped.choices[0]!.text, answerIds: [65, 65], finish: 'stop' });
    expect(answer!.sampling).toMatchObject({ stopStrings: ['bb'], ends: 'text' });
  });

  it('when its client goes in mid-stream, with what was generated until then', async () => {
    const stream = await served.client.chat.completions.create({
      ...{ model: 'tiny', messages, max_tokens: 200, stream: true, seed: 1 },
      ...{ ignore_eos: true },
    });
    let seen = '';
    let id = '';
    for await (const chunk of stream) {
      id = chunk.id;
      seen += chunk.choices[0]!.delta.content ?? '';
      if (seen.length > 10) break;
    }
    const [answer] = await recorded(id, 1);
    expect(answer).toMatchObject({ finish: 'cancelled' });
    expect(answer!.text.startsWith(seen)).toBe(true);
    expect(answer!.answerIds.length).toBeLessThan(200);
    const { ids, logProbs } = drawnAgain(answer!);
    expect([ids, logProbs]).toEqual([answer!.answerIds, answer!.logProbs]);
  });

  it('unless nobody gets it: a request that fails, and a prompt that is only scored', async () => {
    const before = store.counts().answers;
    await served.post('/v1/completions', { prompt: 'x', temperature: 9 });
    await served.ask('/v1/completions', { prompt: 'scored', max_tokens: 0, echo: true, logprobs: 0 });
    const { id } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
    await recorded(id, 1);
    expect(store.counts().answers).toBe(before + 1);
  });
});

describe('POST /v1/feedback', () => {
  it('stores a rating at once, through the openai package, and a retry once', async () => {
    const { client } = served;
    const { id } = await client.chat.completions.create({ model: 'tiny', messages, max_tokens: 3 });
    const body = {
      ...{ response_id: id, rating: -1, tags: ['wrong'], reason: 'no \u0000 colour', correction: 'Blue.' },
      ...{ user: 'u1', idempotency_key: 'key 1' },
    };
    interface Stored {
      id: string;
      object: string;
      created: number;
      duplicate: boolean;
    }
    const first = await client.post<Stored>('/feedback', { body });
    expect(first).toMatchObject({ object: 'feedback', duplicate: false });
    expect(Math.abs(first.created - Date.now() / 1000)).toBeLessThan(60);
    const found = () => [...store.feedback()].filter(({ answer }) => answer.id === id);
    expect(found()).toMatchObject([
      {
        ...{ id: first.id, answer: { id, choice: 0 }, rating: -1, tags: ['wrong'], client: null, user: 'u1' },
        ...{ reason: body.reason, correction: 'Blue.' },
      },
    ]);
    expect(await client.post<Stored>('/feedback', { body })).toEqual({ ...first, duplicate: true });
    expect(found().length).toBe(1);
    const reused = client.post('/feedback', { body: { ...body, rating: 1 } });
    await expect(reused).rejects.toMatchObject({ status: 409, code: 'idempotency_key_reused' });
    const unknown = client.post('/feedback', { body: { response_id: 'chatcmpl-none', rating: 1 } });
    await expect(unknown).rejects.toMatchObject({ status: 404, code: 'answer_not_found' });
    const choice = client.post('/feedback', { body: { response_id: id, choice: 1, rating: 1 } });
    await expect(choice).rejects.toMatchObject({ status: 404 });
  });

  it('finds an answer that has just been given, for many at the same time', async () => {
    const rate = async (rating: number) => {
      const { id } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
      return (await served.post('/v1/feedback', { response_id: id, rating })).status;
    };
    const all = Array.from({ length: 40 }, (_, i) => rate(i % 2 === 0 ? 1 : -1));
    expect(new Set(await Promise.all(all))).toEqual(new Set([200]));
  });

  it('refuses what it cannot store, naming the field', async () => {
    const { id } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
    const before = store.counts().feedback;
    const cases: [object, string, string?][] = [
      [{}, 'rating', 'missing_parameter'],
      [{ reason: 'x', tags: ['y'] }, 'rating', 'missing_parameter'],
      [{ rating: 0 }, 'rating'],
      [{ rating: 2 }, 'rating'],
      [{ rating: '1' }, 'rating'],
      [{ rating: 1, response_id: null }, 'response_id', 'missing_parameter'],
      [{ rating: 1, response_id: 'a\0' }, 'response_id'],
      [{ rating: 1, response_id: 5 }, 'response_id'],
      [{ rating: 1, choice: -1 }, 'choice'],
      [{ rating: 1, choice: 0.5 }, 'choice'],
      [{ rating: 1, tags: 'x' }, 'tags'],
      [{ rating: 1, tags: [''] }, 'tags[0]'],
      [{ rating: 1, tags: Array.from({ length: 33 }, String) }, 'tags'],
      [{ rating: 1, reason: 'x'.repeat(10_001) }, 'reason'],
      [{ rating: 1, user: '' }, 'user'],
      [{ rating: 1, user: 'x'.repeat(257) }, 'user'],
      [{ rating: 1, idempotency_key: '' }, 'idempotency_key'],
      [{ correction: '' }, 'correction'],
      [{ rating: 1, stars: 5 }, 'stars', 'unknown_parameter'],
    ];
    for (const [fields, param, code = 'invalid_value'] of cases) {
      const refused = await failure(served.post('/v1/feedback', { response_id: id, ...fields }));
      expect([fields, refused]).toEqual([fields, { status: 400, code, param }]);
    }
    expect(store.counts().feedback).toBe(before);
  });
});

it('POST /v1/comparisons stores which of two answers to one prompt is better', async () => {
  const { id } = await served.ask('/v1/chat/completions', { messages, max_tokens: 2, n: 2 });
  const again = await served.ask('/v1/chat/completions', { messages, max_tokens: 2 });
  const other = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 2 });
  const post = (second: object, more: object = {}) =>
    served.post('/v1/comparisons', { first: { response_id: id }, second, preferred: 'second', ...more });
  const stored = await post({ response_id: id, choice: 1 }, { reason: 'shorter', idempotency_key: 'k' });
  const reply = (await stored.json()) as { id: string };
  expect(reply).toMatchObject({ object: 'comparison', duplicate: false });
  expect([...store.comparisons()]).toMatchObject([
    {
      ...{ id: reply.id, first: { id, choice: 0 }, second: { id, choice: 1 } },
      preferred: 'second',
      reason: 'shorter',
    },
  ]);
  expect((await post({ response_id: again.id })).status).toBe(200);
  const code = async (second: object, more?: object) => (await failure(post(second, more))).code;
  expect(await code({ response_id: other.id })).toBe('not_comparable');
  expect(await code({ response_id: id })).toBe('not_comparable');
  expect(await code({ response_id: 'none' })).toBe('answer_not_found');
  expect(await code({ response_id: id, choice: 1 }, { preferred: 'best' })).toBe('invalid_value');
  expect(await failure(post({ choice: 1 }))).toEqual({
    ...{ status: 400, code: 'missing_parameter', param: 'second.response_id' },
  });
  expect(await code({ response_id: id, choice: 1 }, { preferred: 'tie', idempotency_key: 'k' })).toBe(
    'idempotency_key_reused',
  );
});

describe('administrators', () => {
  const admin = (path: string, method = 'GET', given = adminKey) =>
    fetch(served.url + path, { method, headers: { 'x-api-key': given } });

  it('delete a user, whatever the name', async () => {
    for (const user of ['Ann O/Neil', 'ü 🎨', '100%', '%61', 'a?b#c']) {
      const reply = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1, user });
      await served.post('/v1/feedback', { response_id: reply.id, rating: 1, user: 'somebody' });
      const deleted = await admin(`/admin/users/${encodeURIComponent(user)}`, 'DELETE');
      expect([user, deleted.status, await deleted.json()]).toEqual([
        user,
        200,
        {
          object: 'user.deleted',
          deleted: { answers: 1, feedback: 1, comparisons: 0, safety_events: 0 },
        },
      ]);
      expect(store.answer({ id: reply.id, choice: 0 })).toBeUndefined();
      const late = await failure(served.post('/v1/feedback', { response_id: reply.id, rating: 1 }));
      expect(late).toMatchObject({ status: 404, code: 'answer_not_found' });
    }
    const log = JSON.stringify(served.events);
    for (const secret of ['Neil', '🎨', 'somebody', 'colour', 'Blue.', adminKey])
      expect(log).not.toContain(secret);
    expect(log).toContain('"route":"/admin/users/:user"');
  });

  it('delete a user whose answer is being generated: it is not recorded', async () => {
    const stream = await served.client.chat.completions.create({
      ...{ model: 'tiny', messages, max_tokens: 200, stream: true, user: 'leaving' },
      ...{ ignore_eos: true },
    });
    let id = '';
    for await (const chunk of stream) {
      if (id === '') await admin('/admin/users/leaving', 'DELETE');
      id = chunk.id;
    }
    const next = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1, user: 'leaving' });
    await recorded(next.id, 1);
    expect(store.answer({ id, choice: 0 })).toBeUndefined();
  });

  it('list safety events', async () => {
    store.recordAnswers([answerRecord('unsafe')]);
    const answer = { id: 'unsafe', choice: 0 };
    store.addSafetyEvent(safetyEvent('s1', { answer, responseHarmful: true, messages: null }));
    store.addSafetyEvent(safetyEvent('s2', { promptHarmful: false }));
    store.addSafetyEvent(safetyEvent('s3'));
    expect(await (await admin('/admin/safety')).json()).toMatchObject({
      counts: { events: 3, jailbreaks: 1, over_refusals: 1 },
      jailbreaks: [{ id: 's1', response_id: 'unsafe', choice: 0, response_harmful: true }],
      over_refusals: [
        { id: 's2', response_id: null, messages: [{ role: 'user', content: 'something bad' }] },
      ],
    });
    expect((await admin('/admin/safety', 'GET', 'wrong')).status).toBe(401);
  });
});

describe('a server', () => {
  it('without a store records nothing, and says so', async () => {
    const off = await startServer({ model: folder, adminKeyFile });
    const { id } = await off.ask('/v1/completions', { prompt: 'x', max_tokens: 1, user: 'me' });
    const headers = { 'x-api-key': adminKey };
    for (const refused of [
      off.post('/v1/feedback', { response_id: id, rating: 1 }),
      off.post('/v1/comparisons', {}),
      off.get('/admin/safety', headers),
      fetch(`${off.url}/admin/users/me`, { method: 'DELETE', headers }),
    ]) {
      expect(await failure(refused)).toMatchObject({ status: 404, code: 'feedback_off' });
    }
    await off.server.close();
    const alone = serve({ model: folder, port: 0, feedbackDays: 5 });
    await expect(alone).rejects.toThrow('`feedbackDays` needs `feedback`');
  });

  it('shares its store with another: what one answers is rated through the other', async () => {
    const other = await startServer({ model: folder, feedback: path });
    const { id } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
    await recorded(id, 1);
    expect((await other.post('/v1/feedback', { response_id: id, rating: 1 })).status).toBe(200);
    const rated = [...store.feedback()].filter(({ answer }) => answer.id === id);
    expect(rated.length).toBe(1);
    await other.server.close();
    expect((await served.post('/v1/feedback', { response_id: id, rating: -1 })).status).toBe(200);
  });

  it('with a file that is no store does not start', async () => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'notes '.repeat(1000));
    const started = serve({ model: folder, port: 0, device: 'cpu', feedback: file });
    await expect(started).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: /notes.txt: it is no SQLite file/,
    });
    const nowhere = serve({ model: folder, port: 0, device: 'cpu', feedback: join(folder, 'none', 'x.db') });
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
  });

  it('records the key of the client, prunes at the start, and writes the last answers when it stops', async () => {
    const file = join(folder, 'old.db');
    const old = FeedbackStore.open(file);
    const day = 86_400_000;
    old.recordAnswers([
      answerRecord('old', { createdAt: Date.now() - 3.1 * day }),
      answerRecord('young', { createdAt: Date.now() - 2.9 * day }),
    ]);
    const one = await startServer({ model: folder, feedback: file, feedbackDays: 3, apiKeyFile: keyFile });
    await until(() => one.events.some((event) => event.type === 'feedback'));
    expect(one.events).toContainEqual({ type: 'feedback', state: 'pruned', records: 1 });
    const headers = { authorization: `Bearer ${key}` };
    const reply = await one.post('/v1/completions', { prompt: 'x', max_tokens: 1 }, headers);
    const { id } = (await reply.json()) as Reply;
    await one.server.close();
    expect([...old.answers()].map((answer) => [answer.id, answer.client])).toEqual([
      ['young', null],
      [id, 'ann'],
    ]);
    old.close();
    expect(existsSync(file)).toBe(true);
  });

  it('whose store is held by another process answers as before, and feedback gets a 503', async () => {
    const file = join(folder, 'held.db');
    const one = await startServer({ model: folder, feedback: file });
    const { id } = await one.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
    expect((await one.post('/v1/feedback', { response_id: id, rating: 1 })).status).toBe(200);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const refused = one.post('/v1/feedback', { response_id: id, rating: 1 });
    const started = performance.now();
    await one.ask('/v1/completions', { prompt: 'x', max_tokens: 1 });
    expect(performance.now() - started).toBeLessThan(2000);
    expect(await failure(refused)).toMatchObject({ status: 503, code: 'feedback_unavailable' });
    expect((await refused).headers.get('retry-after')).toBe('5');
    expect(one.events).toContainEqual(
      expect.objectContaining({
        ...{ type: 'feedback', state: 'lost' },
        reason: expect.stringMatching(/another process writes to it/) as string,
      }),
    );
    other.exec('ROLLBACK');
    other.close();
    expect((await one.post('/v1/feedback', { response_id: id, rating: 1 })).status).toBe(200);
    await one.server.close();
  });
});
