/** Classifiers in their thread, under a server and alone. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { ClassifierThread } from '../../src/safety/classifier-thread.ts';
import { Classifier } from '../../src/scoring/classifier.ts';
import { classifier } from '../../src/train/classifier/run.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { startServer, until } from '../helpers/served.ts';
import { jsonl, tuning } from '../helpers/stages.ts';

const folder = suiteFolder();
const model = join(folder, 'model');
const trained = join(folder, 'classifier');
const engine = { device: 'cpu', dtype: 'f32', threads: 1 } as const;
beforeAll(async () => {
  (await writeChatModel(model, { contextLength: 64 })).dispose();
  const rows = Array.from({ length: 40 }, (_, i) => ({ text: `Name a colour. ${i}`, label: i % 2 }));
  const data = jsonl(folder, 'rows.jsonl', rows);
  await classifier({ ...tuning, data, model, out: trained, steps: 2 });
});

async function thread(folders: readonly string[]): Promise<ClassifierThread> {
  const started = await ClassifierThread.start({ ...engine, folders });
  onTestFinished(() => started.close());
  return started;
}

it('gives the bits of the classifier in the process, whatever is asked at the same time', async () => {
  const local = Classifier.load(trained);
  const texts = ['Blue.', 'Red, then. '.repeat(40), '', 'Another one?'];
  const alone = texts.map((text) => local.probabilities([{ text }])[0]!);
  local.dispose();
  const started = await thread([trained, trained]);
  const answers = await Promise.all(
    texts.flatMap((text) => [0, 1].map((index) => started.score([{ classifier: index, input: { text } }]))),
  );
  expect(answers.flat()).toEqual(alone.flatMap((one) => [one, one]));
  expect(await started.score([])).toEqual([]);
});

it('one question that cannot be read fails alone', async () => {
  const started = await thread([trained]);
  const bad = started.score([{ classifier: 0, input: { messages: [{ role: 'user', content: 'a' }] } }]);
  const good = started.score([{ classifier: 0, input: { text: 'a' } }]);
  await expect(bad).rejects.toThrow(/reads texts, not messages/);
  expect(await good).toHaveLength(1);
});

it('a short text does not wait for a long one that came before it', async () => {
  const started = await thread([trained]);
  const order: string[] = [];
  const long = started.score([{ classifier: 0, input: { text: 'Name a colour. '.repeat(3000) } }]);
  const short = started.score([{ classifier: 0, input: { text: 'Blue.' } }]);
  await Promise.all([long.then(() => order.push('long')), short.then(() => order.push('short'))]);
  expect(order).toEqual(['short', 'long']);
});

it('nothing is read for who does not wait: the reason of the signal is thrown at once', async () => {
  const started = await thread([trained]);
  const leave = new AbortController();
  const text = 'Name a colour. '.repeat(20_000);
  const long = started.score([{ classifier: 0, input: { text } }], leave.signal);
  const start = performance.now();
  setTimeout(() => leave.abort(new Error('gone')), 10);
  await expect(long).rejects.toThrow('gone');
  expect(await started.score([{ classifier: 0, input: { text: 'a' } }])).toHaveLength(1);
  expect(performance.now() - start).toBeLessThan(3000);
  await expect(started.score([{ classifier: 0, input: { text } }], leave.signal)).rejects.toThrow('gone');
});

it('a server ends checks that take too long, and those of a client that left', async () => {
  const safety = join(folder, 'slow.json');
  // So many readings of the text take seconds on any machine.
  const one = { classifier: { model: 'classifier', threshold: 1 } };
  const categories = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`made_${i}`, one]));
  writeFileSync(safety, JSON.stringify({ categories }));
  const served = await startServer({ model, name: 'tiny', safety, checkSeconds: 1 });
  onTestFinished(() => served.server.close());
  const input = 'Name a colour. '.repeat(17_000);
  const late = await served.post('/v1/moderations', { input });
  expect([late.status, late.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await late.json()).toMatchObject({ error: { code: 'check_timeout' } });
  const leave = new AbortController();
  const body = JSON.stringify({ input });
  const headers = { 'content-type': 'application/json' };
  const left = fetch(`${served.url}/v1/moderations`, { method: 'POST', body, headers, signal: leave.signal });
  setTimeout(() => leave.abort(), 100);
  await expect(left).rejects.toThrow();
  await until(() => served.events.some((event) => event.type === 'request' && event.status === 499));
  expect((await served.ask('/v1/moderations', { input: 'a' })).id).toMatch(/^modr-/);
});

it('a folder that is no classifier keeps the thread, and the server, from starting', async () => {
  await expect(thread([model])).rejects.toThrow(/classifier\.json does not exist/);
  const broken = join(folder, 'broken');
  cpSync(trained, broken, { recursive: true });
  rmSync(join(broken, 'model.safetensors'));
  const safety = join(folder, 'broken.json');
  writeFileSync(safety, JSON.stringify({ categories: { made: { classifier: { model: 'broken' } } } }));
  await expect(startServer({ model, safety })).rejects.toThrow(/model\.safetensors/);
});

it('after the end of a server nothing is asked', async () => {
  const started = await thread([trained]);
  await started.close();
  await expect(started.score([{ classifier: 0, input: { text: 'a' } }])).rejects.toThrow(/is stopping/);
});

it('a server refuses what its classifier refuses, in prompts, streams and moderations', async () => {
  const serve = async (on: string, threshold: number) => {
    const safety = join(folder, 'policy.json');
    const made = { on, classifier: { model: 'classifier', threshold } };
    writeFileSync(safety, JSON.stringify({ check_every: 4, categories: { made } }));
    const served = await startServer({ model, name: 'tiny', safety });
    onTestFinished(() => served.server.close());
    return served;
  };
  const body = {
    ...{ model: 'tiny', max_tokens: 20, seed: 1 },
    messages: [{ role: 'user' as const, content: 'Name a colour.' }],
  };
  const plain = await startServer({ model, name: 'tiny' });
  onTestFinished(() => plain.server.close());
  const expected = (await plain.client.chat.completions.create(body)).choices[0]!;

  const strict = await serve('prompt', 0);
  expect((await strict.client.chat.completions.create(body)).choices[0]!.finish_reason).toBe(
    'content_filter',
  );
  const { results } = await strict.client.moderations.create({ input: ['a', 'b'] });
  expect(results.every(({ flagged }) => flagged)).toBe(true);
  const score = (results[0]!.category_scores as unknown as Record<string, number>).made!;
  expect(score).toBeGreaterThan(0);
  expect(score).toBeLessThan(1);

  const mild = await serve('response', 1);
  let text = '';
  for await (const chunk of await mild.client.chat.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]!.delta.content ?? '';
  }
  expect(text).toBe(expected.message.content);

  const cutting = await serve('response', 0);
  const { choices } = await cutting.client.chat.completions.create(body);
  expect(choices[0]).toMatchObject({ finish_reason: 'content_filter', message: { content: null } });
});
