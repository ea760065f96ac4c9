#!/usr/bin/env node
// `bench-llama-cpp.mjs FOLDER [--model nano] [--streams 64] [--new-tokens 128] [--type bf16]
// [--repeats 3] [--rows N]`: many texts at once by the server of Athanor over HTTP and by
// node-llama-cpp, which is installed in FOLDER, in turns. Both have the same random weights, as
// many threads as cores, and make the same number of tokens. With --rows the token table has so
// many rows, most of them without a token, and Athanor's side is its engine without the server
// (`bench generate`): `--model qwen3-0.6b --rows 151936 --streams 1 --new-tokens 32`.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const PROMPT = 'The first word of a text that goes on';

const string = { type: 'string' };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: string,
    streams: string,
    'new-tokens': string,
    type: string,
    repeats: string,
    rows: string,
    gguf: string,
  },
});
const [place] = positionals;
if (place === undefined) throw new Error('name the folder in which node-llama-cpp is installed');
const streams = Number(values.streams ?? 64);
const newTokens = Number(values['new-tokens'] ?? 128);

if (values.gguf === undefined) await compare();
else await decode(values.gguf);

async function compare() {
  const { exportGguf } = await import('../dist/index.js');
  const { writeBenchModel } = await import('../dist/bench/serve-bench.js');
  const { model = 'nano', type = 'bf16', repeats = 3, rows } = values;
  const folder = await writeBenchModel(model, 4096, rows && Number(rows));
  try {
    const gguf = join(folder, 'model.gguf');
    await exportGguf(folder, gguf, { type });
    const rates = { own: [], engine: [], llama: [] };
    for (let i = 0; i < Number(repeats); i++) {
      const flags = ['--model', model, '--new-tokens', newTokens];
      const own = rows === undefined ? serve(flags) : generate([...flags, '--vocab-size', rows]);
      rates.own.push(own.tokens_per_second);
      rates.engine.push(own.engine_tokens_per_second ?? own.tokens_per_second);
      const others = [place, '--gguf', gguf, '--streams', streams, '--new-tokens', newTokens];
      rates.llama.push(run(fileURLToPath(import.meta.url), others).tokens_per_second);
    }
    const [own, engine, llama] = Object.values(rates).map((all) => Math.max(...all));
    const served = rows === undefined ? `over HTTP ${own.toFixed(1)} tokens/s, its engine ` : '';
    console.log(
      `${model}, ${streams} texts, ${type}: athanor ${served}${engine.toFixed(1)} tokens/s, ` +
        `node-llama-cpp ${llama.toFixed(1)}: ${(own / llama).toFixed(2)} times`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function serve(flags) {
  return run('../dist/cli/main.js', [
    ...['bench', 'serve', ...flags],
    ...['--streams', streams, '--repeats', 1, '--json'],
  ]);
}

function generate(flags) {
  return run('../dist/cli/main.js', [
    ...['bench', 'generate', ...flags, '--dtype', 'bf16'],
    ...['--batch-size', streams, '--repeats', 1, '--json'],
  ]);
}

/** The last line of a program's output, which is JSON. */
function run(program, args) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const output = execFileSync(process.execPath, [path, ...args.map(String)], { encoding: 'utf8' });
  return JSON.parse(output.trim().split('\n').at(-1));
}

async function decode(gguf) {
  const from = createRequire(pathToFileURL(join(resolve(place), 'package.json')));
  const { getLlama, LlamaLogLevel } = await import(pathToFileURL(from.resolve('node-llama-cpp')).href);
  const threads = availableParallelism();
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: gguf });
  const size = 32 + newTokens;
  const context = await model.createContext({
    contextSize: size,
    sequences: streams,
    threads,
    batchSize: 512,
  });
  const prompt = model.tokenize(PROMPT);
  const sequences = Array.from({ length: streams }, () => context.getSequence());
  const startedAt = performance.now();
  const counts = await Promise.all(
    sequences.map(async (sequence, i) => {
      let count = 0;
      const options = { temperature: 1, seed: i, yieldEogToken: true };
      for await (const _ of sequence.evaluate(prompt, options)) if (++count === newTokens) break;
      return count;
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  if (tokens !== streams * newTokens) throw new Error(`only ${tokens} tokens were made`);
  console.log(JSON.stringify({ tokens, seconds, tokens_per_second: tokens / seconds }));
  process.exit(0);
}
