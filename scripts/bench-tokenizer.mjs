// Compares the speed of the tokenizer with installed peers on one text file; the best of
// five runs each:
//   node scripts/bench-tokenizer.mjs corpus.txt [threads]
// Needs the built package (npm run build). MB/s is 10^6 bytes of text per second.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { get_encoding } from 'tiktoken';
import { native } from '../dist/native/addon.js';
import { splitExpressions } from '../dist/text/split-patterns.js';
import { Tokenizer } from '../dist/text/tokenizer.js';

const require = createRequire(import.meta.url);
const [file, threads = '1'] = process.argv.slice(2);
if (!file) throw new Error('name a text file');
native.setNumThreads(Number(threads));
const bytes = readFileSync(file);
const text = bytes.toString('utf8');
const row = (name, rate) => console.log(`${name.padEnd(44)}${rate.toFixed(1).padStart(8)} MB/s`);

async function rate(work, runs = 5) {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return bytes.length / 1e3 / best;
}

const made = new Map();

/** The tokenizer with its split pattern in a spelling that has no state machine. */
function general(tokenizer) {
  if (made.has(tokenizer)) return made.get(tokenizer);
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  tokenizer.save(folder);
  const path = join(folder, 'tokenizer.json');
  const file = JSON.parse(readFileSync(path, 'utf8'));
  const pattern = { Regex: `(?:${splitExpressions[tokenizer.splitPattern]})` };
  const split = { type: 'Split', pattern, behavior: 'Isolated', invert: false };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  file.pre_tokenizer = { type: 'Sequence', pretokenizers: [split, byteLevel] };
  writeFileSync(path, JSON.stringify(file));
  made.set(tokenizer, Tokenizer.load(path));
  rmSync(folder, { recursive: true });
  return made.get(tokenizer);
}

console.log(`${(bytes.length / 1e6).toFixed(2)} MB, ${threads} thread(s)`);
for (const pattern of ['gpt2', 'gpt4']) {
  for (const vocabSize of [4096, 32768, 50257]) {
    row(
      `train, ${pattern}, ${vocabSize} tokens`,
      await rate(() => Tokenizer.train([bytes], { vocabSize, pattern })),
    );
  }
}
for (const [encoding, pattern] of [
  ['r50k_base', 'gpt2'],
  ['cl100k_base', 'gpt4'],
  ['o200k_base', 'gpt4o'],
]) {
  const tokenizer = Tokenizer.fromTiktoken(
    require.resolve(`gpt-tokenizer/data/${encoding}.tiktoken`),
    pattern,
  );
  const ids = tokenizer.encode(text);
  row(`encode, ${encoding}`, await rate(() => tokenizer.encode(text)));
  row(`encode, ${encoding}, from bytes`, await rate(() => tokenizer.encode(bytes)));
  row(`encode, ${encoding}, its pattern as any other one`, await rate(() => general(tokenizer).encode(text)));
  row(`decode, ${encoding}`, await rate(() => tokenizer.decode(ids)));
  const peer = get_encoding(encoding);
  row(`encode, ${encoding}, tiktoken (WebAssembly)`, await rate(() => peer.encode(text, [], []), 2));
  peer.free();
}
