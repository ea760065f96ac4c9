/** Another model takes over while requests run. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { setLink } from '../../src/improve/promotion.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { addKey } from '../../src/serve/access/keys.ts';
import type { ServeOptions } from '../../src/serve/serve.ts';
import { chatTokenizer, writeChatModel } from '../helpers/chat-model.ts';
import { cliPath, runNode, suiteFolder, temporaryFolder } from '../helpers/cli.ts';
import { type Served, startServer, until } from '../helpers/served.ts';

const suite = suiteFolder();
const [first, second] = [join(suite, 'first'), join(suite, 'second')];
const CONTEXT = 2048;

beforeAll(async () => {
  (await writeChatModel(first, { contextLength: CONTEXT })).dispose();
  const tokenizer = await chatTokenizer();
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: CONTEXT };
  const model = new Gpt(presetConfig('tiny', shape), { seed: 8 });
  tokenizer.save(second);
  await saveModel(second, model, { tokenizer: second });
  model.dispose();
});

interface Linked extends Served {
  link: string;
  reload(): Promise<Response>;
}

/** A server of a link to the first model. */
async function linked(options: Partial<ServeOptions> = {}): Promise<Linked> {
  const folder = temporaryFolder();
  const [link, adminKeyFile] = [join(folder, 'current'), join(folder, 'admins')];
  setLink(link, first);
  const key = addKey(adminKeyFile, 'root');
  const started = await startServer({ model: link, adminKeyFile, ...options });
  onTestFinished(() => started.server.close());
  const reload = () => started.post('/admin/reload', '', { authorization: `Bearer ${key}` });
  return { ...started, link, reload };
}

interface Chunk {
  system_fingerprint: string;
  usage?: { completion_tokens: number } | null;
}

/** Reads a stream to its end: the fingerprints and whether it is whole. */
async function readStream({ post }: Served, tokens: number, seed: number) {
  const body = { prompt: 'Name a colour.', max_tokens: tokens, ignore_eos: true, seed, stream: true };
  const response = await post('/v1/completions', { ...body, stream_options: { include_usage: true } });
  const text = await response.text();
  const events = text.split('\n').filter((line) => line.startsWith('data: {'));
  const parsed = events.map((line) => JSON.parse(line.slice(6)) as Chunk);
  return {
    status: response.status,
    isWhole: text.trimEnd().endsWith('data: [DONE]') && !text.includes('"error"'),
    fingerprints: [...new Set(parsed.map(({ system_fingerprint: print }) => print))],
    tokens: parsed.at(-1)?.usage?.completion_tokens,
  };
}

async function metric({ get }: Served, name: string): Promise<string | undefined> {
  return new RegExp(`^athanor_${name} (.*)$`, 'm').exec(await (await get('/metrics')).text())?.[1];
}

describe('a reload', () => {
  it('drops no request of a load that goes on over it', async () => {
    const server = await linked({ batchSize: 4 });
    const old = server.server.model.hash;
    let isOver = false;
    const results: Awaited<ReturnType<typeof readStream>>[] = [];
    // More streams than slots, so that some wait when the engine changes.
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; !isOver; ++i)
        results.push(await readStream(server, 40 + 10 * client, client * 1000 + i));
    });
    const long = readStream(server, 1500, 7);
    await until(() => results.length > 8);
    setLink(server.link, second);
    const response = await server.reload();
    const body = await response.json();
    expect(response.status, JSON.stringify(body)).toBe(200);
    const now = server.server.model.hash;
    expect(body).toEqual({ object: 'reload', model: 'current', hash: now, previous_hash: old });
    expect(now).not.toBe(old);
    const before = results.length;
    await until(() => results.length > before + 16);
    isOver = true;
    await Promise.all(clients);
    const print = (hash: string) => `fp_${hash.slice(0, 12)}`;
    for (const { status, isWhole, fingerprints } of results) {
      expect({ status, isWhole, count: fingerprints.length }).toEqual({
        status: 200,
        isWhole: true,
        count: 1,
      });
    }
    expect(results[0]!.fingerprints).toEqual([print(old)]);
    expect(results.at(-1)!.fingerprints).toEqual([print(now)]);
    expect(await long).toMatchObject({ isWhole: true, fingerprints: [print(old)], tokens: 1500 });
    // The old engine is gone when its last request is.
    await until(async () => (await metric(server, 'engines')) === '1');
    expect(await metric(server, `model_info\\{hash="${now}"\\}`)).toBe('1');
    expect(await metric(server, 'model_reloads_total\\{result="loaded"\\}')).toBe('1');
    const { data } = (await (await server.get('/v1/models')).json()) as { data: { hash: string }[] };
    expect(data[0]!.hash).toBe(now);
    expect(server.events.filter(({ type }) => type === 'model')).toEqual([
      { type: 'model', state: 'loaded', hash: now, previous: old },
    ]);
  }, 60_000);

  it('gives the new model the answers that a server of it alone gives', async () => {
    const server = await linked();
    const ask = { prompt: 'Name a colour.', max_tokens: 24, seed: 3, ignore_eos: true };
    const before = (await server.ask('/v1/completions', ask)).choices[0]!.text;
    setLink(server.link, second);
    expect((await server.reload()).status).toBe(200);
    const after = (await server.ask('/v1/completions', ask)).choices[0]!.text;
    const alone = await startServer({ model: second });
    onTestFinished(() => alone.server.close());
    expect(after).toBe((await alone.ask('/v1/completions', ask)).choices[0]!.text);
    expect(after).not.toBe(before);
  });

  it.each([
    ['has no weights', (folder: string) => mkdirSync(folder)],
    ['has damaged weights', damagedModel],
    ['is gone', () => {}],
  ])('of a folder that %s leaves the old model', async (_, make) => {
    const server = await linked();
    const old = server.server.model.hash;
    const broken = join(temporaryFolder(), 'broken');
    make(broken);
    rmSync(server.link);
    symlinkSync(broken, server.link);
    const response = await server.reload();
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ error: { code: 'model_unusable' } });
    expect(server.server.model.hash).toBe(old);
    expect(server.events.filter(({ type }) => type !== 'request')).toEqual([
      expect.objectContaining({ type: 'engine', state: 'ready' }),
      expect.objectContaining({ type: 'listening' }),
      { type: 'model', state: 'refused', hash: old, reason: expect.stringContaining(broken) },
    ]);
    expect(await readStream(server, 10, 1)).toMatchObject({ isWhole: true });
    expect(await metric(server, 'model_reloads_total\\{result="refused"\\}')).toBe('1');
    // The next one can succeed.
    setLink(server.link, second);
    expect((await server.reload()).status).toBe(200);
  });

  it('needs the admin key', async () => {
    const server = await linked();
    expect((await server.post('/admin/reload', '')).status).toBe(401);
    const without = await startServer({ model: first });
    onTestFinished(() => without.server.close());
    expect((await without.post('/admin/reload', '')).status).toBe(404);
  });

  it('is done once for many calls at the same time', async () => {
    const server = await linked();
    setLink(server.link, second);
    const answers = await Promise.all(Array.from({ length: 6 }, () => server.reload()));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(Number(await metric(server, 'model_reloads_total\\{result="loaded"\\}'))).toBeLessThanOrEqual(3);
  });

  it('follows SIGHUP', async () => {
    const folder = temporaryFolder();
    const link = join(folder, 'current');
    setLink(link, first);
    const args = ['serve', '--model', link, '--port', '0', '--device', 'cpu', '--dtype', 'f32', '--json'];
    let url = '';
    const { code, stderr } = await runNode([cliPath, ...args, '--threads', '1'], {
      started: (child) => {
        child.stdout!.on('data', (chunk: string) => {
          if (url !== '') return;
          url = (JSON.parse(chunk) as { url: string }).url;
          void swap().finally(() => child.kill('SIGTERM'));
        });
        const hashOf = async () => {
          const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { hash: string }[] };
          return data[0]!.hash;
        };
        const swap = async () => {
          const before = await hashOf();
          setLink(link, second);
          child.kill('SIGHUP');
          await until(async () => (await hashOf()) !== before);
        };
      },
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/model [0-9a-f]{12} answers new requests, after [0-9a-f]{12}/);
  });
});

function damagedModel(folder: string): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), '{"model_type": "llama"}');
  writeFileSync(join(folder, 'model.safetensors'), 'no weights');
}
