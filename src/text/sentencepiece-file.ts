/**
 * Reads `tokenizer.model`, the file of SentencePiece: a message of Protocol Buffers with pieces and
 * settings. Of its models BPE is supported.
 */
import { AthanorError } from '../base/errors.ts';
import type { SentencePiece } from './sentence-pieces.ts';

export interface SentencePieceFile {
  pieces: SentencePiece[];
  /** Whether a space is put before a text. */
  addsSpace: boolean;
}

/** The numbers of fields in sentencepiece_model.proto. */
const model = { pieces: 1, trainer: 2, normalizer: 3 };
const piece = { text: 1, score: 2, kind: 3 };
const trainer = { type: 3, spaceAfterWords: 24 };
const normalizer = { name: 1, rules: 2, addsSpace: 3, removesSpaces: 4, marksSpaces: 5 };

/** The kinds of models by number; the first is that of a file that names none. */
const kinds = ['', 'Unigram', 'BPE', 'words', 'characters'];
const [UNIGRAM, BPE] = [1, 2];

/**
 * Throws ERR_FILE_DAMAGED, and ERR_FORMAT for another model than BPE and for a normalizer that
 * changes more than spaces.
 * @param path of the file, for messages
 */
export function parseSentencePieceFile(bytes: Uint8Array, path: string): SentencePieceFile {
  const refuse = (what: string): never => {
    const remedy = 'supported: BPE that changes nothing in a text but its spaces';
    throw new AthanorError('ERR_FORMAT', `${path}: ${what} is not supported`, remedy);
  };
  const fields = new Message(bytes, path);
  // They come behind the pieces, so a file that was cut lacks them.
  if (!fields.has(model.trainer)) fields.fail('it has no settings of its training');
  const settings = fields.message(model.trainer);
  const type = settings.number(trainer.type, UNIGRAM);
  if (type !== BPE) refuse(`a SentencePiece model of ${kinds[type] ?? `type ${type}`}`);
  if (settings.number(trainer.spaceAfterWords, 0) !== 0) refuse('a space after words');
  const rules = fields.message(model.normalizer);
  if (rules.has(normalizer.rules)) refuse(`the normalizer ${rules.text(normalizer.name)}`);
  if (rules.number(normalizer.removesSpaces, 1) !== 0) refuse('a normalizer that removes spaces');
  if (rules.number(normalizer.marksSpaces, 1) === 0) refuse('spaces without a mark');
  const pieces = fields.messages(model.pieces).map((entry) => ({
    text: entry.text(piece.text),
    score: entry.float(piece.score),
    kind: entry.number(piece.kind, 1),
  }));
  if (pieces.length === 0) fields.fail('it has no pieces');
  return { pieces, addsSpace: rules.number(normalizer.addsSpace, 1) !== 0 };
}

/** The fields of one message; those with several values in order. */
class Message {
  readonly #fields = new Map<number, (bigint | Uint8Array)[]>();

  constructor(
    readonly bytes: Uint8Array,
    readonly path: string,
  ) {
    for (let at = 0; at < bytes.length; ) {
      const key = this.#varint(at);
      const [number, wire] = [Number(key.value >> 3n), Number(key.value & 7n)];
      const field = this.#value(wire, key.end);
      at = field.end;
      const values = this.#fields.get(number);
      if (values) values.push(field.value);
      else this.#fields.set(number, [field.value]);
    }
  }

  fail(problem: string): never {
    const remedy = 'fetch or write it again';
    throw new AthanorError('ERR_FILE_DAMAGED', `${this.path} is damaged: ${problem}`, remedy);
  }

  #value(wire: number, at: number): { value: bigint | Uint8Array; end: number } {
    if (wire === 0) return this.#varint(at);
    const fixed: Partial<Record<number, number>> = { 1: 8, 5: 4 };
    const length = wire === 2 ? this.#varint(at) : { value: BigInt(fixed[wire] ?? -1), end: at };
    const end = length.end + Number(length.value);
    if (length.value < 0n || end > this.bytes.length)
      this.fail(`a field at byte ${at} goes beyond its message`);
    return { value: this.bytes.subarray(length.end, end), end };
  }

  #varint(at: number): { value: bigint; end: number } {
    let value = 0n;
    for (let i = 0; i < 10 && at + i < this.bytes.length; i++) {
      const byte = this.bytes[at + i]!;
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return { value, end: at + i + 1 };
    }
    return this.fail(`it ends within a number at byte ${at}`);
  }

  has(field: number): boolean {
    return this.#bytesOf(field).length > 0;
  }

  /** An integer; the last of several. */
  number(field: number, otherwise: number): number {
    const value = this.#fields.get(field)?.at(-1) ?? BigInt(otherwise);
    return typeof value === 'bigint' ? Number(value) : this.fail(`field ${field} is no integer`);
  }

  float(field: number): number {
    const bytes = this.#bytesOf(field);
    if (bytes.length === 0) return 0;
    if (bytes.length !== 4) this.fail(`field ${field} is no number`);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  }

  text(field: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytesOf(field));
    } catch {
      return this.fail(`field ${field} is no text`);
    }
  }

  /** A message within; an empty one where it is missing. */
  message(field: number): Message {
    return new Message(this.#bytesOf(field), this.path);
  }

  messages(field: number): Message[] {
    return (this.#fields.get(field) ?? []).map((value) =>
      typeof value === 'bigint' ? this.fail(`field ${field} is no message`) : new Message(value, this.path),
    );
  }

  #bytesOf(field: number): Uint8Array {
    const value = this.#fields.get(field)?.at(-1) ?? new Uint8Array();
    return typeof value === 'bigint' ? this.fail(`field ${field} is no message`) : value;
  }
}
