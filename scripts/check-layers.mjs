#!/usr/bin/env node
// Checks the layers of docs/architecture.md: which folder may include or import which.
// `check-layers.mjs [FOLDER]` prints each violation as file:line and exits 1.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** native/: each folder, and the other folders that it may include. */
const nativeLayers = {
  core: [],
  kernels: ['core'],
  cpu: ['core', 'kernels'],
  cuda: ['core', 'kernels'],
  emulator: ['core', 'cuda'],
  no_cuda: ['core', 'kernels'],
  ops: ['core', 'kernels', 'cpu', 'cuda'],
  text: ['core'],
  gguf: ['core'],
  comm: ['core', 'kernels'],
  binding: ['core', 'kernels', 'cpu', 'cuda', 'ops', 'text', 'gguf', 'comm'],
  test: ['core', 'kernels', 'cpu', 'cuda', 'emulator', 'ops', 'text', 'gguf', 'comm'],
};

/**
 * Files that may include one more folder. Compilers other than nvcc get the emulator through gpu.h.
 */
const nativeExceptions = { 'cuda/gpu.h': 'emulator' };

/**
 * src/, in import order: a folder imports only those before it. Files directly in src may import
 * all. `inside` orders the folders of a folder in the same way; '' stands for the files directly in
 * it. A list holds siblings, which do not import each other. `only` names the folders that may
 * import this one.
 */
const sourceRooms = [
  { name: 'base', inside: ['', ['files', 'border']] },
  { name: 'native' },
  { name: 'tensor', inside: ['', 'ops'] },
  { name: 'comm' },
  { name: 'nn' },
  { name: 'optim' },
  { name: 'text' },
  { name: 'data', inside: ['', 'formats', 'packaged', 'corpus', ['filters', 'dedup'], 'shards', 'rows'] },
  { name: 'report' },
  { name: 'generate' },
  { name: 'checkpoint', inside: ['', ['gguf', 'peft'], 'convert'] },
  { name: 'scoring' },
  { name: 'eval' },
  { name: 'feedback' },
  { name: 'safety' },
  { name: 'train', inside: ['loop', ['pretrain', 'sft', 'preference', 'classifier', 'rl']] },
  {
    name: 'serve',
    only: ['cli'],
    inside: ['protocol', ['engine', 'host', 'access', 'api', 'feedback', 'page'], ''],
  },
  { name: 'improve' },
  { name: 'quickstart', inside: ['factbook', ''] },
  { name: 'bench' },
  { name: 'launch' },
  { name: 'cli' },
];

/**
 * Files that may import one more room, when they are used: a filter of the corpus may ask a model.
 */
const sourceExceptions = { 'data/filters/classifier.ts': 'scoring' };

// The linker merges out-of-line templates of containers. A version compiled for AVX-512 would crash
// an older machine.
const containers =
  'any array_view deque forward_list functional iostream list map memory optional ostream queue regex set sstream stack string unordered_map unordered_set variant vector'.split(
    ' ',
  );
const containerUse = new RegExp(
  `\\bstd::(${containers.join('|')}|function|unique_ptr|shared_ptr|pair|sort)\\b`,
);

function filesIn(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** Blanks comments, keeping line breaks and everything in quotes. */
function withoutComments(text) {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (match) => (match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match));
}

function lineOf(text, index) {
  return text.slice(0, index).split('\n').length;
}

function checkNative(root) {
  const native = join(root, 'native');
  const problems = [];
  for (const file of filesIn(native, /\.(h|cpp|cu|cuh)$/)) {
    const [layer, second] = relative(native, file).split('/');
    const allowed = nativeLayers[layer];
    const text = withoutComments(readFileSync(file, 'utf8'));
    const report = (index, what) => problems.push(`${relative(root, file)}:${lineOf(text, index)}: ${what}`);
    if (allowed === undefined) {
      report(0, `native/${layer} is no layer; the layers are ${Object.keys(nativeLayers).join(', ')}`);
      continue;
    }
    const isKernel = layer === 'cpu' && second !== 'host';
    for (const match of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm)) {
      const [, bracket, path] = match;
      const target = path.split('/')[0];
      const isAllowed =
        target === layer || allowed.includes(target) || nativeExceptions[relative(native, file)] === target;
      if (bracket === '"' && !isAllowed) {
        report(match.index, `native/${layer} may not include ${path}`);
      }
      if (bracket === '<' && /^(napi|node_api|js_native_api|uv|v8)\b/.test(path) && layer !== 'binding') {
        report(match.index, `only native/binding may know JavaScript: ${path}`);
      }
      if (isKernel && bracket === '<' && containers.includes(path)) {
        report(match.index, `a kernel file may not include <${path}>`);
      }
    }
    if (isKernel) {
      text.split('\n').forEach((line, index) => {
        const use = containerUse.exec(line);
        if (use) problems.push(`${relative(root, file)}:${index + 1}: a kernel file may not use ${use[0]}`);
      });
    }
  }
  return problems;
}

/**
 * The place of a file under src: its room and, in a room with folders, its floor and folder there.
 */
function placeOf(parts) {
  if (parts.length === 1) return { room: sourceRooms.length };
  const room = sourceRooms.findIndex(({ name }) => name === parts[0]);
  const { inside } = sourceRooms[room] ?? {};
  if (!inside) return { room };
  const folder = parts.length > 2 ? parts[1] : '';
  return { room, folder, floor: inside.findIndex((entry) => [entry].flat().includes(folder)) };
}

/** Why a file at `from` may not import one at `to`; undefined if it may. */
function refusal(from, to, path) {
  const { name, only } = sourceRooms[to.room] ?? {};
  if (only && from.room < sourceRooms.length && from.room !== to.room) {
    if (!only.includes(sourceRooms[from.room].name))
      return `only ${only.join(', ')} may import src/${name}: ${path}`;
  }
  if (to.room > from.room) return `src/${sourceRooms[from.room].name} may not import ${path}`;
  if (to.room < from.room || from.floor === undefined) return undefined;
  const above = to.floor > from.floor || (to.floor === from.floor && to.folder !== from.folder);
  return above ? `src/${name}/${from.folder} may not import ${path}` : undefined;
}

function checkSource(root) {
  const source = join(root, 'src');
  const problems = [];
  for (const file of filesIn(source, /\.ts$/)) {
    const parts = relative(source, file).split('/');
    const from = placeOf(parts);
    const text = withoutComments(readFileSync(file, 'utf8'));
    const report = (index, what) => problems.push(`${relative(root, file)}:${lineOf(text, index)}: ${what}`);
    if (from.room < 0) {
      report(
        0,
        `src/${parts[0]} is no room; the rooms are ${sourceRooms.map(({ name }) => name).join(', ')}`,
      );
      continue;
    }
    if (from.floor === -1) {
      const folders = sourceRooms[from.room].inside.flat().filter(Boolean).join(', ');
      report(0, `src/${parts[0]} has no room for ${parts.slice(1).join('/')}; its folders are ${folders}`);
      continue;
    }
    for (const match of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (!match[1].startsWith('.')) continue;
      const target = relative(source, resolve(dirname(file), match[1])).split('/');
      if (target[0] === '..') {
        report(match.index, `src may not import ${match[1]}, which is outside of it`);
        continue;
      }
      if (match[0].startsWith('import') && sourceExceptions[parts.join('/')] === target[0]) continue;
      const why = refusal(from, placeOf(target), target.join('/'));
      if (why) report(match.index, why);
    }
  }
  return problems;
}

/** Every violation under `root`, as `file:line: what`. */
export function checkLayers(root) {
  return [...checkNative(root), ...checkSource(root)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..');
  const problems = checkLayers(root);
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
