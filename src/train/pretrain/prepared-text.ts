/**
 * Text as token shards in `<out>/data`. They are made once per text and vocabulary: a run that
 * ended before its first checkpoint leaves them to the next one.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AthanorError } from '../../base/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { sourceDigest } from '../../data/corpus/source-digest.ts';
import { MANIFEST } from '../../data/shards/manifest.ts';
import { prepareData, removeLeftovers } from '../../data/shards/prepare.ts';
import type { StageContext } from '../loop/run-stage.ts';
import type { PretrainSettings } from './settings.ts';

/** What the shards were made from; written when they are complete. */
const RECORD = 'prepared.json';

const options = { validationSplit: 0.05, minChars: 1, onBadLine: 'skip' } as const;

/**
 * The folder of the shards, which are made if they are not there. Throws ERR_MISMATCH when a
 * resumed run names text with other contents, and as prepareData.
 */
export async function preparedText(settings: PretrainSettings, context: StageContext): Promise<string> {
  const folder = join(context.out, 'data');
  const isThere = existsSync(join(folder, MANIFEST));
  if (isThere && context.communicator.rank === 0) removeLeftovers(folder);
  if (context.resume && isThere && !context.changed.has('data')) return folder;
  const text = await sourceDigest(settings.data, context.signal);
  const wanted = { text, vocab_size: settings.vocabSize, ...options };
  const found = isThere ? readRecord(folder) : undefined;
  if (isDeepStrictEqual(found, wanted)) {
    if (!context.resume) context.console.note(`the text was prepared before: ${folder}`);
    return folder;
  }
  if (context.resume && found) {
    throw new AthanorError(
      'ERR_MISMATCH',
      `${settings.data} does not hold the text that the run began with`,
      'resume with that text, or leave `data` out',
    );
  }
  // Only a folder that was made here is replaced.
  if (found) rmSync(folder, { recursive: true, force: true });
  await prepare(settings, folder, context);
  replaceFile(join(folder, RECORD), `${JSON.stringify(wanted, undefined, 2)}\n`);
  return folder;
}

function readRecord(folder: string): JsonObject | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as JsonObject;
  } catch {
    return undefined;
  }
}

async function prepare(settings: PretrainSettings, folder: string, context: StageContext): Promise<void> {
  const run = (fresh: boolean) =>
    prepareData({
      sources: [settings.data],
      out: folder,
      vocabSize: settings.vocabSize,
      ...options,
      fresh,
      signal: context.signal,
      onProgress: ({ phase, documents, bytes }) =>
        context.onEvent({ type: 'preparing', phase, documents, bytes }),
    });
  const { dropped } = await run(false).catch((error: unknown) => {
    // A run before was stopped while it prepared other text, or for another vocabulary.
    if (error instanceof AthanorError && error.code === 'ERR_MISMATCH') return run(true);
    throw error;
  });
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`);
  if (reasons.length > 0) {
    context.console.note(`dropped: ${reasons.join(', ')}; see ${join(folder, 'dropped.jsonl')}`);
  }
}
