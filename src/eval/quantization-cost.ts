/**
 * What quantized weights cost: how far the distributions of a model move when it decodes with them,
 * on texts that it wrote itself. Such texts exist for every model and tokenizer, and they are where
 * the model is used.
 */
import { generate } from '../generate/generate.ts';
import { promptTokens } from '../generate/generate-text.ts';
import { KvCache } from '../generate/kv-cache.ts';
import type { Gpt } from '../nn/gpt.ts';
import { type QuantizedWeights, quantizeForDecoding } from '../nn/quantized-weights.ts';
import { packSequences } from '../scoring/sequences.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope, type Tensor, tensor } from '../tensor/tensor.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** The difference between a model and its quantized self. */
export interface QuantizationCost {
  /** Tokens that were predicted. */
  tokens: number;
  /** Negative log-likelihood of the texts in bits, divided by their bytes. */
  bitsPerByte: number;
  /** The same with quantized weights. */
  quantizedBitsPerByte: number;
  /** Mean KL divergence of the quantized model from the model, in nats per token. */
  klDivergence: number;
}

/** The texts: 8 of at most 64 tokens, drawn at temperature 1 from the start of a document. */
const TEXTS = 8;
const TEXT_TOKENS = 64;
const SEED = 1;
/** Logits of this size are computed at once. */
const CHUNK_BYTES = 16 * 2 ** 20;

/**
 * Measures a model that quantizeForDecoding has quantized. A model that it has not is quantized for
 * the time of the call. The texts are the same in each call. Nothing else may use the model
 * meanwhile. Throws as quantizeForDecoding.
 */
export async function quantizationCost(model: Gpt, tokenizer: Tokenizer): Promise<QuantizationCost> {
  const given = model.quantized;
  model.attachQuantized(undefined);
  let quantized: QuantizedWeights | undefined;
  try {
    const begin = promptTokens(tokenizer, '');
    // Without a token for that, any begins the texts.
    const start = begin.length > 0 ? begin : Int32Array.of(0);
    const texts = await ownTexts(model, tokenizer, start);
    quantized = given ?? quantizeForDecoding(model);
    return compare(model, quantized, { texts, tokenizer, given: start.length });
  } finally {
    if (!given) quantized?.dispose();
    model.attachQuantized(given);
  }
}

async function ownTexts(model: Gpt, tokenizer: Tokenizer, start: Int32Array): Promise<Int32Array[]> {
  const maxTokens = Math.min(TEXT_TOKENS, model.config.contextLength - start.length);
  const completions = await generate(model, new Array<Int32Array>(TEXTS).fill(start), {
    ...{ maxTokens, seed: SEED, batchSize: TEXTS },
    suppressTokens: tokenizer.unusedIds(model.config.vocabSize),
  });
  return completions.map(({ tokens }) => Int32Array.from([...start, ...tokens]));
}

interface Texts {
  /** Each begins with `given` tokens that are not predicted. */
  texts: readonly Int32Array[];
  given: number;
  tokenizer: Tokenizer;
}

function compare(
  model: Gpt,
  weights: QuantizedWeights,
  { texts, given, tokenizer }: Texts,
): QuantizationCost {
  const predicted = texts.map((text) => text.subarray(given));
  const targets = predicted.flatMap((text) => [...text]);
  const bytes = predicted.reduce((sum, text) => sum + tokenizer.decodeBytes(text).length, 0);
  let row = 0;
  const rows = texts.flatMap(({ length }) => {
    const first = row + given - 1;
    row += length;
    return Array.from({ length: length - given }, (_, i) => first + i);
  });
  const sums = { nats: 0, quantizedNats: 0, divergence: 0 };
  noGrad(() =>
    scope(() => {
      const kinds = [undefined, weights] as const;
      const [own, other] = kinds.map((kind) => hiddenOf(model, kind, texts)) as [Tensor, Tensor];
      const chunk = Math.max(1, Math.floor(CHUNK_BYTES / 4 / model.config.vocabSize));
      for (let begin = 0; begin < rows.length; begin += chunk) {
        const part = Int32Array.from(rows.slice(begin, begin + chunk));
        const wanted = targets.slice(begin, begin + chunk);
        scope(() =>
          addRows(sums, logitsOf(model, undefined, own, part), logitsOf(model, weights, other, part), wanted),
        );
      }
    }),
  );
  const bits = (nats: number) => nats / Math.LN2 / bytes;
  return {
    tokens: targets.length,
    bitsPerByte: bits(sums.nats),
    quantizedBitsPerByte: bits(sums.quantizedNats),
    klDivergence: sums.divergence / targets.length,
  };
}

/** `[n, d]`: the hidden states of whole texts, with quantized weights or the model's own. */
function hiddenOf(model: Gpt, weights: QuantizedWeights | undefined, texts: readonly Int32Array[]): Tensor {
  model.attachQuantized(weights);
  const cache = new KvCache(model, texts.length, Math.max(...texts.map(({ length }) => length)));
  try {
    const slots = tensor(Int32Array.from(texts.keys()));
    return model.forward(packSequences(texts), cache.view(slots, tensor(new Int32Array(texts.length))));
  } finally {
    cache.dispose();
  }
}

/** f32 `[rows, vocab]`, one row after another. */
function logitsOf(
  model: Gpt,
  weights: QuantizedWeights | undefined,
  hidden: Tensor,
  rows: Int32Array,
): Float32Array {
  model.attachQuantized(weights);
  return model.logits(hidden, tensor(rows)).toFloats();
}

/** Adds what the rows of both kinds of logits say of the tokens that follow. */
function addRows(
  sums: { nats: number; quantizedNats: number; divergence: number },
  own: Float32Array,
  quantized: Float32Array,
  targets: readonly number[],
): void {
  const vocab = own.length / targets.length;
  targets.forEach((target, i) => {
    const [p, q] = [own, quantized].map((all) => all.subarray(i * vocab, (i + 1) * vocab)) as [
      Float32Array,
      Float32Array,
    ];
    const [logP, logQ] = [logSumExp(p), logSumExp(q)];
    sums.nats += logP - p[target]!;
    sums.quantizedNats += logQ - q[target]!;
    for (let id = 0; id < vocab; ++id) {
      const own = p[id]! - logP;
      sums.divergence += Math.exp(own) * (own - (q[id]! - logQ));
    }
  });
}

function logSumExp(logits: Float32Array): number {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}
