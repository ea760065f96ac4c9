#!/usr/bin/env node
// The tables of docs/corpus-scale.md: what `data prepare` takes for large amounts of WARC.
//   node scripts/corpus-scale.mjs [--warc 1e12,1e14] [--cores 64] [--machines 1,16] [--pages 6.5]
// Rates are those of docs/benchmarks.md, from `athanor bench data`. The shares are assumptions
// about the crawl, and options change them.
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    warc: { type: 'string', default: '1e12,1e14' },
    cores: { type: 'string', default: '64' },
    machines: { type: 'string', default: '1,16' },
    expansion: { type: 'string', default: '4.5' },
    text: { type: 'string', default: '0.1' },
    filtered: { type: 'string', default: '0.15' },
    unique: { type: 'string', default: '0.5' },
    document: { type: 'string', default: '3000' },
    pages: { type: 'string', default: '6.5' },
    disk: { type: 'string', default: '1000' },
  },
});
const number = (name) => Number(values[name]);
const list = (name) => values[name].split(',').map(Number);

/** MB of a step's input per core and second. */
const RATES = {
  // zlib of Node on JSON Lines; and pages that are cut to their main text: docs/corpus-scale.md.
  gunzip: 280,
  pages: number('pages'),
  // docs/benchmarks.md, "Filters of text" and "Repeated documents".
  filters: 12.9,
  signatures: 91.6,
  nearDuplicates: 87,
  decontamination: 87.4,
  // docs/benchmarks.md, "Tokenizer", r50k.
  encode: 136,
  // By processor time of the phases of a run on 65 MB of JSON Lines: see docs/corpus-scale.md.
  digests: 493,
  units: 200,
};
/** Bytes per document, docs/data.md. */
const BYTES = { digest: 64, unionFind: 32, sortedKeys: 224, keptKeys: 140, keptDigest: 16 };
/** Bytes of text per token, and of a token in a shard of a vocabulary over 65,536. */
const [PER_TOKEN, WIDTH] = [4.4, 4];
const MEGA = 1e6;

/** Bytes and documents after each step. */
function amounts(warc) {
  const html = warc * number('expansion');
  const text = html * number('text');
  const filtered = text * number('filtered');
  const kept = filtered * number('unique');
  const documents = filtered / number('document');
  return { warc, html, text, filtered, kept, documents, tokens: kept / PER_TOKEN };
}

/**
 * Core hours of each step. `on`: all cores of all machines, or those of one machine, or one thread,
 * because the step looks at all documents in order.
 */
function steps(a) {
  const step = (name, of, rate, on = 'all') => ({ name, rate, on, hours: of / (rate * MEGA) / 3600 });
  return [
    step('digests of the inputs', a.warc, RATES.digests, 'thread'),
    step('gunzip', a.html, RATES.gunzip),
    step('main text of pages', a.html, RATES.pages),
    step('filters (`fineweb-pipeline`)', a.text, RATES.filters),
    step('near duplicates: signatures and keys', a.filtered, RATES.nearDuplicates, 'machine'),
    step('near duplicates: reading the units', a.filtered, RATES.units, 'thread'),
    step('decontamination', a.filtered, RATES.decontamination, 'machine'),
    step('choosing', a.filtered, RATES.units, 'thread'),
    step('encoding', a.kept, RATES.encode),
    step('writing the shards', a.tokens * WIDTH, number('disk'), 'thread'),
  ];
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];
function short(value, unit = '') {
  let place = 0;
  let left = value;
  while (left >= 1000 && place < UNITS.length - 1) {
    left /= 1000;
    place += 1;
  }
  return `${Number(left.toPrecision(2))} ${UNITS[place]}${unit}`.trim();
}
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const head = (...cells) => {
  row(...cells);
  row(...cells.map(() => '---'));
};

const all = list('warc').map(amounts);
console.log('Amounts\n');
head('', ...all.map(({ warc }) => `${short(warc, 'B')} of WARC`));
row('HTML, uncompressed', ...all.map(({ html }) => short(html, 'B')));
row('main text', ...all.map(({ text }) => short(text, 'B')));
row(
  'after the filters',
  ...all.map(({ filtered, documents }) => `${short(filtered, 'B')}, ${short(documents)} documents`),
);
row('after repetitions', ...all.map(({ kept }) => short(kept, 'B')));
row('tokens', ...all.map(({ tokens }) => short(tokens)));

console.log('\nCore hours\n');
const where = { all: 'all machines', machine: 'one machine', thread: 'one thread' };
head('step', 'on', 'MB/s per core', ...all.map(({ warc }) => short(warc, 'B')));
for (const [i, { name, rate, on }] of steps(all[0]).entries()) {
  row(name, where[on], rate, ...all.map((a) => short(steps(a)[i].hours)));
}
row('all', '', '', ...all.map((a) => short(steps(a).reduce((sum, { hours }) => sum + hours, 0))));

console.log('\nDisk and memory\n');
head('', ...all.map(({ warc }) => short(warc, 'B')));
const documents = (perDocument) => all.map((a) => short(a.documents * perDocument, 'B'));
row('units of filtered text, until the end', ...all.map(({ filtered }) => short(filtered, 'B')));
row('encoded units, until the end', ...all.map(({ tokens }) => short(tokens * WIDTH, 'B')));
row('keys of the bands while they are sorted', ...documents(BYTES.sortedKeys));
row('shards', ...all.map(({ tokens }) => short(tokens * WIDTH, 'B')));
row('digests and keys for a later snapshot', ...documents(BYTES.keptKeys + BYTES.keptDigest));
row('memory of the machine that decides', ...documents(BYTES.digest + BYTES.unionFind));

const cores = number('cores');
console.log(`\nHours with ${cores} cores per machine\n`);
head('machines', ...all.flatMap(({ warc }) => [short(warc, 'B'), 'of that on one thread']));
for (const machines of list('machines')) {
  const threads = { all: cores * machines, machine: cores, thread: 1 };
  const hours = (a, wanted) =>
    steps(a).reduce((sum, { on, hours: work }) => sum + (wanted.includes(on) ? work / threads[on] : 0), 0);
  row(machines, ...all.flatMap((a) => [short(hours(a, Object.keys(where))), short(hours(a, ['thread']))]));
}
