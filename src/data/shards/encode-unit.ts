/**
 * The third step of `data prepare`: encodes what stays of a unit. Its files are
 *
 * - `ids`: the ids of the documents, end to end, without the end-of-text token between them;
 * - `documents`: a line per document.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { type DecidedDocument, decidedDocuments } from './decide.ts';
import type { UnitItem } from './filter-unit.ts';
import type { Split } from './manifest.ts';
import type { PartialFolder } from './partial-folder.ts';
import { PieceReader, PieceWriter } from './piece-files.ts';

/** A line of `documents`. `bytes` are those of text as UTF-8. */
export type EncodedDocument = { split: Split; source: string; tokens: number; bytes: number };

/** A document that stays, with its text as UTF-8. */
export interface DecidedText {
  split: Split;
  source: string;
  text: Uint8Array;
}

/** Bytes that are encoded at once: so many that every thread of the tokenizer has work. */
const BATCH_BYTES = 4 << 20;

/** Ids as they are stored. */
export const idArray = (width: 2 | 4) => (width === 2 ? Uint16Array : Uint32Array);
export const widthOf = (tokenizer: Tokenizer): 2 | 4 => (tokenizer.vocabSize <= 65536 ? 2 : 4);

/** The end-of-text token. Throws ERR_ARGUMENT for a tokenizer without one. */
export function separatorOf(tokenizer: Tokenizer): number {
  if (tokenizer.eosId !== undefined) return tokenizer.eosId;
  throw new AthanorError(
    'ERR_ARGUMENT',
    'the tokenizer has no end-of-text token',
    'name one as eos_token in its tokenizer_config.json',
  );
}

/**
 * Throws the errors of reading and writing.
 * @param onDocuments is called with documents, bytes of text and tokens
 */
export async function encodeUnit(
  folder: PartialFolder,
  unit: number,
  tokenizer: Tokenizer,
  onDocuments: (documents: number, bytes: number, tokens: number) => void,
): Promise<void> {
  const [ids, documents] = ['ids', 'documents'].map(
    (ending) => new PieceWriter(folder.file(unit, 'encoded', ending)),
  ) as [PieceWriter, PieceWriter];
  try {
    for (const batch of batches(decidedTexts(folder, unit))) {
      const [bytes, tokens] = encodeBatch(batch, tokenizer, ids, documents);
      onDocuments(batch.length, bytes, tokens);
      await yieldToEvents();
    }
    const files = { ids: ids.finish(), documents: documents.finish() };
    folder.writeRecord(unit, 'encoded', { files, summary: {} });
  } finally {
    for (const writer of [ids, documents]) writer.abandon();
  }
}

function encodeBatch(
  batch: readonly DecidedText[],
  tokenizer: Tokenizer,
  ids: PieceWriter,
  documents: PieceWriter,
): [bytes: number, tokens: number] {
  const Stored = idArray(widthOf(tokenizer));
  const texts = batch.map(({ text }) => text);
  const encoded = tokenizer.encodeBatch(texts, { addSpecialTokens: true });
  let [bytes, tokens] = [0, 0];
  for (const [i, { split, source, text }] of batch.entries()) {
    const own = betweenSeparators(encoded[i]!, tokenizer);
    const stored = new Stored(own);
    ids.write(new Uint8Array(stored.buffer));
    const row: EncodedDocument = { split, source, tokens: own.length, bytes: text.length };
    documents.write(`${JSON.stringify(row)}\n`);
    bytes += text.length;
    tokens += own.length + 1;
  }
  return [bytes, tokens];
}

/** A document without the end-of-text token at its ends: the separators are those already. */
function betweenSeparators(ids: Int32Array, tokenizer: Tokenizer): Int32Array {
  const { before, after } = tokenizer.frame;
  const separator = separatorOf(tokenizer);
  const begin = before[0] === separator ? 1 : 0;
  const end = after.at(-1) === separator ? ids.length - 1 : ids.length;
  return ids.subarray(begin, end);
}

function* batches(texts: Iterable<DecidedText>): Generator<DecidedText[]> {
  let batch: DecidedText[] = [];
  let bytes = 0;
  for (const text of texts) {
    batch.push(text);
    bytes += text.text.length;
    if (bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** The documents of a unit that stay, with their texts. Throws the errors of reading. */
export function* decidedTexts(folder: PartialFolder, unit: number): Generator<DecidedText> {
  const places = placesOf(folder, unit);
  const path = folder.file(unit, 'filtered', 'texts');
  let file = -1;
  try {
    file = openSync(path, 'r');
    for (const decided of decidedDocuments(folder, unit)) yield textOf(decided, places, file);
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (file >= 0) closeSync(file);
  }
}

interface Place {
  source: string;
  start: number;
  bytes: number;
}

function placesOf(folder: PartialFolder, unit: number): Place[] {
  using items = new PieceReader(folder.file(unit, 'filtered', 'items'));
  const places: Place[] = [];
  let start = 0;
  for (let line = items.line(); line !== undefined; line = items.line()) {
    const item = JSON.parse(line) as UnitItem;
    if ('dropped' in item) continue;
    const { source, bytes } = item;
    places.push({ source, start, bytes });
    start += bytes;
  }
  return places;
}

function textOf(decided: DecidedDocument, places: readonly Place[], file: number): DecidedText {
  const { split } = decided;
  if ('text' in decided) return { split, source: decided.source, text: Buffer.from(decided.text) };
  const { source, start, bytes } = places[decided.index]!;
  const text = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, text, done, bytes - done, start + done);
    if (count === 0) throw new AthanorError('ERR_FILE_DAMAGED', 'a file of texts was cut short');
    done += count;
  }
  return { split, source, text };
}
