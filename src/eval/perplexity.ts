/**
 * Validation loss, perplexity and bits per byte. Bits per byte do not depend on the vocabulary, so
 * they compare models with different tokenizers.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import { columnSums } from '../base/statistics.ts';
import { loadModel } from '../checkpoint/gpt-folder.ts';
import type { Communicator } from '../comm/communicator.ts';
import { selfCommunicator } from '../comm/self-communicator.ts';
import { shareOut } from '../comm/share-out.ts';
import { evaluationBatches } from '../data/shards/evaluation-batches.ts';
import type { Split } from '../data/shards/manifest.ts';
import { TokenDataset } from '../data/shards/token-dataset.ts';
import { type PackedTokens, TokenBatch } from '../data/token-batch.ts';
import type { DType } from '../native/binding.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { Metrics } from './options.ts';

/** The text to predict, and the size of its windows and batches. */
export interface PerplexityOptions {
  /** Default: validation. */
  split?: Split;
  /** Windows per batch. */
  batchSize: number;
  /** Tokens per window. */
  context: number;
  /** Largest number of tokens to predict. */
  maxTokens: number;
  /** The ranks that share the batches. Default: only this process. */
  communicator?: Communicator;
}

/** The result of predicting text. */
export interface Perplexity {
  /** Mean negative log-likelihood per token, in nats. */
  valLoss: number;
  /** Negative log-likelihood in bits, divided by the bytes of the text. */
  bitsPerByte: number;
  /** exp(valLoss) */
  perplexity: number;
  /** Number of tokens that were predicted. */
  tokens: number;
}

/** Throws ERR_ARGUMENT when the split is empty. */
export async function perplexity(
  model: Gpt,
  dataset: TokenDataset,
  options: PerplexityOptions,
): Promise<Perplexity> {
  const { communicator = selfCommunicator, ...sizes } = options;
  const rows = await shareOut(communicator, evaluationBatches(dataset, sizes), async (batch) => {
    const loss = batchLoss(model, batch);
    await yieldToEvents();
    return [loss.nats, loss.tokens, batch.bytes];
  });
  const [nats = 0, tokens = 0, bytes = 0] = columnSums(rows);
  if (tokens === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the ${options.split ?? 'validation'} split of ${dataset.folder} is empty`,
      'prepare more text, or raise `validationSplit` there',
    );
  }
  const valLoss = nats / tokens;
  return { valLoss, bitsPerByte: nats / Math.LN2 / bytes, perplexity: Math.exp(valLoss), tokens };
}

/** Sum of the negative log-likelihoods of a batch's targets, in nats, and the number of targets. */
export function batchLoss(model: Gpt, packed: PackedTokens): { nats: number; tokens: number } {
  return noGrad(() =>
    scope(() => {
      const { input, targets, countedTargets } = new TokenBatch(packed);
      return { nats: model.loss(input, targets).loss.item(), tokens: countedTargets };
    }),
  );
}

export interface FolderPerplexityOptions extends Omit<PerplexityOptions, 'context'> {
  dtype: DType;
  /** Tokens per window, at most the model's context, which is the default. */
  context?: number | undefined;
}

/**
 * Perplexity of a model folder on a folder of token shards. Throws ERR_MISMATCH when the shards
 * were made with another tokenizer; otherwise throws as perplexity.
 */
export async function folderPerplexity(
  folder: string,
  data: string,
  { dtype, context = Number.POSITIVE_INFINITY, ...options }: FolderPerplexityOptions,
): Promise<Metrics> {
  const dataset = TokenDataset.open(data);
  try {
    if (Tokenizer.load(folder).fingerprint() !== dataset.manifest.tokenizer_fingerprint) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the shards in ${data} were made with another tokenizer than that of ${folder}`,
        'prepare the text with: athanor data prepare --tokenizer <model folder>',
      );
    }
    const model = loadModel(folder, { dtype });
    try {
      const startedAt = performance.now();
      const window = Math.min(context, model.config.contextLength);
      const result = await perplexity(model, dataset, { ...options, context: window });
      const seconds = (performance.now() - startedAt) / 1000;
      return {
        val_loss: result.valLoss,
        perplexity: result.perplexity,
        bits_per_byte: result.bitsPerByte,
        tokens: result.tokens,
        tokens_per_second: result.tokens / seconds,
      };
    } finally {
      model.dispose();
    }
  } finally {
    dataset.close();
  }
}
