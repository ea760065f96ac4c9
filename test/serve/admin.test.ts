/** The guard of /admin: keys of its own, before any routing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Guard } from '../../src/serve/access/guard.ts';
import { ApiKeys, addKey } from '../../src/serve/access/keys.ts';
import { serve } from '../../src/serve/serve.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder } from '../helpers/cli.ts';
import { type Reply, type Served, startServer } from '../helpers/served.ts';

const folder = suiteFolder();
const keyFile = join(folder, 'keys.txt');
const adminKeyFile = join(folder, 'admin-keys.txt');
let key: string;
let adminKey: string;
let both: Served;
let adminOnly: Served;
let without: Served;
beforeAll(async () => {
  (await writeChatModel(folder, { contextLength: 64 })).dispose();
  key = addKey(keyFile, 'ann');
  adminKey = addKey(adminKeyFile, 'root');
  both = await startServer({ model: folder, apiKeyFile: keyFile, adminKeyFile });
  adminOnly = await startServer({ model: folder, adminKeyFile });
  without = await startServer({ model: folder, apiKeyFile: keyFile });
});
afterAll(() => Promise.all([both, adminOnly, without].map(({ server }) => server.close())));

/** Status and code of a request whose path is sent as it is. */
function raw({ server }: Served, path: string, given?: string, method = 'GET'): Promise<[number, string]> {
  const headers = given === undefined ? {} : { authorization: `Bearer ${given}` };
  return new Promise((resolve, reject) => {
    const sent = request({ port: server.port, path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        const { error } = JSON.parse(text || '{}') as Partial<Reply>;
        resolve([response.statusCode!, error?.code ?? '']);
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Spellings that a router could take for a path under /admin. */
const PATHS = [
  '/admin',
  '/admin/',
  '/admin/none',
  '/admin/users/ann',
  '/%61dmin/users/ann',
  '/admin%2Fusers/ann',
  '/v1/../admin/users/ann',
  '/%2e/admin/users/ann',
  'http://127.0.0.1/admin/users/ann',
];

it('a path under /admin takes an admin key and no other, known or not, however it is spelled', async () => {
  for (const path of PATHS) {
    for (const method of ['GET', 'DELETE', 'POST', 'PUT']) {
      for (const given of [undefined, key, 'wrong', adminKey.slice(0, -1)]) {
        const [status] = await raw(both, path, given, method);
        // A spelling that is not the path of a route may end as unknown for a key of other paths.
        const isUnknown = given === key && status === 404;
        expect([method, path, given, isUnknown || status]).toEqual([
          method,
          path,
          given,
          isUnknown ? true : 401,
        ]);
        const open = await raw(adminOnly, path, given, method);
        expect([method, path, given, [401, 404].includes(open[0])]).toEqual([method, path, given, true]);
      }
    }
  }
  for (const path of ['/admin', '/admin/none', '/admin/users/ann', '/%61dmin/users/ann']) {
    for (const server of [both, adminOnly]) {
      expect(await raw(server, path, key)).toEqual([401, 'invalid_api_key']);
    }
    expect((await raw(both, path, adminKey, 'PUT'))[0]).not.toBe(401);
  }
});

it('an admin key opens nothing else', async () => {
  expect(await raw(both, '/v1/models', adminKey)).toEqual([401, 'invalid_api_key']);
  expect((await raw(both, '/v1/models', key))[0]).toBe(200);
  expect((await raw(adminOnly, '/v1/models'))[0]).toBe(200);
});

it('without admin keys a path under /admin is unknown, after the check of the key', async () => {
  for (const path of ['/admin/none', '/admin/users/ann', '/admin/safety']) {
    expect((await raw(without, path))[0]).toBe(401);
    expect((await raw(without, path, adminKey))[0]).toBe(401);
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect([path, (await raw(without, path, key, method))[0]]).toEqual([path, 404]);
    }
  }
});

it('a key of both files is refused at the start, and so is a file that is not there', async () => {
  const shared = join(folder, 'shared.txt');
  const hash = /ann ([0-9a-f]{64})/.exec(readFileSync(keyFile, 'utf8'))![1];
  writeFileSync(shared, `boss ${hash}\n`);
  const start = (file: string) => serve({ model: folder, port: 0, apiKeyFile: keyFile, adminKeyFile: file });
  await expect(start(shared)).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringMatching(/the admin key boss of .*shared.txt is also an API key/) as string,
  });
  await expect(start(join(folder, 'none.txt'))).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
});

it('admin keys alone do not open the server to other machines', async () => {
  const started = serve({ model: folder, port: 0, host: '0.0.0.0', adminKeyFile });
  await expect(started).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /there is no key/ });
});

it('the guard tells who is an administrator', () => {
  const [keys, adminKeys] = [ApiKeys.read(keyFile), ApiKeys.read(adminKeyFile)];
  const guard = new Guard({ keys, adminKeys, isLoopback: false, allowedHosts: [] });
  const header = (given: string) => (name: string) => (name === 'x-api-key' ? given : undefined);
  expect(guard.check('/admin/safety', header(adminKey))).toEqual({ name: 'root', isAdmin: true });
  expect(guard.check('/v1/models', header(key))).toEqual({ name: 'ann', isAdmin: false });
  const none = new Guard({ keys: undefined, adminKeys: undefined, isLoopback: true, allowedHosts: [] });
  const local = (name: string) => (name === 'host' ? 'localhost' : undefined);
  expect(none.check('/admin/safety', local)).toEqual({ name: undefined, isAdmin: false });
});
