#!/usr/bin/env node
// `load-server.mjs [--clients 256] [--seconds 600] [--model nano]`: many clients of one server.
// Each asks again once it has its answer, or when a refusal says. One request in sixteen is left in
// the middle of its stream. Every ten seconds it notes the server's memory and the delay of its
// event loop. Prints one line of JSON; exits 1 when a request ended without an answer, a 429 or a
// 503. Needs the built package.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeBenchModel } from '../dist/bench/serve-bench.js';

const PORT = 8097;
const [EVERY_MS, LEAVES] = [10_000, 16];
const string = { type: 'string' };
const { values } = parseArgs({ options: { clients: string, seconds: string, model: string } });
const [clients, seconds] = [Number(values.clients ?? 256), Number(values.seconds ?? 600)];

const folder = await writeBenchModel(values.model ?? 'nano', 4096);
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const server = spawn(process.execPath, [cli, 'serve', '--model', folder, '--port', String(PORT)], {
  stdio: ['ignore', 'ignore', 'ignore'],
});
const agent = new Agent({ keepAlive: true });
const counts = { answers: 0, left: 0 };
const problems = [];
const notes = [];
try {
  while ((await ask('GET', '/ready')).status !== 200) await sleep(200);
  const end = performance.now() + seconds * 1000;
  const watching = watch(end);
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i, end)));
  await watching;
  // The slots are free again, and the server answers.
  await sleep(500);
  const running = gauge((await ask('GET', '/metrics')).text, 'sequences_running');
  const half = notes.slice(Math.floor(notes.length / 2));
  const memory = (list) => list.map(({ mib }) => mib);
  console.log(
    JSON.stringify({
      ...{ clients, seconds, ...counts, problems: problems.length, running_at_the_end: running },
      resident_mib: {
        first_half: range(memory(notes.slice(2, notes.length - half.length))),
        second_half: range(memory(half)),
      },
      event_loop_delay_ms: range(notes.map(({ delay }) => delay * 1000)),
      not_ready: notes.filter(({ ready }) => ready !== 200).length,
    }),
  );
  for (const problem of problems.slice(0, 5)) console.error(problem);
  process.exitCode = problems.length > 0 || running !== 0 ? 1 : 0;
} finally {
  agent.destroy();
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

async function client(index, end) {
  for (let i = 0; performance.now() < end; i++) {
    const leaves = (index + i) % LEAVES === 0;
    const messages = `Text ${index} of many, for the time number ${i}: `;
    const body = {
      prompt: messages,
      max_tokens: 8 + ((7 * index + 13 * i) % 48),
      stream: true,
      ignore_eos: true,
    };
    const { status, text, wait, isLeft } = await ask('POST', '/v1/completions', body, leaves);
    if (isLeft) counts.left++;
    else if (status === 200 && text.endsWith('data: [DONE]\n\n')) counts.answers++;
    else if (status === 429 || status === 503) {
      counts[status] = (counts[status] ?? 0) + 1;
      await sleep(1000 * Math.max(1, wait));
    } else problems.push(`status ${status}: ${text.slice(-200)}`);
  }
}

async function watch(end) {
  while (performance.now() + EVERY_MS < end) {
    await sleep(EVERY_MS);
    const { text } = await ask('GET', '/metrics');
    const { status: ready } = await ask('GET', '/ready');
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'));
    notes.push({ delay: gauge(text, 'event_loop_delay_seconds'), mib: Number(resident[1]) / 1024, ready });
  }
}

function gauge(text, name) {
  return Number(new RegExp(`^athanor_${name} (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

function range(numbers) {
  return numbers.length === 0
    ? null
    : [Math.min(...numbers), Math.max(...numbers)].map((n) => Number(n.toFixed(1)));
}

/** @param leaves close the connection at the first piece of the answer */
function ask(method, path, body, leaves = false) {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const failed = (error) => resolve({ status: 0, text: error.message, wait: 0, isLeft: false });
    const sent = request({ port: PORT, method, path, headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece;
        if (!leaves || response.statusCode !== 200) return;
        sent.destroy();
        resolve({ status: 200, text, wait: 0, isLeft: true });
      });
      const wait = Number(response.headers['retry-after'] ?? 1);
      response.on('end', () => resolve({ status: response.statusCode, text, wait, isLeft: false }));
      response.on('error', failed);
    });
    sent.on('error', failed);
    sent.end(body && JSON.stringify(body));
  });
}
