import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filtersOf } from '../../src/cli/filter-options.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { readmes } from '../data/corpus/corpora.ts';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../helpers/cli.ts';

it('prepares text, says what it dropped, and shows what is in the shards', async () => {
  const folder = temporaryFolder();
  const lines = join(folder, 'lines.jsonl');
  writeFileSync(lines, '{"text":"one line to keep"}\nnot json\n'.concat('{"other":1}\n'.repeat(12)));
  const out = join(folder, 'shards');
  const args = [...readmes, lines, '--out', out, '--vocab-size', '600', '--part-bytes', '2k'];
  const prepared = await athanor('data', 'prepare', ...args, '--json');
  expect(prepared.stderr).toContain(`dropped ${lines}:2: not JSON`);
  expect(prepared.stderr.match(/without the field/g)).toHaveLength(10);
  expect(prepared.stderr).toContain(`more are in ${out}/dropped.jsonl`);
  expect(prepared.code).toBe(0);
  const bytes = [...readmes.map((file) => readFileSync(file).length), 16].reduce((a, b) => a + b);
  const report = lastLineJson(prepared.stdout);
  expect(report).toMatchObject({ bytes, vocab_size: 600, dropped: { bad_json: 1, missing_field: 12 }, out });
  expect(report.documents).toBe((report.train_documents as number) + (report.validation_documents as number));

  const inspected = await athanor('data', 'inspect', out, '--documents', '4', '--json');
  const { documents, train, validation, verified } = lastLineJson(inspected.stdout) as {
    documents: { text: string }[];
    train: { bytes: number };
    validation: { bytes: number };
    verified: boolean;
  };
  expect(verified).toBe(true);
  expect(train.bytes + validation.bytes).toBe(bytes);
  const all = readmes.map((file) => readFileSync(file, 'utf8')).join('');
  expect(documents).toHaveLength(4);
  for (const { text } of documents) expect(all).toContain(text.replace(/\ufffd$/, ''));

  const again = await athanor('data', 'prepare', ...args);
  expect(again.code).not.toBe(0);
  expect(again.stderr).toContain(`${out} exists already`);
  const shard = join(out, 'train-00000.bin');
  const damaged = readFileSync(shard);
  damaged.writeUInt8(damaged[99]! ^ 1, 99);
  writeFileSync(shard, damaged);
  const refused = await athanor('data', 'inspect', out);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('train-00000.bin: its contents differ from their checksum');
  expect((await athanor('data', 'inspect', out, '--no-verify')).stdout).toContain('checksums not compared');
});

it('filters documents, and shows what was rejected and why', async () => {
  const folder = temporaryFolder();
  const lines = join(folder, 'lines.jsonl');
  const texts = ['too short', 'It has a badword in it, and so on.', 'Write to a@b.co, or to nobody at all.'];
  writeFileSync(lines, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  const list = join(folder, 'words.txt');
  writeFileSync(list, 'BadWord\n');
  const out = join(folder, 'shards');
  const run = ['data', 'prepare', lines, ...readmes, '--out', out, '--vocab-size', '300', '--threads', '1'];
  const filters = [
    '--filters',
    'length:min-words=3, c4-paragraphs:min-paragraphs=0',
    '--word-list',
    list,
    '--mask-pii',
  ];
  const prepared = await athanor(...run, ...filters);
  expect(prepared.code).toBe(0);
  expect(prepared.stdout).toContain(`length: ${readmes.length + 2} of ${readmes.length + 3} documents`);
  expect(prepared.stdout).toContain('  max-hits: 1 rejected');
  expect(prepared.stderr).not.toContain('too short');

  const all = await athanor('data', 'inspect', out, '--rejected');
  expect(all.stdout).toContain(`[length.min-words 2, threshold 3] ${lines}:1\ntoo short`);
  expect(all.stdout).toContain(`[word-list.max-hits 1, threshold 0: badword] ${lines}:2\n${texts[1]}`);
  const one = await athanor('data', 'inspect', out, '--rule', 'length.min-words', '--json');
  expect(lastLineJson(one.stdout)).toMatchObject({
    documents: [],
    rejected: [{ rule: 'length.min-words', value: 2, threshold: 3, text: 'too short', source: lines }],
  });
  const unknown = await athanor('data', 'inspect', out, '--rule', 'c4.policy');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('length.min-words, word-list.max-hits');
  const shown = await athanor('data', 'inspect', out, '--json');
  expect(lastLineJson(shown.stdout)).toMatchObject({ funnel: null, rejected: null });
});

it('a list of words has its place among the filters, or is behind them', () => {
  const list = { name: 'word-list', rules: { file: 'w.txt' } };
  const options = { wordList: 'w.txt', maskPii: true };
  expect(filtersOf({ ...options, filters: 'word-list, c4' })).toEqual([list, 'c4', 'pii']);
  expect(filtersOf({ ...options, filters: 'c4' })).toEqual(['c4', list, 'pii']);
  expect(filtersOf({ filters: 'word-list', wordList: undefined, maskPii: false })).toEqual(['word-list']);
});

it('drops near duplicates and contaminated documents, and says how many', async () => {
  const folder = temporaryFolder();
  const word = (i: number) => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
  const words = (from: number) => Array.from({ length: 100 }, (_, i) => word(from + i)).join(' ');
  const texts = [words(1000), words(2000), `${words(1000)} more`, `${words(3000)} leaked ${words(4000)}`];
  const corpus = join(folder, 'corpus.jsonl');
  writeFileSync(corpus, texts.map((text) => JSON.stringify({ text })).join('\n'));
  const evaluation = join(folder, 'evaluation.txt');
  writeFileSync(evaluation, words(4000));
  const args = ['data', 'prepare', corpus, '--vocab-size', '300', '--dedup', 'minhash', '--decontaminate'];
  const run = await athanor(...args, evaluation, '--out', join(folder, 'a'));
  expect(run.code).toBe(0);
  expect(run.stdout).toContain('dropped: 1 near duplicate, 1 contaminated (see');
  expect(run.stdout).toContain('near duplicates: 1 documents, 504 bytes, in 1 clusters of up to 2');
  expect(run.stdout).toContain('contaminated: 1 documents removed (runs of 13 words)');
  expect(run.stdout).toContain(`${evaluation}: 1 texts, 0 too short, in 1 documents`);
  const json = await athanor(
    ...args,
    evaluation,
    '--out',
    join(folder, 'b'),
    '--against',
    join(folder, 'a'),
    '--json',
  );
  // Every document repeats one of the earlier shards.
  expect(json.code).not.toBe(0);
  expect(json.stderr).toMatch(/no usable document in .*dropped 3 duplicate, 1 contaminated/);
  const wrong = await athanor('data', 'prepare', corpus, '--out', join(folder, 'c'), '--dedup-bands', '3');
  expect(wrong.stderr).toContain('--dedup-bands has no effect without --dedup minhash');
});

it('continues where it was stopped, says so, and shares the work as a launcher says', async () => {
  const folder = temporaryFolder();
  const lines = join(folder, 'lines.jsonl');
  // 17 units of 1 MiB. The last one has the bad line, and is one of the 9 of rank 0.
  const text = 'some words of a document '.repeat(4000);
  const rows = Array.from({ length: 180 }, (_, i) => `${JSON.stringify({ text: `${i} ${text}` })}\n`);
  writeFileSync(lines, `${rows.join('')}no json\n`);
  const out = join(folder, 'out');
  const tokenizer = join(folder, 'tokenizer');
  (await Tokenizer.train(['some text'], { vocabSize: 257 })).save(tokenizer);
  const args = ['data', 'prepare', lines, '--out', out, '--tokenizer', tokenizer, '--threads', '1'];
  const stopped = await athanor(...args, '--on-bad-line', 'fail');
  expect(stopped.stderr).toContain('lines.jsonl:181: not JSON');
  const other = await athanor(...args, '--min-chars', '3');
  expect(other.stderr).toContain('was begun with another --min-chars (1) than now (3)');
  expect(other.stderr).toContain('--fresh');
  const shared = await Promise.all(
    ['0', '1'].map((RANK) => runNode([cliPath, ...args, '--json'], { env: { RANK, WORLD_SIZE: '2' } })),
  );
  expect(shared[0]!.stderr).toContain('resumed: 8 of 9 units were done');
  expect(lastLineJson(shared[0]!.stdout)).toMatchObject({ documents: 180, dropped: { bad_json: 1 } });
  // All ranks have the same result, and the first prints it.
  expect(shared[1]).toMatchObject({ code: 0, stdout: '' });
  const wrong = await runNode([cliPath, ...args], { env: { RANK: '2', WORLD_SIZE: '2' } });
  expect(wrong.stderr).toContain('RANK is 2 but WORLD_SIZE is 2');
});

it('leaves nothing behind on Ctrl-C', async () => {
  const folder = temporaryFolder();
  const pipe = join(folder, 'lines.jsonl');
  execFileSync('mkfifo', [pipe]);
  const tokenizer = join(folder, 'tokenizer');
  (await Tokenizer.train(['some text'], { vocabSize: 257 })).save(tokenizer);
  const out = join(folder, 'shards');
  const args = [cliPath, 'data', 'prepare', pipe, '--tokenizer', tokenizer, '--out', out];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  // The pipe opens once the command reads it, so the command's handlers are in place then.
  const writer = createWriteStream(pipe).on('error', () => {});
  await once(writer, 'open');
  expect(readdirSync(folder)).toContain('shards.partial');
  child.kill('SIGINT');
  let line = 0;
  const feed = setInterval(() => writer.write(`{"text":"line ${++line}"}\n`), 20);
  const code = await ended;
  clearInterval(feed);
  writer.destroy();
  expect(stderr).toContain('preparing the data was interrupted');
  expect(code).not.toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['lines.jsonl', 'tokenizer']);
});

it('names the file that cannot be written, and leaves nothing behind', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'corpus.txt');
  // Prose unlike itself, so that parts are not duplicates: some 400 KB of shards against a limit of
  // 64 KiB a file.
  const prose = readmes.map((file) => readFileSync(file, 'utf8')).join('\n');
  writeFileSync(source, Array.from({ length: 12 }, (_, i) => prose.replaceAll('the', `the${i}`)).join('\n'));
  const out = join(folder, 'shards');
  const limited = 'ulimit -f 128; exec "$@"';
  const args = [process.execPath, cliPath, 'data', 'prepare', source, '--out', out, '--vocab-size', '400'];
  const { status, stderr } = spawnSync('sh', ['-c', limited, 'sh', ...args], { encoding: 'utf8' });
  expect(stderr).toMatch(/cannot write .*shards\.partial\/filtered\/000000\.texts/);
  expect(status).not.toBe(0);
  expect(readdirSync(folder)).toEqual(['corpus.txt']);
});

it.each([
  [
    ['--dedup', 'minhash', '--dedup-ngram', '1001'],
    /--dedup-ngram expects a whole number between 1 and 1000/,
  ],
  [['--dedup', 'minhash', '--dedup-bands', '0'], /--dedup-bands expects a whole number of at least 1/],
  [['--dedup', 'minhash', '--dedup-rows', '0'], /--dedup-rows expects a whole number of at least 1/],
  [['--filters', 'word-list'], /the filter word-list needs a file.*\n.*word-list:file=FILE/],
])('prepare %j says what is wrong in words of the command line', async (given, message) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a.txt'), 'A text.');
  const { code, stderr } = await athanor(
    ...['data', 'prepare', join(folder, 'a.txt'), '--out', join(folder, 'shards'), ...given],
  );
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

it('takes a folder of any name, that of a property of all objects too', async () => {
  const folder = temporaryFolder();
  const source = join(folder, '__proto__');
  mkdirSync(source);
  writeFileSync(join(source, 'a.txt'), 'Some text that is a document.\n'.repeat(20));
  const args = ['data', 'prepare', '__proto__', '--vocab-size', '300', '--out', 'shards', '--json'];
  const { stdout, code } = await runNode([cliPath, ...args], { cwd: folder });
  expect(code).toBe(0);
  expect(stdout).toContain('"__proto__":{"documents":2');
});

it('is shared by the ranks of a launcher, whose logs lie beside the corpus', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'text.jsonl');
  writeFileSync(
    source,
    Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ text: `text ${i}` })}\n`).join(''),
  );
  const prepare = ['data', 'prepare', source, '--vocab-size', '300', '--validation-split', '0'];
  const [alone, shared] = ['alone', 'shared'].map((name) => join(folder, name)) as [string, string];
  await athanor(...prepare, '--out', alone);
  const { code, stderr } = await athanor('launch', '-n', '2', '--', ...prepare, '--out', shared);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const files = readdirSync(alone).filter((name) => name.endsWith('.bin'));
  for (const name of files) expect(readFileSync(join(shared, name))).toEqual(readFileSync(join(alone, name)));
  expect(existsSync(`${shared}.ranks`)).toBe(true);
});
