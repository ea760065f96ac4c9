/** Training goes on in other threads: batches of text are counted while the next batch is read. */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { byteOrder, unspellBytes } from './byte-level.ts';
import { splitPatterns } from './split-patterns.ts';
import { type SplitPattern, TokenKind, TokenTable, type Vocabulary } from './vocabulary.ts';

export interface TokenizerProgress {
  phase: 'count' | 'merge';
  /** Characters (of strings) and bytes (of byte arrays) counted so far. */
  counted: number;
  merges: number;
  /** The most merges there can be. */
  mergesWanted: number;
}

export interface TrainTokenizerOptions {
  /** All tokens together: 256 bytes, merges and special tokens. */
  vocabSize: number;
  pattern?: SplitPattern | undefined;
  /** Default: `<|endoftext|>`. They get the last ids. */
  specialTokens?: readonly string[] | undefined;
  /** A pair that occurs less often is not merged. Default 2. */
  minFrequency?: number | undefined;
  onProgress?: ((progress: TokenizerProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export const END_OF_TEXT = '<|endoftext|>';

// Long enough that handing it over costs nothing, short enough that the copy does not matter beside the counts.
const BATCH = 16 << 20;
const PROGRESS_INTERVAL_MS = 100;

/** Learns the merges from texts. Throws ERR_ARGUMENT, and ERR_INTERRUPTED when the signal says so. */
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
    // Awaited at the next flush; a failure before that must not count as unhandled.
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
    fail(`unknown split pattern ${pattern}`, `known are ${splitPatterns.join(', ')}`);
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    fail(`expected minFrequency to be an integer of at least 1 but got ${minFrequency}`);
  }
  for (const token of specialTokens) {
    if (token.length < 2) fail(`the special token ${JSON.stringify(token)} is shorter than two characters`);
  }
}

/** Ids: bytes, merges in their order, special tokens. */
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
  return table.build(merges, pattern, false);
}
