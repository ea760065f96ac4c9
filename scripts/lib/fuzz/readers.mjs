/**
 * The readers and valid files for them. `files` are small, so that damage hits a part with a
 * meaning. `read` gets the folder of the damaged files and reads all that a command would read.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Files of other programs. */
const written = new URL('../../../test/data/corpus/fixtures', import.meta.url).pathname;

const built = (path) => import(new URL(`../../../dist/${path}.js`, import.meta.url).href);

const texts = [
  'The furnace keeps one steady fire.\n\nIt burns 1234 hours, or 51 days.\n',
  'Gold is \u{1f525} not made in a day; "patience" is.\r\n\u4e2d\u6587 and caf\u00e9.\n',
];

const response = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>${texts[0].repeat(3)}</p>`;
const archive =
  `WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/\r\n` +
  `Content-Length: ${response.length}\r\n\r\n${response}\r\n\r\n`;

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is an athanor?' },
  { role: 'assistant', content: 'A furnace.', weight: 1 },
];

const lines = (rows) => rows.map((row) => JSON.stringify(row)).join('\n');

const instructions = [
  { messages },
  { prompt: 'Say hi', completion: 'hi' },
  { instruction: 'Add', input: '1 2', output: '3' },
  {
    conversations: [
      { from: 'human', value: 'Hi' },
      { from: 'gpt', value: 'Hello' },
    ],
  },
  {
    messages: [
      { role: 'user', content: 'weather?' },
      { role: 'assistant', tool_calls: [{ type: 'function', function: { name: 'w', arguments: {} } }] },
      { role: 'tool', content: '{"t": 3}' },
      { role: 'assistant', content: 'Cold.' },
    ],
    tools: [{ type: 'function', function: { name: 'w', parameters: { type: 'object' } } }],
  },
];
const comparisons = [
  { prompt: 'a?', chosen: 'yes', rejected: 'no' },
  { chosen: messages, rejected: [...messages.slice(0, 2), { role: 'assistant', content: 'A pot.' }] },
  { prompt: 'b?', responses: ['x', 'y', 'z'], scores: [1, 2, 3] },
  { prompt: 'c?', completion: 'd', label: true },
];
const prompts = [{ prompt: 'a?' }, { messages: messages.slice(0, 2), answer: 'x' }];

const template = `{%- for message in messages -%}
{%- if message.role == 'user' and tools is not none -%}{{ tools | tojson }}{%- endif -%}
{{ '<|' ~ message['role'] ~ '|>' }}{{ message.content | trim }}{%- if message.role == 'assistant' %}{{ eos_token }}{% endif -%}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`;

/** One of these corpora is in a .tgz as npm packs them. */
function tgz(entries) {
  const blocks = [];
  for (const [name, text] of Object.entries(entries)) {
    const data = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(data.length.toString(8).padStart(11, '0'), 124);
    header.write('0', 156);
    blocks.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

const packaged = tgz({
  'package/data/1790_washington.txt': 'Fellow citizens.',
  'package/data/chapter_1.txt': 'Call me Ishmael.',
  'package/dict/data.noun':
    '00001740 03 n 02 entity 0 thing(a) 0 001 ~ 00001930 n 0000 | that which is; "it"  \n',
  'package/SUMMARY.md': '`fr` France\n',
  'package/europe/fr.json': JSON.stringify({ Geography: { Area: { total: { text: '551,500 sq km' } } } }),
});

const metrics = lines([
  { step: 1, loss: 5.5, lr: 1e-3, grad_norm: 1.25, tokens_per_second: 1000, seconds: 0.5, tokens: 64 },
  { step: 2, loss: 5.25, lr: 1e-3, grad_norm: 'NaN', tokens_per_second: 1000, seconds: 1, tokens: 128 },
  { step: 2, event: 'evaluation', val_loss: 5.375, bits_per_byte: 2.5 },
  { step: 2, event: 'sample', prompt: 'The', text: ' end' },
  { step: 3, loss: 5, lr: 1e-3, grad_norm: 1, tokens_per_second: 1000, seconds: 1.5, tokens: 192 },
]);

const figures = [
  { kind: 'histogram', title: 'Scores', series: [{ label: 'a', values: [1, 2, 2.5] }], bins: 8 },
  { kind: 'calibration', title: 'C', bins: [{ predicted: 0.5, observed: 0.4, low: 0, high: 1, count: 9 }] },
  { kind: 'bars', title: 'B', bars: [{ label: 'x', value: 1, low: 0.5, high: 2, count: 3 }] },
  { kind: 'shares', title: 'S', series: ['a', 'b'], rows: [{ label: 'x', values: [0.5, 0.25] }] },
];
const figureRecords = lines(
  figures.map((figure) => ({
    step: 3,
    event: 'figure',
    title: figure.title,
    figure: JSON.stringify(figure),
  })),
);

/** The part of a report that is read again. */
const remembered = {
  title: 'Run',
  subtitle: 'pretrain',
  config: { lr: 1 },
  environment: { node: '20' },
  summary: [['loss', '5']],
  figures,
  stages: [{ name: 'sft', folder: '.', charts: ['loss'] }],
  tables: [{ title: 'T', columns: ['a', 'b'], rows: [['x', 1]], note: 'n' }],
  notes: ['one'],
  charts: [{ id: 'own', title: 'Own', lines: [{ field: 'loss', label: 'loss', from: 'step' }] }],
};

const config = `steps: 10k
lr: 3e-4
sample-prompt:
  - The
  - &x run
out: *x
resume: false
`;

const policy = `refusal: "Not \u{1f525} here."
refusal_phrases: [I cannot]
check_every: 8
accents: keep
categories:
  one/two: { on: [prompt], action: flag, words: [athanor, 'caf\u00e9 au lait'], patterns: ['f[iu]re(?:s|d){1,2}\\b'] }
  three:
    word_files: list.txt
    on: response
`;

/** Writes valid files for each reader into `root`, a folder by the reader's name. */
export async function makeFiles(root) {
  const { Tokenizer } = await built('text/tokenizer');
  const { saveModel } = await built('checkpoint/gpt-folder');
  const { writeSafetensors } = await built('checkpoint/safetensors');
  const { Gpt } = await built('nn/gpt');
  const { presetConfig } = await built('nn/presets');
  const { prepareData } = await built('data/shards/prepare');
  const { pretrain } = await built('train/pretrain/run');
  const put = (reader, files) => {
    mkdirSync(join(root, reader), { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(root, reader, name), content);
  };

  put('rows', {
    'a.jsonl': lines(instructions),
    'b.json': JSON.stringify(instructions),
    'c.jsonl.gz': gzipSync(lines(instructions)),
    'pairs.jsonl': lines(comparisons),
    'prompts.json': JSON.stringify(prompts, null, 1),
  });
  put('evaluation', { 'a.jsonl': lines(instructions), 'b.json': JSON.stringify(prompts), 'c.txt': texts[0] });
  put('questions', { 'questions.jsonl': lines(instructions.slice(0, 3)) });
  put('documents', {
    'a.txt': texts.join('---\n'),
    'b.jsonl': lines(texts.map((text) => ({ text }))),
    'c.md.gz': gzipSync(texts.join('')),
    'd.html': `<title>T</title><ul><li>a</ul><p>${texts.join('</p><p>')}</p>`,
    'e.parquet': readFileSync(join(written, 'hub/data/part-a.parquet')),
    'f.arrow': readFileSync(join(written, 'saved/data-00000-of-00002.arrow')),
    'g.warc.gz': readFileSync(join(written, 'pages.warc.wet.gz')),
    'h.warc': archive,
  });
  put('text', { 'text.txt': texts.join('').repeat(2) });
  put('template', { 'chat_template.jinja': template });
  put('packaged', { 'package.tgz': packaged });
  put('config', { 'options.yaml': config });
  put('metrics', { 'metrics.jsonl': `${metrics}\n${figureRecords}\n` });
  put('report', { 'memory.json': JSON.stringify(remembered), 'metrics.jsonl': metrics });

  const specialTokens = ['<|endoftext|>', '<|system|>', '<|user|>', '<|assistant|>'];
  const tokenizer = await Tokenizer.train(texts, { vocabSize: 266, specialTokens });
  tokenizer.save(join(root, 'tokenizer'));
  put('tokenizer', { 'chat_template.jinja': template });
  const bytes = Array.from({ length: 256 }, (_, i) => `${Buffer.from([i]).toString('base64')} ${i}`);
  put('ranks', { 'x.tiktoken': [...bytes, 'dGg= 256', 'dGhl 257', ''].join('\n') });

  const shape = { vocabSize: 266, hiddenSize: 16, heads: 2, kvHeads: 1, headDim: 8, layers: 1 };
  const model = new Gpt(presetConfig('llama-tiny', { ...shape, intermediateSize: 24, contextLength: 16 }));
  const generationConfig = { eos_token_id: [0, 1], temperature: 0.5 };
  await saveModel(join(root, 'model'), model, { tokenizer: join(root, 'tokenizer'), generationConfig });
  model.dispose();
  // Only the tokenizer's own reader gets damaged tokenizers and templates.
  rmSync(join(root, 'model/chat_template.jinja'));
  const tensors = [
    ['a', { dtype: 'f32', shape: [2, 3], data: new Float32Array(6) }],
    ['b', { dtype: 'bf16', shape: [4], data: new Uint16Array(4) }],
    ['c', { dtype: 'i64', shape: [], data: new BigInt64Array(1) }],
  ];
  put('safetensors', {});
  await writeSafetensors(join(root, 'safetensors/x.safetensors'), tensors, { format: 'pt' });
  cpSync(join(root, 'model'), join(root, 'index'), { recursive: true });
  renameSync(join(root, 'index/model.safetensors'), join(root, 'index/part-1.safetensors'));
  const names = [
    ...readFileSync(join(root, 'index/part-1.safetensors'), 'latin1').matchAll(/"(model\.[^"]*)"/g),
  ];
  const map = Object.fromEntries(names.map(([, name]) => [name, 'part-1.safetensors']));
  put('index', { 'model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map: map }) });

  const shards = join(root, 'shards');
  const documents = Array.from({ length: 12 }, (_, i) => ({ text: `${i} ${texts[i % 2]}` }));
  put('corpus', { 'x.jsonl': lines(documents) });
  const sources = [join(root, 'corpus/x.jsonl')];
  const split = { validationSplit: 0.3, minChars: 1 };
  const filters = ['length:max-words=18'];
  await prepareData({ sources, out: shards, tokenizer, vocabSize: 0, ...split, filters });
  put('wordList', { 'words.txt': 'furnace\n\u4e2d\u6587\r\ncaf\u00e9 au lait\n' });
  const snapshot = join(root, 'snapshot');
  await prepareData({ sources, out: snapshot, tokenizer, vocabSize: 0, ...split, dedup: 'minhash' });
  const earlier = ['document.digests', 'minhash.keys'];
  put('earlier', Object.fromEntries(earlier.map((name) => [name, readFileSync(join(snapshot, name))])));
  rmSync(snapshot, { recursive: true });
  const resume = join(root, 'resume');
  const settings = { batchSize: 2, context: 8, dtype: 'f32', evalTokens: 64, sampleTokens: 2 };
  await pretrain({ ...settings, data: shards, model: join(root, 'model'), steps: 3, out: resume });
  rmSync(join(resume, 'report.html'));
  put('policy', {
    'policy.yaml': policy,
    'list.txt': '# words\nfurnace\n\none steady  fire\n',
    'classifier.json': JSON.stringify({ reads: 'text', category: null, threshold: 0.5, held_out: {} }),
  });
  put('run', { 'run.json': readFileSync(join(resume, 'run.json')) });
  cpSync(join(resume, 'checkpoints'), join(root, 'checkpoint/checkpoints'), { recursive: true });
}

/** Writes the checksums of a checkpoint again, so that what it holds is read. */
function checksum(folder) {
  const path = join(folder, 'checksums.json');
  let checksums;
  try {
    checksums = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return;
  }
  for (const name of Object.keys(checksums?.files ?? {})) {
    if (!statSync(join(folder, name), { throwIfNoEntry: false })?.isFile()) continue;
    const bytes = readFileSync(join(folder, name));
    checksums.files[name] = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
  try {
    writeFileSync(path, JSON.stringify(checksums));
  } catch (error) {
    // What is nested too deeply to be written again stays as it is.
    if (!(error instanceof RangeError)) throw error;
  }
}

/** The readers over the files below `root`, which makeFiles wrote. */
export async function readersOf(root) {
  const [errors, rows, corpus, text, model] = await Promise.all([
    built('base/errors'),
    Promise.all(['instructions', 'comparisons', 'prompts'].map((name) => built(`data/rows/${name}`))),
    built('data/corpus/corpus'),
    Promise.all(['tokenizer', 'chat-template', 'text-file'].map((name) => built(`text/${name}`))),
    Promise.all(
      ['load-model', 'gpt-folder', 'safetensors', 'store'].map((name) => built(`checkpoint/${name}`)),
    ),
  ]);
  const [{ readInstructions }, { readComparisons }, { readPrompts }] = rows;
  const [{ Tokenizer }, { ChatTemplate }, { readTextFile }] = text;
  const [{ readModelFiles }, { loadModel }, { SafetensorsFile }, { CheckpointStore }] = model;
  const { readRun, savedDtype } = await built('train/loop/run-file');
  const { readSettings, rememberedOptions } = await built('report/run-folder');
  const { MetricsLog, readMetrics } = await built('report/metrics-log');
  const { renderReport, writeReport } = await built('report/html-report');
  const { renderComparison } = await built('report/comparison');
  const { TokenDataset } = await built('data/shards/token-dataset');
  const { rejectedExamples, rejectingRules } = await built('data/shards/filtering');
  const { filterDocument } = await built('data/filters/filter-documents');
  const { readTgz } = await built('data/packaged/tar');
  const packagedText = await built('data/packaged/packaged-text');
  const { readConfig } = await built('cli/config-file');
  const { SafetyPolicy } = await built('safety/policy');
  const { scanTexts } = await built('safety/text-scan');
  const { readClassifierInfo } = await built('scoring/classifier');
  const { pretrain: pretrainCommand } = await built('cli/pretrain');
  const { modelEnds } = await built('checkpoint/text-ends');
  const { readQuestions } = await built('eval/questions');
  const { generateText } = await built('generate/generate-text');
  const { pretrain } = await built('train/pretrain/run');
  const { RepeatedParts } = await built('data/dedup/repeated-parts');
  const { findNearDuplicates } = await built('data/dedup/near-duplicates');
  const { evaluationTexts } = await built('data/dedup/evaluation-texts');
  const { AthanorError } = errors;
  const valid = Tokenizer.load(join(root, 'tokenizer'));

  const drain = async (items) => {
    for await (const _ of items);
  };
  const useTemplate = (template) => {
    template.render(messages, { addGenerationPrompt: true });
    template.encodeDialogue(messages);
    template.encodePrompt(messages.slice(0, 2), 'row 1', { tools: instructions[4].tools });
  };
  /** Reads the first file of a folder with a name like this. */
  const only = (folder, ending) =>
    join(
      folder,
      readdirSync(folder).find((name) => name.endsWith(ending)),
    );
  const readEach = async (reads) => {
    const thrown = (await Promise.allSettled(reads)).filter(({ status }) => status === 'rejected');
    // An error without a code must not hide behind another.
    const odd = thrown.find(({ reason }) => !(reason instanceof AthanorError));
    if (odd ?? thrown[0]) throw (odd ?? thrown[0]).reason;
  };
  const attempt = (read) => Promise.resolve().then(read);
  const useModel = async (folder) => {
    const loaded = loadModel(folder, { dtype: 'f32' });
    try {
      await generateText(loaded, Tokenizer.load(folder), ['The'], { maxTokens: 2, temperature: 0, seed: 1 });
    } finally {
      loaded.dispose();
    }
  };
  const console = { note() {}, warn() {} };

  return {
    rows: (folder) =>
      readEach(
        readdirSync(folder).map((name) => {
          const path = join(folder, name);
          if (name.startsWith('pairs')) return attempt(() => readComparisons(path));
          if (name.startsWith('prompts')) return attempt(() => readPrompts(path));
          return attempt(() => readInstructions(path));
        }),
      ),
    earlier: (folder) =>
      readEach([
        attempt(() => new RepeatedParts({ unit: 'line', earlier: [join(folder, 'document.digests')] })),
        attempt(() => findNearDuplicates([], { earlier: [join(folder, 'minhash.keys')] })),
      ]),
    evaluation: (folder) => drain(evaluationTexts(folder)),
    questions: (folder) => readQuestions(join(folder, 'questions.jsonl'), [], { console }),
    documents: (folder) => drain(corpus.readCorpus([folder], { separator: '---', partBytes: 1024 })),
    tokenizer: (folder) => {
      const tokenizer = Tokenizer.load(folder);
      const ids = tokenizer.encode(texts.join(''), { allowSpecial: true });
      tokenizer.decode(ids);
      if (tokenizer.chatTemplate !== undefined) useTemplate(ChatTemplate.of(tokenizer));
    },
    text: (folder) => Tokenizer.train(readTextFile(join(folder, 'text.txt'), 64), { vocabSize: 262 }),
    ranks: (folder) => Tokenizer.fromTiktoken(only(folder, '.tiktoken'), 'gpt2', {}).encode(texts[0]),
    template: (folder) => {
      const source = readFileSync(join(folder, 'chat_template.jinja'), 'utf8');
      useTemplate(new ChatTemplate(source, valid, { limits: { steps: 20_000 } }));
    },
    model: (folder) =>
      readEach([
        attempt(() => readModelFiles(folder)),
        attempt(() => modelEnds(folder)),
        attempt(() => useModel(folder)),
      ]),
    index: (folder) => readModelFiles(folder),
    policy: (folder) =>
      readEach([
        attempt(() => scanTexts(SafetyPolicy.read(join(folder, 'policy.yaml')), texts)),
        attempt(() => readClassifierInfo(folder)),
      ]),
    safetensors: (folder) => {
      const file = SafetensorsFile.open(join(folder, 'x.safetensors'));
      try {
        for (const name of file.tensors.keys()) file.read(name);
      } finally {
        file.close();
      }
    },
    checkpoint: (folder) => {
      const loaded = new CheckpointStore(folder, { readOnly: true }).load();
      try {
        for (const name of loaded.tensors.tensors.keys()) loaded.tensors.read(name);
      } finally {
        loaded.close();
      }
    },
    resume: (folder) => {
      checksum(join(folder, 'checkpoints/step-00000003'));
      return pretrain({ out: folder, resume: true }, { signal: AbortSignal.abort() });
    },
    run: (folder) =>
      readEach([
        attempt(() => readRun(folder, 'pretrain')),
        attempt(() => savedDtype(folder)),
        attempt(() => readSettings(folder)),
        attempt(() => rememberedOptions(folder)),
      ]),
    metrics: (folder) => {
      const { records, badLines } = readMetrics(folder);
      const name = 'run';
      const runs = [0, 1].map((i) => ({ name: name + i, records, settings: {} }));
      renderReport(records, { title: 'x', environment: {} }, { badLines });
      renderComparison(runs);
      MetricsLog.open(folder, { resumeStep: 2 }).close();
    },
    wordList: (folder) => {
      const rules = { file: join(folder, 'words.txt') };
      return filterDocument({ id: '1', source: 'x', text: texts.join(' ') }, [{ name: 'word-list', rules }]);
    },
    shards: async (folder) => {
      for (const rule of rejectingRules(folder)) await rejectedExamples(folder, rule, 100);
      const dataset = TokenDataset.open(folder, { verify: true });
      try {
        dataset.tokenizer();
        for (const split of ['train', 'validation']) {
          for (const { start, end } of dataset.documents(split)) dataset.read(split, start, end - start);
        }
      } finally {
        dataset.close();
      }
    },
    packaged: (folder) => {
      const path = join(folder, 'package.tgz');
      for (const reader of ['addresses', 'chapters', 'glosses', 'countries']) {
        for (const _ of packagedText[reader](readTgz(readFileSync(path), path)));
      }
    },
    report: (folder) => {
      const json = readFileSync(join(folder, 'memory.json'), 'utf8').replaceAll('<', ' ');
      writeFileSync(
        join(folder, 'report.html'),
        `<script type="application/json" id="remembered">${json}</script>`,
      );
      writeReport(folder);
    },
    config: (folder) => readConfig(join(folder, 'options.yaml'), pretrainCommand.options),
  };
}
