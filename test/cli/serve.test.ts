import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { athanor, cliPath, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

it('makes a key, serves with it, logs without secrets, and stops at SIGTERM', async () => {
  const folder = temporaryFolder();
  (await writeChatModel(folder, { contextLength: 64 })).dispose();
  const keys = join(folder, 'keys');
  const made = await athanor('serve', '--add-key', 'ann', '--api-key-file', keys);
  const key = made.stdout.trim();
  expect(made.code).toBe(0);
  expect(readFileSync(keys, 'utf8')).toMatch(/^ann [0-9a-f]{64}\n$/);
  const adminKeys = join(folder, 'admin-keys');
  await athanor('serve', '--add-key', 'root', '--admin-key-file', adminKeys);
  expect(readFileSync(adminKeys, 'utf8')).toMatch(/^root [0-9a-f]{64}\n$/);
  expect(key).toMatch(/^ath-[\w-]{43}$/);

  const args = [
    'serve',
    '--model',
    folder,
    '--port',
    '0',
    '--api-key-file',
    keys,
    '--name',
    'tiny',
    '--json',
  ];
  const engine = ['--threads', '1', '--device', 'cpu', '--quantize', 'int8'];
  const child = spawn(process.execPath, [cliPath, ...args, ...engine], { cwd: packageRoot });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  let stdout = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.on('exit', () => reject(new Error(log)));
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('\n')) resolve((JSON.parse(stdout.split('\n')[0]!) as { url: string }).url);
    });
  });
  const ask = (headers: Record<string, string>) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        model: 'tiny',
        messages: [{ role: 'user', content: 'TOPSECRET' }],
        max_tokens: 2,
      }),
    });
  expect((await ask({})).status).toBe(401);
  expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200);
  // The page that the log names opens without a key.
  const page = /to chat, open (\S+) in a browser/.exec(log)![1]!;
  expect(page).toBe(`${url}/`);
  expect((await fetch(page)).headers.get('content-type')).toBe('text/html; charset=utf-8');
  const code = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  expect(await code).toBe(0);
  expect(lastLineJson(stdout)).toEqual({ requests: 3, completion_tokens: expect.any(Number) });
  expect(log).toMatch(/GET \/ 200 \d+ ms/);
  expect(log).toMatch(/POST unknown 401 \d+ ms req-\S+ invalid_api_key/);
  expect(log).toMatch(/POST \/v1\/chat\/completions 200 \d+ ms \d+\+\d tokens key=ann chatcmpl-/);
  expect(log).toMatch(
    /int8 weights: \d\.\d{4} bits per byte \(\d\.\d{4} without\), KL divergence \S+ nats per token, on \d+ tokens/,
  );
  expect(log).not.toContain('TOPSECRET');
  expect(log).not.toContain(key);
});

it('names what is missing', async () => {
  const noModel = await athanor('serve');
  expect([noModel.code, noModel.stderr]).toEqual([2, expect.stringContaining('--model is required')]);
  const noFile = await athanor('serve', '--add-key', 'ann');
  expect([noFile.code, noFile.stderr]).toEqual([2, expect.stringContaining('give --api-key-file FILE')]);
  const both = await athanor('serve', '--add-key', 'ann', '--api-key-file', 'a', '--admin-key-file', 'b');
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('and not both')]);
  const wide = await athanor('serve', '--model', 'x', '--host', '0.0.0.0');
  expect(wide.code).toBe(1);
  expect(wide.stderr).toContain('--host 0.0.0.0 is open to other machines, and there is no key');
  expect(wide.stderr).toContain('give --api-key-file');
});
