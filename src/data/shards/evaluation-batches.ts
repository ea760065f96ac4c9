/**
 * Batches for evaluation: a fixed choice of documents in windows that do not overlap, and the
 * number of bytes of text that the targets stand for. The model sees one window at a time, so its
 * loss depends neither on other documents nor on the batch size.
 */
import { AthanorError } from '../../base/errors.ts';
import { Permutation } from '../permutation.ts';
import type { PackedTokens } from '../token-batch.ts';
import type { Split } from './manifest.ts';
import type { TokenDataset } from './token-dataset.ts';
import { packRows } from './token-loader.ts';

/** The size of batches, and how much to evaluate. */
export interface EvaluationBatchOptions {
  /** Default validation. */
  split?: Split;
  /** A batch holds up to batchSize * context tokens. */
  batchSize: number;
  /** Tokens of a window. */
  context: number;
  /** The most targets in all batches together. */
  maxTokens: number;
}

/** One batch of windows. */
export interface EvaluationBatch extends PackedTokens {
  /** Bytes of text that the targets stand for. Bits per byte is exactly nll / ln 2 / bytes. */
  bytes: number;
}

/**
 * The seed of the shuffled order of documents, which never changes. The order makes a few documents
 * represent all sources.
 */
const ORDER_SEED = 0;

/**
 * Each token of a document is a target once, except the end-of-text token before it, and the begin
 * token where the tokenizer's post-processor puts one. The last document is cut so that there are
 * at most `maxTokens` targets. Throws ERR_ARGUMENT for a batch or window without room,
 * ERR_FILE_DAMAGED, and the errors of dataset.tokenizer().
 */
export function* evaluationBatches(
  dataset: TokenDataset,
  options: EvaluationBatchOptions,
): Generator<EvaluationBatch> {
  const { batchSize, context, maxTokens } = options;
  if (!(batchSize >= 1 && context >= 1)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected a batch of at least 1 window of 1 token but got ${batchSize} of ${context}`,
    );
  }
  const room = batchSize * context;
  let rows: Int32Array[] = [];
  let length = 0;
  for (const row of windows(dataset, options.split ?? 'validation', context, maxTokens)) {
    if (length + row.length - 1 > room) {
      yield batchOf(dataset, rows, length);
      rows = [];
      length = 0;
    }
    rows.push(row);
    length += row.length - 1;
  }
  if (length > 0) yield batchOf(dataset, rows, length);
}

function* windows(
  dataset: TokenDataset,
  split: Split,
  context: number,
  maxTokens: number,
): Generator<Int32Array> {
  const documents = dataset.documentCount(split);
  const order = new Permutation(documents, ORDER_SEED, 0);
  const { eosId, frame } = dataset.tokenizer();
  const begin = frame.before[0] === eosId ? undefined : frame.before[0];
  let left = maxTokens;
  for (let i = 0; i < documents && left > 0; ++i) {
    const [span] = dataset.documents(split, order.at(i), 1);
    const { start, end } = span!;
    // As transformers reads a text: the begin token is the first, with no end-of-text token before
    // it.
    const hasBegin = begin !== undefined && end > start + 1 && dataset.read(split, start, 2)[1] === begin;
    for (let at = hasBegin ? start + 1 : start; at + 1 < end && left > 0; at += context) {
      const targets = Math.min(context, end - at - 1, left);
      yield dataset.read(split, at, targets + 1);
      left -= targets;
    }
  }
}

function batchOf(dataset: TokenDataset, rows: readonly Int32Array[], length: number): EvaluationBatch {
  const packed = packRows(rows, length, undefined);
  return { ...packed, bytes: dataset.tokenizer().decodeBytes(packed.targets, { skipSpecial: true }).length };
}
