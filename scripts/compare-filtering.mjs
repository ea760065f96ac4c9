#!/usr/bin/env node
// Does filtering help? A corpus is made dirty on purpose, filtered by `data prepare`, and a small
// model is trained on a fixed number of tokens of the dirty, the filtered and the clean text:
//   nice node scripts/compare-filtering.mjs [--tokens 500000] [--seeds 1,2,3,4,5,6] [--out FOLDER]
// Prints a table for docs/data.md. Needs the built package (npm run build). Some twenty minutes of
// one core.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  classifier,
  labelledMail,
  loadModel,
  packagedDocuments,
  perplexity,
  prepareData,
  pretrain,
  TokenDataset,
  Tokenizer,
} from '../dist/index.js';

const { values } = parseArgs({
  options: {
    tokens: { type: 'string', default: '500000' },
    seeds: { type: 'string', default: '1,2,3,4,5,6' },
    out: { type: 'string' },
  },
});
const tokens = Number(values.tokens);
const seeds = values.seeds.split(',').map(Number);
const root = values.out ?? mkdtempSync(join(tmpdir(), 'athanor-filtering-'));
mkdirSync(root, { recursive: true });

/** Student's t for a 95 % interval, by degrees of freedom. */
const STUDENT = [Number.NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const PIECE = 3000;
const common = { minChars: 1, onBadLine: 'skip' };

/** Numbers from 0 to 1 that are the same in every run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
const draw = random(7);
const below = (n) => Math.floor(draw() * n);
const pick = (list) => list[below(list.length)];

/** Parts of about PIECE characters, at the ends of sentences, with a line per five of these. */
function pieces(text) {
  const parts = [''];
  for (const [i, sentence] of text.split(/(?<=[.!?])\s+/).entries()) {
    if (parts.at(-1).length > PIECE) parts.push('');
    parts.push(`${parts.pop()}${sentence}${i % 5 === 4 ? '\n' : ' '}`);
  }
  return parts.map((part) => part.trim()).filter((part) => part.length > PIECE / 2);
}

const NAVIGATION = [
  'Home',
  'About us',
  'Contact',
  'Sign in',
  'Products',
  'Careers',
  'Newsletter',
  'Site map',
];
const NOTICES = [
  'We use cookies to improve your experience. See our privacy policy',
  'All rights reserved. Terms of use apply',
  'Share on all networks | Print this page | E-mail to a friend',
  'Please enable javascript to see this page',
  'Subscribe to our newsletter and never miss an offer...',
];

/** Menus and notices around little text of its own. */
function boilerplate(text) {
  const menu = () => Array.from({ length: 12 }, () => pick(NAVIGATION)).join('\n');
  return [menu(), ...Array.from({ length: 8 }, () => pick(NOTICES)), text.slice(0, 300), menu()].join('\n');
}

/** Numbers and codes, as a shop's catalogue has them. */
function machineList() {
  const row = () =>
    `SKU-${below(1e6)} ; ${below(100)}x${below(100)} ; ${(draw() * 900).toFixed(2)} EUR ; stock ${below(50)}`;
  return Array.from({ length: 40 }, row).join('\n');
}

/** Each line ends in the middle of a sentence, as in a list of search results. */
const truncated = (text) =>
  text
    .split(/(?<=[.;,])\s+/)
    .map((sentence) => `${sentence.slice(0, 20 + below(30))}...`)
    .join('\n');

/** The text with a few other words, as a copy on another page has it. */
const nearCopy = (text) =>
  text
    .split(' ')
    .map((word) => (draw() < 0.004 ? pick(['indeed', 'also', 'very', 'perhaps']) : word))
    .join(' ');

function writeRows(name, texts) {
  const file = join(root, `${name}.jsonl`);
  writeFileSync(file, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  return file;
}

function shuffled(list) {
  const keyed = list.map((value) => ({ value, key: draw() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
}

const addresses = [];
for await (const { text } of packagedDocuments('state-of-the-union')) addresses.push(text);
const parts = shuffled(addresses);
const heldOut = parts.slice(0, 20).flatMap(pieces);
const clean = shuffled(parts.slice(20).flatMap(pieces)).slice(0, 1200);
const mail = shuffled(await labelledMail());
const spam = mail.filter(({ isSpam }) => isSpam).map(({ text }) => text.slice(0, 2 * PIECE));
const dirt = {
  'near copies': Array.from({ length: 500 }, () => nearCopy(pick(clean.slice(0, 60)))),
  'pages of menus and notices': Array.from({ length: 5000 }, () => boilerplate(pick(clean))),
  'spam mail': spam.slice(900),
  'machine-made lists': Array.from({ length: 3000 }, machineList),
  'truncated lines': Array.from({ length: 500 }, () => truncated(pick(clean))),
};
const dirty = shuffled([...clean, ...Object.values(dirt).flat()]);
const bytes = (texts) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
for (const [name, texts] of Object.entries({ 'clean text': clean, ...dirt })) {
  console.log(`| ${name} | ${texts.length} | ${(bytes(texts) / 1e6).toFixed(1)} |`);
}

const files = { clean: writeRows('clean', clean), dirty: writeRows('dirty', dirty) };
const tokenizer = await Tokenizer.train(dirty, { vocabSize: 2048, specialTokens: ['<|endoftext|>'] });

/** Of spam, from the other half of the mail. The base is a tiny model of random weights. */
async function spamClassifier() {
  const out = join(root, 'spam');
  if (existsSync(join(out, 'classifier.json'))) return out;
  const seen = [...spam.slice(0, 900).map((text) => ({ text, label: 1 }))];
  const ham = mail.filter(({ isSpam }) => !isSpam).slice(0, 900);
  const good = [...ham.map(({ text }) => text), ...heldOut.slice(0, 150)].map((text) => ({ text, label: 0 }));
  const rows = join(root, 'labelled.jsonl');
  writeFileSync(
    rows,
    shuffled([...seen, ...good])
      .map(({ text, label }) => JSON.stringify({ text: text.slice(0, 400), label }))
      .join('\n'),
  );
  const base = join(root, 'base');
  await pretrain({
    ...{ data: files.dirty, out: base, model: 'tiny', vocabSize: 2048, context: 96, batchSize: 16 },
    ...{ steps: 60, dtype: 'f32', evalEvery: 0, sampleEvery: 0 },
  });
  await classifier({
    data: rows,
    model: base,
    out,
    epochs: 3,
    batchSize: 16,
    lr: 2e-3,
    dtype: 'f32',
    context: 96,
  });
  return out;
}

const filters = [
  'gopher-repetition',
  'gopher-quality',
  'c4:terminal-punctuation=off',
  'fineweb',
  `classifier:folder=${await spamClassifier()}:keep=others`,
];
async function shards(name, more) {
  const out = join(root, `shards-${name}`);
  if (existsSync(out)) return out;
  const report = await prepareData({
    ...common,
    validationSplit: 0.02,
    vocabSize: 2048,
    tokenizer,
    out,
    ...more,
  });
  console.log(name, report.documents, report.tokens, JSON.stringify(report.rejected), report.duplicates);
  return out;
}
const corpora = {
  dirty: await shards('dirty', { sources: [files.dirty], dedup: 'none' }),
  filtered: await shards('filtered', { sources: [files.dirty], filters, dedup: 'minhash' }),
  clean: await shards('clean', { sources: [files.clean], dedup: 'none' }),
};
const test = await shards('test', { sources: [writeRows('test', heldOut)], validationSplit: 0.9 });
const dataset = TokenDataset.open(test);

async function bitsPerByte(name, seed) {
  const out = join(root, `${name}-${seed}`);
  await pretrain({
    ...{ data: corpora[name], out, model: 'llama-tiny', context: 128, batchSize: 4, tokens, seed, lr: 3e-3 },
    ...{ dtype: 'f32', evalEvery: 0, sampleEvery: 0, saveEvery: 0, mix: 'natural' },
  });
  const model = loadModel(out);
  const result = await perplexity(model, dataset, { batchSize: 16, context: 128, maxTokens: 60_000 });
  model.dispose();
  return result.bitsPerByte;
}

const results = { dirty: [], filtered: [], clean: [] };
for (const seed of seeds) {
  for (const name of Object.keys(corpora)) results[name].push(await bitsPerByte(name, seed));
  console.log(
    seed,
    Object.entries(results)
      .map(([name, all]) => `${name} ${all.at(-1).toFixed(4)}`)
      .join(', '),
  );
}

function interval(list) {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (list.length - 1);
  const half = STUDENT[list.length - 1] * Math.sqrt(variance / list.length);
  return `${mean.toFixed(3)} (${(mean - half).toFixed(3)} to ${(mean + half).toFixed(3)})`;
}
const difference = (name) => results[name].map((value, i) => value - results.dirty[i]);
console.log('\n| text | bits per byte | less than dirty |\n| --- | --- | --- |');
console.log(`| dirty | ${interval(results.dirty)} | |`);
for (const name of ['filtered', 'clean']) {
  console.log(`| ${name} | ${interval(results[name])} | ${interval(difference(name))} |`);
}
dataset.close();
if (values.out === undefined) rmSync(root, { recursive: true, force: true });
