/**
 * `npm run fuzz`: one child process at a time reads damaged files, with limits on the time of an
 * input and on the memory of the process. A child that crashes, hangs or exceeds the memory is
 * replaced, and the next one goes on behind the input that ended it.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Explained, root as packageRoot } from '../process.mjs';

const allReaders = [
  ...['rows', 'questions', 'documents', 'tokenizer', 'text', 'ranks', 'template', 'model', 'index'],
  ...['safetensors', 'checkpoint', 'resume', 'run', 'metrics', 'shards', 'packaged', 'config', 'report'],
  ...['policy', 'wordList', 'earlier', 'evaluation'],
];

/** Limits of one input, and of the process. */
const [MOST_MS, MOST_BYTES] = [10_000, 4 * 2 ** 30];
const POLL_MS = 100;
/** Nothing waits for a disk here. */
const MEMORY_DISK = '/dev/shm';

const child = fileURLToPath(new URL('child.mjs', import.meta.url));

export async function fuzzCommand(args) {
  const options = parse(args);
  if (!existsSync(join(packageRoot, 'dist/index.js')))
    throw new Explained('build the package: npm run build');
  const folder = mkdtempSync(join(existsSync(MEMORY_DISK) ? MEMORY_DISK : tmpdir(), 'athanor-fuzz-'));
  try {
    const { inputs, faults } = await fuzz(folder, options);
    for (const fault of faults) process.stdout.write(describe(fault, options));
    const count = (kind) => faults.filter((fault) => fault.kind === kind).length;
    process.stdout.write(
      `${inputs} inputs, seed ${options.seed}: crash ${count('crash')}, hang ${count('hang')}, ` +
        `ERR_INTERNAL ${count('internal') + count('untyped')}, over 4 GiB ${count('memory')}, ` +
        `long messages ${count('long')}\n`,
    );
    process.exitCode = faults.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parse(args) {
  const string = { type: 'string' };
  const { values } = parseArgs({
    args,
    options: { seconds: string, inputs: string, seed: string, reader: string, input: string },
  });
  const number = (key, otherwise) => {
    const value = values[key] === undefined ? otherwise : Number(values[key]);
    if (!(value >= 0)) throw new Explained(`--${key} ${values[key]} is not a number`);
    return value;
  };
  const { reader } = values;
  if (reader !== undefined && !allReaders.includes(reader)) {
    throw new Explained(`there is no reader ${reader}; the readers are ${allReaders.join(', ')}`);
  }
  const input = values.input === undefined ? undefined : number('input');
  return {
    seed: number('seed', 1),
    // Without a number of inputs the time decides.
    seconds: number('seconds', values.inputs || values.input ? Number.POSITIVE_INFINITY : 60),
    readers: reader ? [reader] : allReaders,
    first: input ?? 0,
    last: input === undefined ? number('inputs', Number.MAX_SAFE_INTEGER) : input + 1,
  };
}

/** @returns how many inputs were read, and the faults */
async function fuzz(folder, { seed, seconds, readers, first, last }) {
  await ended(spawn(process.execPath, [child, folder, seed, 'make'], { stdio: 'inherit' }));
  const faults = [];
  const end = performance.now() + seconds * 1000;
  let next = first;
  while (next < last && performance.now() < end) {
    writeFileSync(join(folder, 'progress'), `${next}`.padStart(15));
    const outcome = await watch(folder, [seed, next, last, readers], end);
    if (outcome.kind) faults.push({ ...outcome, reader: readers[outcome.input % readers.length] });
    next = outcome.kind ? outcome.input + 1 : outcome.input;
    if (!outcome.kind) break;
  }
  return { inputs: next - first, faults: [...faults, ...written(folder)] };
}

function written(folder) {
  const path = join(folder, 'faults.jsonl');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Runs a child to its end: { input, kind?, message? }. Without a kind nothing went wrong. */
async function watch(folder, [seed, first, last, readers], end) {
  const args = [child, folder, seed, first, last, readers.join(',')].map(String);
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  process_.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-4000);
  });
  const exit = ended(process_, false);
  let finished = false;
  exit.then(() => {
    finished = true;
  });
  const progress = () => readFileSync(join(folder, 'progress'), 'utf8').trim();
  let [seen, since] = ['', performance.now()];
  const stop = async (kind) => {
    const input = Number(progress());
    process_.kill('SIGKILL');
    await exit;
    return kind ? { input, kind } : { input };
  };
  while (!finished) {
    await Promise.race([sleep(POLL_MS), exit]);
    const now = performance.now();
    const at = progress();
    if (at !== seen) [seen, since] = [at, now];
    if (at === 'done' || finished) continue;
    if (now > end) return stop();
    if (now - since > MOST_MS) return stop('hang');
    if (residentBytes(process_.pid) > MOST_BYTES) return stop('memory');
  }
  const code = await exit;
  if (progress() === 'done' && code === 0) return { input: last };
  if (code === 3) throw new Explained(stderr);
  return { input: Number(progress()), kind: 'crash', message: `exit code ${code}`, stack: stderr };
}

/** The exit code, or the signal. */
function ended(process_, mustSucceed = true) {
  return new Promise((resolve, reject) => {
    process_.on('error', reject);
    process_.on('close', (code, signal) => {
      if (mustSucceed && code !== 0) reject(new Explained('the valid files could not be written'));
      else resolve(code ?? signal);
    });
  });
}

function residentBytes(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function describe({ reader, input, kind, message = '', stack = '' }, { seed, readers }) {
  const chosen = readers.length === 1 ? ` --reader ${reader}` : '';
  const again = `npm run fuzz -- --seed ${seed}${chosen} --input ${input}`;
  return `${kind} in ${reader}: ${message}\n${stack.slice(0, 1500)}\n  again: ${again}\n`;
}
