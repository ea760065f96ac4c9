#!/usr/bin/env node
// `check-gguf.mjs FOLDER [MODEL...]`: exports models as GGUF, opens them with node-llama-cpp, which
// is installed in FOLDER, and compares token ids of texts and greedy answers with those of Athanor.
// Without MODEL: a random model of each family, with each tokenizer that GGUF has a name for.
// Exits 1 when anything differs.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  exportGguf,
  Gpt,
  generate,
  loadModel,
  presetConfig,
  saveModel,
  setDevice,
  Tokenizer,
  textLogProbs,
} from '../dist/index.js';

const TEXTS = [
  'The capital of France is Paris, and 12345 people say so.',
  "I'll be there at 10:30 — won't you?\n\n\tYes,  she said;   \n end.  ",
  '  two  spaces at the beginning, ▁ and </> <0x0A> and\n\n\n three ends of lines',
  'naïve café Ünïcödé ١٢٣ 你好，世界 🙂👩‍👩‍👧 $100.00 #tag x=1;',
];
const NEW_TOKENS = 24;
const types = ['f32', 'bf16', 'f16', 'q8_0', 'q4_0', 'q4_k_m'];
/** Of log-probabilities in f32, in nats. llama.cpp looks GELU up in a table of f16. */
const tolerances = { gelu: 0.02, 'gelu-erf': 0.02, geglu: 0.005, swiglu: 0.0005 };
/** Tokens that layers with windows see. */
const WINDOW = 9;

const [place, ...given] = process.argv.slice(2);
if (place === undefined) throw new Error('name the folder in which node-llama-cpp is installed');
const from = createRequire(pathToFileURL(join(resolve(place), 'package.json')));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(from.resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: LlamaLogLevel.error });
setDevice('cpu', { dtype: 'f32' });

const root = mkdtempSync(join(tmpdir(), 'athanor-gguf-'));
let isWrong = false;
try {
  const folders = given.length > 0 ? given : await randomModels();
  for (const folder of folders) {
    for (const type of types) await check(folder, type);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
process.exit(isWrong ? 1 : 0);

/** Sizes that all types have blocks for, grouped heads, and biases with values. */
async function randomModels() {
  const sizes = {
    hiddenSize: 256,
    layers: 4,
    heads: 4,
    headDim: 64,
    intermediateSize: 512,
    contextLength: 128,
  };
  const rope = { theta: 10_000 };
  const block = {
    rope,
    qkvBias: false,
    outputBias: false,
    mlpBias: false,
    queryKeyNorm: 'none',
    activation: 'swiglu',
  };
  const llamaLike = {
    ...sizes,
    kvHeads: 2,
    norm: 'rms',
    normEps: 1e-5,
    positionTable: false,
    tiedHead: false,
  };
  const unrotated = { ...block, rope: undefined };
  const windows = (own, full, every) => {
    const sliding = { ...own, window: WINDOW };
    return Array.from({ length: every }, (_, i) => (i + 1 === every ? { ...own, ...full } : sliding));
  };
  const divisors = (step) => Array.from({ length: 8 }, (_, i) => 1 + i * step);
  const yarn = {
    ...{ type: 'yarn', factor: 4, originalContext: 32, fast: 32, slow: 1, truncate: true, magnitude: 1.3 },
  };
  const longRope = {
    ...{ type: 'longrope', short: divisors(0.1), long: divisors(1), originalContext: 512, longContext: 1024 },
  };
  const olmo = { ...block, normPlacement: 'after', queryKeyNorm: 'full' };
  const gemma = { ...block, normPlacement: 'both', activation: 'geglu' };
  const gemmaLike = {
    ...llamaLike,
    headDim: 128,
    tiedHead: true,
    normOffset: 1,
    embeddingScale: Math.sqrt(sizes.hiddenSize),
    attentionScale: 128 ** -0.5,
  };
  const neox = {
    ...{ rope: { theta: 10_000, width: 8 }, parallel: true, qkvBias: true, queryKeyNorm: 'none' },
    ...{ outputBias: true, activation: 'gelu', mlpBias: true },
  };
  const neoxLike = { ...llamaLike, kvHeads: 4, norm: 'layer', architecture: 'gpt_neox' };
  const shapes = {
    gpt2: { ...presetConfig('tiny'), ...sizes, kvHeads: 4 },
    llama: { ...llamaLike, architecture: 'llama', blocks: [block] },
    'llama-yarn': {
      ...llamaLike,
      architecture: 'llama',
      blocks: [{ ...block, rope: { theta: 10_000, scaling: yarn } }],
    },
    'llama-biases': {
      ...llamaLike,
      architecture: 'llama',
      blocks: [{ ...block, qkvBias: true, outputBias: true, mlpBias: true }],
    },
    mistral: { ...llamaLike, architecture: 'mistral', blocks: [block] },
    qwen2: { ...llamaLike, architecture: 'qwen2', blocks: [{ ...block, qkvBias: true }] },
    qwen3: {
      ...llamaLike,
      architecture: 'qwen3',
      headDim: 128,
      blocks: [{ ...block, queryKeyNorm: 'per-head' }],
    },
    smollm3: {
      ...llamaLike,
      architecture: 'smollm3',
      tiedHead: true,
      blocks: [block, block, block, unrotated],
    },
    olmo2: { ...llamaLike, architecture: 'olmo2', blocks: [olmo] },
    'olmo2-tied': { ...llamaLike, architecture: 'olmo2', tiedHead: true, blocks: [olmo] },
    olmo3: {
      ...llamaLike,
      architecture: 'olmo3',
      blocks: windows(olmo, { rope: { theta: 10_000, scaling: yarn } }, 4),
    },
    gemma2: {
      ...{ ...gemmaLike, architecture: 'gemma2', blocks: windows(gemma, {}, 2) },
      ...{ attentionSoftcap: 20, logitSoftcap: 10 },
    },
    gemma3: {
      ...gemmaLike,
      architecture: 'gemma3_text',
      layers: 6,
      blocks: windows(
        { ...gemma, queryKeyNorm: 'per-head', rope: { theta: 500 } },
        { rope: { theta: 1e6, scaling: { type: 'linear', factor: 2 } } },
        6,
      ),
    },
    phi3: {
      ...llamaLike,
      architecture: 'phi3',
      contextLength: 512,
      blocks: [{ ...block, rope: { theta: 10_000, width: 16, scaling: longRope } }],
    },
    'gpt-neox': { ...neoxLike, blocks: [neox] },
    'gpt-neox-sequential': { ...neoxLike, tiedHead: true, blocks: [{ ...neox, parallel: false }] },
    'gpt-neox-erf': { ...neoxLike, blocks: [{ ...neox, activation: 'gelu-erf' }] },
  };
  const folders = [];
  for (const [tokenizerName, tokenizer] of await tokenizers()) {
    for (const [name, shape] of Object.entries(shapes)) {
      if (tokenizerName !== 'gpt2' && name !== 'llama') continue;
      const folder = join(root, `${name}-${tokenizerName}`);
      const base = presetConfig('tiny');
      // 8 rows more than tokens: they are named as unused.
      const config = { ...base, ...shape, vocabSize: tokenizer.vocabSize + 8, initializerRange: 0.2 };
      const model = new Gpt(config, { seed: 5 });
      tokenizer.save(folder);
      await saveModel(folder, model, { tokenizer: folder });
      model.dispose();
      folders.push(folder);
    }
  }
  return folders;
}

/** Byte-level ones with each split pattern, and those of SentencePiece in the fixtures of tests. */
async function tokenizers() {
  const found = [];
  for (const pattern of ['gpt2', 'gpt4', 'gpt4o']) {
    found.push([pattern, await Tokenizer.train([TEXTS.join('\n').repeat(3)], { vocabSize: 400, pattern })]);
  }
  for (const name of ['llama', 'gemma']) {
    const folder = join(root, `sentencepiece-${name}`);
    mkdirSync(folder);
    const source = new URL(`../test/text/fixtures/sentencepiece/${name}.model`, import.meta.url);
    copyFileSync(source, join(folder, 'tokenizer.model'));
    found.push([`sentencepiece-${name}`, Tokenizer.load(folder)]);
  }
  return found;
}

async function check(folder, type) {
  const name = `${folder.split('/').at(-1)} ${type}`;
  const path = join(root, 'model.gguf');
  await exportGguf(folder, path, { type });
  const llamaModel = await llama.loadModel({ modelPath: path });
  const tokenizer = Tokenizer.load(folder);
  const differing = TEXTS.filter(
    (text) => String(llamaModel.tokenize(text)) !== String([...tokenizer.encode(text)]),
  );
  for (const text of differing) report(name, `ids of ${JSON.stringify(text)}`);
  const model = loadModel(folder, { dtype: 'f32' });
  const equal = await equalTokens(model, tokenizer, llamaModel);
  const error = await largestError(model, tokenizer, llamaModel);
  const ids = `${TEXTS.length - differing.length} of ${TEXTS.length} texts`;
  console.log(`${name}: ${ids}, greedy ${equal}, log-probabilities within ${error.toPrecision(2)}`);
  // Quantized weights are other weights; rounding of f16 and bf16 decides close calls.
  if (type === 'f32' && equal !== `${NEW_TOKENS} of ${NEW_TOKENS}`) report(name, 'greedy tokens');
  const [{ activation }] = model.config.blocks;
  if (type === 'f32' && !(error < tolerances[activation])) report(name, 'log-probabilities');
  model.dispose();
  await llamaModel.dispose();
}

function report(name, what) {
  isWrong = true;
  console.log(`${name}: DIFFERS in ${what}`);
}

function openContext(llamaModel) {
  return llamaModel.createContext({
    ...{ contextSize: 128, threads: 1, flashAttention: false },
    // By default its cache is f16, which decides close calls.
    ...{ experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' },
  });
}

/** How many of the first greedy tokens are those of Athanor. */
async function equalTokens(model, tokenizer, llamaModel) {
  const prompt = tokenizer.encode('The capital of France');
  const [own] = await generate(model, [prompt], { maxTokens: NEW_TOKENS, temperature: 0, stopTokens: [] });
  const context = await openContext(llamaModel);
  const tokens = [];
  for await (const token of context
    .getSequence()
    .evaluate([...prompt], { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === NEW_TOKENS) break;
  }
  await context.dispose();
  const wanted = [...own.tokens];
  const first = wanted.findIndex((token, i) => token !== tokens[i]);
  return `${first < 0 ? wanted.length : first} of ${wanted.length}`;
}

/** The largest difference of the log-probability of a token of a text, in nats. */
async function largestError(model, tokenizer, llamaModel) {
  const { token_ids: ids, log_probs: wanted } = textLogProbs(model, tokenizer, TEXTS[0]);
  const context = await openContext(llamaModel);
  const steps = ids.slice(0, -1).map((id) => [id, { generateNext: { logits: true } }]);
  const found = await context.getSequence().controlledEvaluate(steps);
  await context.dispose();
  return Math.max(
    ...found.map(({ next }, i) => {
      const logits = [...next.logits.values()];
      const most = Math.max(...logits);
      const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most;
      return Math.abs(next.logits.get(ids[i + 1]) - total - wanted[i + 1]);
    }),
  );
}
