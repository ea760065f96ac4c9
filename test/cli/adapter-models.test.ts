/** Adapter folders on the command line, where a model is expected; `convert` and `logits`. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { sft } from '../../src/train/sft/run.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { cliPath, lastLineJson, runNode, suiteFolder } from '../helpers/cli.ts';
import { until } from '../helpers/served.ts';
import { jsonl, sftDefaults } from '../helpers/stages.ts';

const folder = suiteFolder();
const [start, run, cache, text] = ['start', 'run', 'cache', 'text.txt'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
  string,
];
const adapter = join(run, 'adapter');

const athanor = (...args: string[]) => runNode([cliPath, ...args], { env: { ATHANOR_CACHE: cache } });
const logits = (model: string) =>
  athanor('logits', '--model', model, '--text-file', text, '--dtype', 'f32', '--json');

beforeAll(async () => {
  (await writeChatModel(start, { contextLength: 64 })).dispose();
  const data = jsonl(folder, 'rows.jsonl', [{ prompt: 'Colour of sky?', completion: 'Blue.' }]);
  await sft({ ...sftDefaults, model: start, data, out: run, loraRank: 2, steps: 3, lr: 0.05 });
  writeFileSync(text, 'The colour of the sky is blue.');
});

it('an adapter is merged once, and the command reads the merged model', async () => {
  const whole = await logits(run);
  const first = await logits(adapter);
  expect(first.stderr).toContain(`${adapter} is an adapter of ${start}; the merged model was written to`);
  const expected = lastLineJson(whole.stdout);
  const found = lastLineJson(first.stdout);
  expect(found.token_ids).toEqual(expected.token_ids);
  expect(found.nats).toBeCloseTo(expected.nats as number, 4);
  expect(lastLineJson((await logits(start)).stdout).nats).not.toBeCloseTo(expected.nats as number, 2);
  const again = await logits(adapter);
  expect(again.stderr).toContain('the merged model is in');
  expect(again.stdout).toBe(first.stdout);
  expect(readdirSync(join(cache, 'merged'))).toHaveLength(1);
});

it('training on an adapter leaves no adapter, whose base nobody else would have', async () => {
  const out = join(folder, 'further');
  const data = jsonl(folder, 'more.jsonl', [{ prompt: 'Colour of grass?', completion: 'Green.' }]);
  const args = ['--model', adapter, '--data', data, '--out', out, '--steps', '2', '--lora-rank', '2'];
  const { code, stderr } = await athanor('sft', ...args);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/no adapter is written, because its base was merged/);
  expect(readdirSync(out)).not.toContain('adapter');
});

it('convert merges into a folder, in another type on request', async () => {
  const out = join(folder, 'merged');
  const args = ['--model', adapter, '--out', out, '--dtype', 'bf16', '--json'];
  const { stdout, code } = await athanor('convert', ...args);
  expect(code).toBe(0);
  expect(lastLineJson(stdout)).toMatchObject({ out, base: start });
  const found = lastLineJson((await logits(out)).stdout);
  const expected = lastLineJson((await logits(run)).stdout);
  expect(found.nats).toBeCloseTo(expected.nats as number, 1);
  const twice = await athanor('convert', ...args);
  expect(twice.code).toBe(1);
  expect(twice.stderr).toContain('holds a model already');
});

it('a server that reloads merges the adapter again', async () => {
  const weights = join(adapter, 'adapter_model.safetensors');
  const args = ['serve', '--model', adapter, '--port', '0', '--device', 'cpu', '--dtype', 'f32', '--json'];
  let url = '';
  const hashOf = async () => {
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { hash: string }[] };
    return data[0]!.hash;
  };
  const { code, stderr } = await runNode([cliPath, ...args, '--threads', '1'], {
    env: { ATHANOR_CACHE: cache },
    started: (child) => {
      child.stdout!.on('data', (chunk: string) => {
        if (url !== '') return;
        url = (JSON.parse(chunk) as { url: string }).url;
        void swap().finally(() => child.kill('SIGTERM'));
      });
      const swap = async () => {
        const before = await hashOf();
        const bytes = readFileSync(weights);
        bytes.writeFloatLE(0.25, bytes.length - 4);
        writeFileSync(weights, bytes);
        child.kill('SIGHUP');
        await until(async () => (await hashOf()) !== before);
      };
    },
  });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/model [0-9a-f]{12} answers new requests, after [0-9a-f]{12}/);
});

it('without its base the message says how to name it', async () => {
  rmSync(start, { recursive: true });
  const { code, stderr } = await logits(adapter);
  expect(code).toBe(1);
  expect(stderr).toContain('is not on this machine');
  expect(stderr).toContain('athanor convert --model');
});
