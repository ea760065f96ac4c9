/** Validation loss, and bits per byte, which compares models of different vocabularies. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import { evaluationBatches } from '../data/shards/evaluation-batches.ts';
import type { Split } from '../data/shards/manifest.ts';
import type { TokenDataset } from '../data/shards/token-dataset.ts';
import { TokenBatch } from '../data/token-batch.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';

export interface PerplexityOptions {
  /** Default validation. */
  split?: Split;
  batchSize: number;
  context: number;
  /** Most tokens to read. */
  maxTokens: number;
}

export interface Perplexity {
  /** Mean negative log-likelihood of a token in nats. */
  valLoss: number;
  /** Negative log-likelihood in bits over the bytes of text that the tokens stand for. */
  bitsPerByte: number;
  perplexity: number;
  tokens: number;
}

/** Throws ERR_ARGUMENT when the validation split is empty. */
export async function perplexity(
  model: Gpt,
  dataset: TokenDataset,
  options: PerplexityOptions,
): Promise<Perplexity> {
  let nats = 0;
  let tokens = 0;
  let bytes = 0;
  for (const packed of evaluationBatches(dataset, options)) {
    nats += noGrad(() =>
      scope(() => {
        const { input, targets, countedTargets } = new TokenBatch(packed);
        tokens += countedTargets;
        return model.loss(input, targets).loss.item();
      }),
    );
    bytes += packed.bytes;
    await yieldToEvents();
  }
  if (tokens === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the ${options.split ?? 'validation'} split of ${dataset.folder} is empty`,
      'prepare more text, or with a larger validation split',
    );
  }
  const valLoss = nats / tokens;
  return { valLoss, bitsPerByte: nats / Math.LN2 / bytes, perplexity: Math.exp(valLoss), tokens };
}
