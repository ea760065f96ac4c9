/**
 * Training of a vocabulary on other threads. A batch of texts is counted while the next
 * one is read.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { byteOrder, unspellBytes } from './byte-level.ts';
import { patternPipeline } from './pipeline.ts';
import { splitPatterns } from './split-patterns.ts';
import { type SplitPattern, TokenKind, TokenTable, type Vocabulary } from './vocabulary.ts';

/** The state of the training of a tokenizer. */
export interface TokenizerProgress {
  phase: 'count' | 'merge';
  /** Characters of strings plus bytes of byte arrays that were counted so far. */
  counted: number;
  /** Merges found so far. */
  merges: number;
  /** The largest possible number of merges. */
  mergesWanted: number;
}

/** Size and kind of the vocabulary to learn. */
export interface TrainTokenizerOptions {
  /** Number of all tokens: 256 bytes, merges and special tokens. */
  vocabSize: number;
  /** Default gpt2. */
  pattern?: SplitPattern | undefined;
  /** They get the last ids. Default: `<|endoftext|>`. */
  specialTokens?: readonly string[] | undefined;
  /** The least number of times that a pair must occur to be merged. Default 2. */
  minFrequency?: number | undefined;
  onProgress?: ((progress: TokenizerProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export const END_OF_TEXT = '<|endoftext|>';

// Characters of a batch: enough to make the cost of the call small, few enough to make that of the
// copy small beside the counting.
const BATCH = 16 << 20;
const PROGRESS_INTERVAL_MS = 100;

/**
 * Learns a vocabulary from texts. Throws ERR_ARGUMENT for options out of range and for texts that
 * are all empty, and ERR_INTERRUPTED when the signal aborts.
 */
export async function trainVocabulary(
  texts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: TrainTokenizerOptions,
): Promise<Vocabulary> {
  const pattern = options.pattern ?? 'gpt2';
  const specialTokens = options.specialTokens ?? [END_OF_TEXT];
  const minFrequency = options.minFrequency ?? 2;
  check(options.vocabSize, pattern, specialTokens, minFrequency);

  const reserved = specialTokens.flatMap((token): (string | Uint8Array)[] => {
    const spelled = unspellBytes(token);
    return spelled ? [token, spelled] : [token];
  });
  const trainer = new native.NativeTokenizerTrainer(pattern, reserved);
  const progress: TokenizerProgress = {
    phase: 'count',
    counted: 0,
    merges: 0,
    mergesWanted: options.vocabSize - 256 - specialTokens.length,
  };
  const report = () => options.onProgress?.({ ...progress, merges: trainer.mergesDone() });
  const interrupted = () => {
    if (options.signal?.aborted)
      throw new AthanorError('ERR_INTERRUPTED', 'tokenizer training was interrupted');
  };

  let batch: (string | Uint8Array)[] = [];
  let batched = 0;
  let counting: Promise<unknown> = Promise.resolve();
  const flush = async () => {
    await counting;
    interrupted();
    counting = trainer.count(batch);
    // The next flush awaits it. A failure before that must not count as unhandled.
    counting.catch(() => {});
    progress.counted += batched;
    batch = [];
    batched = 0;
    report();
  };
  for await (const text of texts) {
    batch.push(text);
    batched += text.length;
    if (batched >= BATCH) await flush();
  }
  await flush();
  await counting;
  interrupted();
  if (progress.counted === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      'there is no text to train the tokenizer on',
      'name files that hold text',
    );
  }

  progress.phase = 'merge';
  const timer = setInterval(report, PROGRESS_INTERVAL_MS);
  const cancel = () => trainer.cancel();
  options.signal?.addEventListener('abort', cancel);
  try {
    const pairs = await trainer.train(options.vocabSize - specialTokens.length, minFrequency);
    report();
    return assemble(pairs, pattern, specialTokens);
  } catch (error) {
    interrupted();
    throw error;
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener('abort', cancel);
  }
}

function check(
  vocabSize: number,
  pattern: string,
  specialTokens: readonly string[],
  minFrequency: number,
): void {
  const fail = (problem: string, remedy?: string) => {
    throw new AthanorError('ERR_ARGUMENT', problem, remedy);
  };
  const least = 256 + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > 1 << 24) {
    fail(
      `expected a vocabulary of ${least} to ${1 << 24} tokens but got ${vocabSize}`,
      `256 bytes and ${specialTokens.length} special tokens are always in it`,
    );
  }
  if (!(splitPatterns as readonly string[]).includes(pattern)) {
    fail(`unknown split pattern ${pattern}`, `the patterns are ${splitPatterns.join(', ')}`);
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    fail(`expected minFrequency to be an integer of at least 1 but got ${minFrequency}`);
  }
  for (const token of specialTokens) {
    if (token.length < 2) fail(`the special token ${JSON.stringify(token)} is shorter than two characters`);
  }
}

/** The ids are those of the bytes, then of the merges in order, then of the special tokens. */
function assemble(pairs: Int32Array, pattern: SplitPattern, specialTokens: readonly string[]): Vocabulary {
  const table = new TokenTable('the trained vocabulary');
  for (const [id, byte] of byteOrder.entries()) table.addOrdinary(id, Uint8Array.of(byte));
  const merges = new Int32Array((pairs.length / 2) * 3);
  for (let i = 0; i < pairs.length / 2; i++) {
    const [left, right, result] = [pairs[i * 2]!, pairs[i * 2 + 1]!, 256 + i];
    table.addOrdinary(result, Buffer.concat([table.bytesOf(left)!, table.bytesOf(right)!]));
    merges.set([left, right, result], i * 3);
  }
  for (const token of specialTokens) table.addWhole(table.size, token, TokenKind.special);
  return table.build(merges, { pipeline: patternPipeline(pattern), ignoreMerges: false });
}
