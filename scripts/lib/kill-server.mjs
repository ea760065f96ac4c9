/**
 * `node scripts/kill-server.mjs`. Clients ask for answers, rate and compare them, and note what was
 * acknowledged. After a random time the server is killed. Then the store must be whole and have all
 * that was acknowledged, as it was sent. What was sent without an answer is sent again with its
 * idempotency key, and must be there once.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Explained, root as packageRoot } from './process.mjs';

const CLIENTS = 6;
/** Milliseconds of load before a kill: in the first of them, or much later. */
const [LEAST_MS, MOST_MS] = [5, 600];
const cli = join(packageRoot, 'dist/cli/main.js');
const inDist = (path) => import(pathToFileURL(join(packageRoot, 'dist', path)).href);

export async function killServer(args) {
  const { kills, seed } = parse(args);
  if (!existsSync(cli)) throw new Explained('build the package first: npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'athanor-kills-'));
  const startedAt = performance.now();
  try {
    await writeModel(folder);
    const round = { folder, store: join(folder, 'store.db'), random: generator(seed), sent: new Map() };
    const counts = { kills, acknowledged: 0, lost: 0, repeated: 0, changed: 0, sent_again: 0 };
    for (let i = 0; i < kills; ++i) {
      await oneKill(round, i, counts);
      if ((i + 1) % 20 === 0) process.stderr.write(`${i + 1} kills: ${JSON.stringify(counts)}\n`);
    }
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    process.stdout.write(`${JSON.stringify({ ...counts, seconds })}\n`);
    if (counts.lost + counts.repeated + counts.changed > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parse(args) {
  const { values } = parseArgs({
    args,
    options: { kills: { type: 'string', default: '5' }, seed: { type: 'string', default: '1' } },
  });
  const [kills, seed] = [Number(values.kills), Number(values.seed)];
  if (Number.isSafeInteger(kills) && kills > 0 && Number.isSafeInteger(seed)) return { kills, seed };
  throw new Explained('--kills and --seed expect whole numbers');
}

/** Numbers from 0 to 1 (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function writeModel(folder) {
  const { Gpt, presetConfig, saveModel, Tokenizer } = await inDist('index.js');
  const text = 'Name a colour. Blue. Red, then. Be brief. '.repeat(20);
  const tokenizer = await Tokenizer.train([text], { vocabSize: 280, specialTokens: ['<|endoftext|>'] });
  const model = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: 64 }), {
    seed: 7,
  });
  tokenizer.save(folder);
  await saveModel(folder, model, { tokenizer: folder });
  model.dispose();
}

async function oneKill(round, number, counts) {
  const server = await startServer(round);
  const isKilled = { value: false };
  await sendAgain(server.url, round, counts);
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    client(server.url, round, `${number}-${i}`, isKilled),
  );
  await sleep(LEAST_MS + (MOST_MS - LEAST_MS) * round.random());
  isKilled.value = true;
  const ended = new Promise((resolve) => server.child.on('close', resolve));
  server.child.kill('SIGKILL');
  await Promise.all([ended, ...clients]);
  await check(round, counts);
}

function startServer({ folder, store }) {
  const args = ['serve', '--model', folder, '--port', '0', '--feedback', store, '--json'];
  const quick = ['--device', 'cpu', '--dtype', 'f32', '--threads', '1'];
  const child = spawn(process.execPath, [cli, ...args, ...quick]);
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('close', () => reject(new Error(`the server did not start: ${log}`)));
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.includes('\n')) resolve({ child, url: JSON.parse(output.split('\n')[0]).url });
    });
  });
}

async function post(url, path, body) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, reply: await response.json() };
}

/** Rates answers until the server is killed. */
async function client(url, { sent }, name, isKilled) {
  for (let i = 0; !isKilled.value; ++i) {
    try {
      const prompt = `${name} ${i}`;
      const { reply } = await post(url, '/v1/completions', { prompt, n: 2, max_tokens: 2 });
      const key = `${name}-${i}`;
      const response_id = reply.id;
      const rating = i % 2 === 0 ? 1 : -1;
      await rate(url, sent, `${key}-f`, '/v1/feedback', { response_id, rating, reason: key, user: name });
      const [first, second] = [0, 1].map((choice) => ({ response_id, choice }));
      await rate(url, sent, `${key}-c`, '/v1/comparisons', { first, second, preferred: 'tie' });
    } catch (error) {
      if (!isKilled.value) throw error;
    }
  }
}

async function rate(url, sent, key, path, fields) {
  const body = { ...fields, idempotency_key: key };
  const note = { path, body, id: undefined };
  sent.set(key, note);
  const { status, reply } = await post(url, path, body);
  if (status === 200) note.id = reply.id;
  else throw new Error(`${path} ended with ${status}: ${JSON.stringify(reply)}`);
}

/** What got no answer before the kill. Its own answer may be lost: then it cannot be rated. */
async function sendAgain(url, { sent }, counts) {
  for (const [key, note] of sent) {
    if (note.id !== undefined) continue;
    const { status, reply } = await post(url, note.path, note.body);
    ++counts.sent_again;
    if (status === 200) note.id = reply.id;
    else if (status === 404) sent.delete(key);
    else throw new Error(`a retry ended with ${status}: ${JSON.stringify(reply)}`);
  }
}

async function check({ store: path, sent }, counts) {
  const { FeedbackStore } = await inDist('feedback/store.js');
  const store = FeedbackStore.open(path, { create: false });
  try {
    store.check();
    const found = new Map();
    for (const record of [...store.feedback(), ...store.comparisons()]) {
      if (found.has(record.idempotencyKey)) ++counts.repeated;
      found.set(record.idempotencyKey, record);
    }
    const acknowledged = [...sent].filter(([, { id }]) => id !== undefined);
    counts.acknowledged = acknowledged.length;
    for (const [key, note] of acknowledged) {
      const record = found.get(key);
      if (record === undefined) ++counts.lost;
      else if (record.id !== note.id || !isAsSent(record, note.body)) ++counts.changed;
    }
  } finally {
    store.close();
  }
}

function isAsSent(record, body) {
  if (body.rating === undefined)
    return record.first.id === body.first.response_id && record.second.choice === 1;
  const { answer, rating, reason, user } = record;
  return (
    answer.id === body.response_id && rating === body.rating && reason === body.reason && user === body.user
  );
}
