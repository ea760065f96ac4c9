/** Completes prompts: runs a batch to its end. */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { checkCounts } from '../base/check-count.ts';
import type { Gpt } from '../nn/gpt.ts';
import { Batch } from './batch.ts';
import type { SamplingOptions } from './sampling.ts';
import type { Completion } from './sequence.ts';

/** How completions are sampled. */
export interface GenerateOptions extends SamplingOptions {
  /** Largest number of new tokens. */
  maxTokens: number;
  /** Ids that end a sequence; the stop token itself is part of the result. */
  stopTokens?: readonly number[];
  /**
   * Ids that are never drawn, such as `tokenizer.unusedIds(model.config.vocabSize)`. The
   * log-probabilities stay those of the model's own distribution over all ids. Default: none.
   */
  suppressTokens?: readonly number[];
  /** Sequences to decode at the same time. Default 16. */
  batchSize?: number;
  /** The random stream of the first prompt. Default 0. */
  firstStream?: number;
  /** Called for each new token. If it returns true, the sequence ends after that token. */
  onToken?: (event: TokenEvent) => boolean | undefined;
  /** Once aborted, all unfinished sequences end as they are. */
  signal?: AbortSignal;
}

/** A new token of a prompt. */
export interface TokenEvent {
  /** Index of the prompt. */
  prompt: number;
  token: number;
  logProb: number;
}

// A turn of the event loop takes several system calls, which would slow a step of half a
// millisecond. A signal or a reader of the text does not notice a wait of this length.
const MAX_MS_BETWEEN_TURNS = 5;

/**
 * Completes every prompt; prompt i draws from the random stream firstStream + i. Throws
 * ERR_ARGUMENT for an empty prompt, one that leaves no room in the context, or a count that is
 * not positive.
 */
export async function generate(
  model: Gpt,
  prompts: readonly ArrayLike<number>[],
  { batchSize = 16, suppressTokens = [], firstStream = 0, onToken, signal, ...request }: GenerateOptions,
): Promise<Completion[]> {
  // No limit is one too: a sequence ends at the model's context.
  checkCounts({ batchSize, maxTokens: Math.min(request.maxTokens, model.config.contextLength) });
  const results: Completion[] = new Array(prompts.length);
  if (prompts.length === 0) return results;
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0);
  using batch = new Batch(model, {
    slots: Math.min(batchSize, prompts.length),
    slotTokens: Math.min(model.config.contextLength, longest + request.maxTokens),
    suppressTokens,
  });
  // The ids of the batch are the indices of the prompts.
  for (const [i, prompt] of prompts.entries()) {
    batch.add({ ...request, prompt, stream: firstStream + i, name: `prompt ${i}` });
  }
  let lastTurn = performance.now();
  while (batch.size > 0 && !signal?.aborted) {
    for (const { id, token, logProb, completion } of batch.step()) {
      const isEnd = onToken?.({ prompt: id, token, logProb });
      const made = isEnd ? (completion ?? batch.cancel(id)) : completion;
      if (made) results[id] = isEnd ? { ...made, finish: 'stop' } : made;
    }
    if (performance.now() - lastTurn >= MAX_MS_BETWEEN_TURNS) {
      await yieldToEvents();
      lastTurn = performance.now();
    }
  }
  for (let id = 0; id < prompts.length; ++id) results[id] ??= batch.cancel(id)!;
  return results;
}
