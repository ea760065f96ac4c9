/** Faults of the feedback store: no acknowledged feedback is lost, and answers go on. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { FeedbackStore } from '../../src/feedback/store.ts';
import type { FromStore, ToStore } from '../../src/serve/feedback/messages.ts';
import { StoreHost } from '../../src/serve/feedback/store-host.ts';
import { StoreWriter } from '../../src/serve/feedback/store-writer.ts';
import type { FeedbackEvent } from '../../src/serve/protocol/events.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { cliPath, temporaryFolder } from '../helpers/cli.ts';
import { answerRecord, newComparison, newFeedback, safetyEvent } from '../helpers/feedback.ts';
import { until } from '../helpers/served.ts';

const { DatabaseSync } = createRequire(import.meta.url)(
  '@photostructure/sqlite',
) as typeof import('@photostructure/sqlite');

const answer = (id: string): ToStore => ({ record: 'answer', value: answerRecord(id) });
const feedback = (id: number, to: string, rating: 1 | -1 = 1): ToStore => ({
  ...{ call: 'feedback', id, value: newFeedback(to, { rating }) },
});

describe('the writer', () => {
  function writing() {
    const store = FeedbackStore.open(join(temporaryFolder(), 'store.db'));
    onTestFinished(() => store.close());
    const posted: FromStore[] = [];
    const transactions: string[] = [];
    const { transaction } = store;
    store.transaction = (body) => {
      transactions.push('begin');
      return transaction.call(store, body) as ReturnType<typeof body>;
    };
    return { store, posted, transactions, writer: new StoreWriter(store, (message) => posted.push(message)) };
  }

  it('writes what comes together in one transaction, records before the calls that came after them', () => {
    const { store, posted, transactions, writer } = writing();
    writer.handle([
      answer('a'),
      answer('b'),
      feedback(1, 'a'),
      { record: 'safety', value: safetyEvent('s') },
      { call: 'comparison', id: 2, value: newComparison('a', 'b') },
      feedback(3, 'none'),
    ]);
    expect(transactions.length).toBe(1);
    expect(posted).toMatchObject([
      { type: 'recorded', count: 3 },
      { type: 'result', id: 1, result: { outcome: 'stored' } },
      { type: 'result', id: 2, result: { outcome: 'stored' } },
      { type: 'result', id: 3, result: { outcome: 'unknown_answer' } },
    ]);
    expect(store.counts()).toEqual({ answers: 2, feedback: 1, comparisons: 1, safetyEvents: 1 });
  });

  it('gathers records for a moment, and writes them before it deletes or closes', async () => {
    const { store, posted, writer } = writing();
    writer.handle([answer('a')]);
    expect(store.counts().answers).toBe(0);
    await until(() => store.counts().answers === 1);
    writer.handle([
      { record: 'answer', value: answerRecord('b', { user: 'ann' }) },
      { call: 'deleteUser', id: 1, value: 'ann' },
    ]);
    expect(posted.at(-1)).toMatchObject({ id: 1, result: { answers: 1 } });
    writer.handle([answer('c'), { call: 'close', id: 2, value: null }]);
    expect(posted.at(-1)).toEqual({ type: 'result', id: 2, result: null });
  });

  it('keeps the others when one cannot be written', () => {
    const { store, posted, writer } = writing();
    const { recordAnswers } = store;
    store.recordAnswers = (records) => {
      if (records[0]!.id === 'bad') throw new AthanorError('ERR_DISK_FULL', 'the disk is full');
      return recordAnswers.call(store, records);
    };
    writer.handle([answer('a'), answer('bad'), answer('b'), feedback(1, 'a'), feedback(2, 'b')]);
    expect(store.counts()).toMatchObject({ answers: 2, feedback: 2 });
    expect(posted.filter(({ type }) => type === 'recorded')).toMatchObject([
      { count: 1 },
      { count: 1, error: { code: 'ERR_DISK_FULL', message: 'the disk is full' } },
      { count: 1 },
    ]);
    expect(posted.filter(({ type }) => type === 'result').length).toBe(2);
  });

  it('answers no call before the transaction is complete, and fails all when another process writes', () => {
    const { store, posted, writer } = writing();
    store.recordAnswers([answerRecord('a')]);
    store.transaction = (body) => {
      body();
      expect(posted).toEqual([]);
      throw new AthanorError('ERR_STATE', 'another process writes to it');
    };
    writer.handle([answer('b'), feedback(1, 'a'), feedback(2, 'a')]);
    expect(posted.map(({ type }) => type)).toEqual(['recorded', 'failed', 'failed']);
  });
});

describe('the thread', () => {
  it('that crashes fails what waits, tells of it, and starts again', async () => {
    const path = join(temporaryFolder(), 'store.db');
    const events: FeedbackEvent[] = [];
    const onEvent = (event: FeedbackEvent) => events.push(event);
    const program = new URL('./faulty-store.mjs', import.meta.url);
    const host = await StoreHost.start({ path, days: undefined, onEvent, program });
    onTestFinished(() => host.close());
    host.recordAnswer(answerRecord('a'));
    expect(await host.call('feedback', newFeedback('a'))).toMatchObject({ outcome: 'stored' });
    const faults = new BroadcastChannel(`faults of ${path}`);
    faults.postMessage('crash');
    await until(() => events.length > 0);
    faults.close();
    expect(events).toEqual([
      { type: 'feedback', state: 'crashed', records: 0, reason: 'a fault of the test' },
    ]);
    const refused = host.call('feedback', newFeedback('a'));
    await expect(refused).rejects.toMatchObject({ status: 503, code: 'feedback_unavailable', retryAfter: 5 });
    host.recordAnswer(answerRecord('lost'));
    expect(events.at(-1)).toMatchObject({ state: 'lost', records: 1 });
    const again = async () =>
      (await host.call('feedback', newFeedback('a')).catch(() => undefined)) !== undefined;
    await until(again);
  });

  it('whose disk is too slow keeps a bounded number of records, and tells of the others', async () => {
    const path = join(temporaryFolder(), 'store.db');
    const events: FeedbackEvent[] = [];
    const onEvent = (event: FeedbackEvent) => events.push(event);
    const host = await StoreHost.start({ path, days: undefined, onEvent });
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    for (let i = 0; i < 10_050; ++i) host.recordAnswer(answerRecord(`a${i}`));
    expect(events).toEqual([{ type: 'feedback', state: 'lost', records: 1, reason: 'the disk is too slow' }]);
    other.exec('ROLLBACK');
    await host.close();
    expect(other.prepare('SELECT count(*) AS n FROM answers').get()).toEqual({ n: 10_000 });
    expect(events.at(-1)).toMatchObject({ state: 'lost', records: 49 });
    other.close();
  });

  it('that is closed has written all records', async () => {
    const path = join(temporaryFolder(), 'store.db');
    const host = await StoreHost.start({ path, days: undefined });
    for (let i = 0; i < 1000; ++i) host.recordAnswer(answerRecord(`a${i}`));
    await host.close();
    await host.close();
    const store = FeedbackStore.open(path);
    expect(store.counts().answers).toBe(1000);
    store.close();
  });
});

it('on a full disk feedback gets a 503, answers are given, the log says why, and nothing acknowledged is lost', async () => {
  const folder = temporaryFolder();
  (await writeChatModel(folder, { contextLength: 64 })).dispose();
  const path = join(folder, 'store.db');
  const args = ['serve', '--model', folder, '--port', '0', '--feedback', path, '--json', '--device', 'cpu'];
  // 1500 blocks of 1024 bytes: the system refuses to make a file larger.
  const command = 'ulimit -f 1500; exec "$0" "$@"';
  const child = spawn('bash', ['-c', command, process.execPath, cliPath, ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.on('exit', () => reject(new Error(log)));
    child.stdout.once('data', (chunk) => resolve((JSON.parse(String(chunk)) as { url: string }).url));
  });
  const post = async (at: string, body: object) => {
    const sent = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await fetch(url + at, sent);
    return {
      status: response.status,
      reply: (await response.json()) as { id: string; error?: { code: string } },
    };
  };
  const acknowledged: string[] = [];
  let refused: { status: number; reply: { error?: { code: string } } } | undefined;
  for (let i = 0; i < 40 && !refused; ++i) {
    const { reply } = await post('/v1/completions', { prompt: 'x', max_tokens: 1 });
    const rated = await post('/v1/feedback', {
      response_id: reply.id,
      rating: 1,
      correction: `${i}`.repeat(100_000),
    });
    if (rated.status === 200) acknowledged.push(rated.reply.id);
    else refused = rated;
  }
  expect(refused).toMatchObject({ status: 503, reply: { error: { code: 'feedback_unavailable' } } });
  expect(acknowledged.length).toBeGreaterThan(3);
  const state = async () =>
    (await (await fetch(`${url}/ready`)).json()) as { feedback: { recording: boolean; lost: number } };
  const ids: string[] = [];
  for (let lost = 0; lost < 3 && ids.length < 1000; { lost } = (await state()).feedback) {
    const { status, reply } = await post('/v1/completions', { prompt: 'x', max_tokens: 1 });
    expect(status).toBe(200);
    ids.unshift(reply.id);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  expect(await state()).toMatchObject({ status: 'ready', feedback: { recording: false } });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/^athanor_feedback_recording 0$/m);
  expect(metrics).toMatch(/^athanor_feedback_records_lost_total \d+$/m);
  for (const body of [
    { response_id: ids[0], rating: 1 },
    { response_id: ids[1], correction: 'better' },
  ]) {
    const late = await post('/v1/feedback', body);
    expect(late).toMatchObject({ status: 503, reply: { error: { code: 'answer_not_recorded' } } });
  }
  const compared = await post('/v1/comparisons', {
    ...{ first: { response_id: ids[0] }, second: { response_id: ids[1] }, preferred: 'first' },
  });
  expect(compared).toMatchObject({ status: 503, reply: { error: { code: 'answer_not_recorded' } } });
  const stray = await post('/v1/feedback', { response_id: 'cmpl-none', rating: 1 });
  expect([404, 503]).toContain(stray.status);
  expect(log).toMatch(
    /feedback lost 1 records: .*store.db: the (disk is full|system refused to read or write it)/,
  );
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  const store = FeedbackStore.open(path);
  store.check();
  expect([...store.feedback()].map(({ id }) => id)).toEqual(acknowledged);
  store.close();
});
