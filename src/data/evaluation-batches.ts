/** The validation split in order, without overlap, with the bytes of text that its targets stand for. */

import type { Split } from './manifest.ts';
import type { TokenDataset } from './token-dataset.ts';
import type { Batch } from './token-loader.ts';
import { makeBatch } from './token-loader.ts';

export interface EvaluationOptions {
  split?: Split;
  batchSize: number;
  context: number;
  /** Documents are read until their tokens reach this. */
  maxTokens: number;
}

export interface EvaluationBatch extends Batch {
  /** Bytes of text of the documents that end in this batch. */
  bytes: number;
}

/**
 * Whole documents from the first on, each cut into windows of its own, so that the bytes covered are exact: the targets
 * are all of a document's tokens but the one before it.
 */
export function* evaluationBatches(
  dataset: TokenDataset,
  options: EvaluationOptions,
): Generator<EvaluationBatch> {
  const { batchSize, context, maxTokens } = options;
  const split = options.split ?? 'validation';
  let rows: { ids: Int32Array; bytes: number }[] = [];
  let tokens = 0;
  for (const { start, end, bytes } of dataset.documents(split)) {
    const ids = dataset.read(split, start, end - start);
    for (let at = 0; at + 1 < ids.length; at += context) {
      const window = ids.subarray(at, Math.min(ids.length, at + context + 1));
      const last = at + context + 1 >= ids.length;
      rows.push({ ids: window, bytes: last ? bytes : 0 });
      if (rows.length === batchSize) {
        yield unevenBatch(rows);
        rows = [];
      }
    }
    tokens += end - start;
    if (tokens >= maxTokens) break;
  }
  if (rows.length > 0) yield unevenBatch(rows);
}

/** Windows of unequal length, each a sequence. */
function unevenBatch(rows: readonly { ids: Int32Array; bytes: number }[]): EvaluationBatch {
  const parts = rows.map(({ ids }) => makeBatch([ids], ids.length - 1, undefined));
  const join = (key: 'tokens' | 'targets' | 'positions') =>
    Int32Array.from(parts.flatMap((part) => [...part[key]]));
  const starts = [0];
  for (const part of parts) starts.push(starts.at(-1)! + part.tokens.length);
  return {
    tokens: join('tokens'),
    targets: join('targets'),
    positions: join('positions'),
    cuSeqlens: Int32Array.from(starts),
    bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
  };
}
