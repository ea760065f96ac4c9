/** Validation loss and bits per byte; the second does not depend on the vocabulary, so models compare by it. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import { evaluationBatches } from '../data/shards/evaluation-batches.ts';
import type { Split } from '../data/shards/manifest.ts';
import type { TokenDataset } from '../data/shards/token-dataset.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope, tensor } from '../tensor/tensor.ts';

export interface PerplexityOptions {
  /** Default validation. */
  split?: Split;
  batchSize: number;
  context: number;
  /** Validation tokens at most. */
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
  for (const batch of evaluationBatches(dataset, options)) {
    nats += noGrad(() =>
      scope(() => {
        const input = {
          tokens: tensor(batch.tokens),
          positions: tensor(batch.positions),
          cuSeqlens: tensor(batch.cuSeqlens),
        };
        return model.loss(input, tensor(batch.targets)).loss.item();
      }),
    );
    tokens += batch.targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
    bytes += batch.bytes;
    await yieldToEvents();
  }
  if (tokens === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the ${options.split ?? 'validation'} split of ${dataset.folder} is empty`,
      'prepare more text, or with a larger --validation',
    );
  }
  const valLoss = nats / tokens;
  return { valLoss, bitsPerByte: nats / Math.LN2 / bytes, perplexity: Math.exp(valLoss), tokens };
}
