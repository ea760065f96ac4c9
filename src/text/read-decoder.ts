/** The `decoder` of a tokenizer.json: what its tokens stand for in a text. */
import { type JsonObject, type JsonValue, quoted } from '../base/json.ts';
import { unspellBytes } from './byte-level.ts';
import type { FileReader } from './file-reader.ts';
import type { TextStart } from './pipeline.ts';

const utf8 = new TextEncoder();

/** A token of one byte. */
const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

export interface TokenDecoder {
  /** The bytes that a token of the model stands for; undefined for one that is misspelled. */
  bytesOf(token: string): Uint8Array | undefined;
  /** The bytes of an added token. */
  bytesOfAdded(token: string): Uint8Array;
  textStart: TextStart;
}

/** The byte that a token such as `<0x0A>` stands for. */
export function byteOfToken(token: string): number | undefined {
  const hexadecimal = byteToken.exec(token)?.[1];
  return hexadecimal === undefined ? undefined : Number.parseInt(hexadecimal, 16);
}

/** Throws ERR_FORMAT for steps that are not supported, or not in this order. */
export function readDecoder(
  reader: FileReader,
  value: JsonValue | undefined,
  isByteLevel: boolean,
): TokenDecoder {
  const steps = reader.steps(value, 'decoder', 'decoders');
  if (isByteLevel) {
    for (const { type } of steps) if (type !== 'ByteLevel') reader.unsupported(`the decoder ${quoted(type)}`);
    return { bytesOf: unspellBytes, bytesOfAdded: (token) => utf8.encode(token), textStart: 'all' };
  }
  if (steps.length === 0) reader.unsupported('a tokenizer of characters without a decoder');
  return characterDecoder(reader, steps);
}

function characterDecoder(reader: FileReader, steps: readonly JsonObject[]): TokenDecoder {
  const replacements: [from: string, to: string][] = [];
  let hasBytes = false;
  let isFused = false;
  let textStart: TextStart = 'all';
  for (const step of steps) {
    const { type } = step;
    if (type === 'Replace' && !hasBytes && !isFused) {
      replacements.push(readReplacement(reader, step));
    } else if (type === 'Metaspace' && steps.length === 1) {
      replacements.push([reader.string(step.replacement ?? '\u2581', 'the replacement of Metaspace'), ' ']);
      const keeps = step.prepend_scheme === 'never' || step.add_prefix_space === false;
      textStart = keeps ? 'all' : 'no spaces of the token';
    } else if (type === 'ByteFallback' && !isFused) {
      hasBytes = true;
    } else if (type === 'Fuse') {
      isFused = true;
    } else if (type === 'Strip' && isFused && step.content === ' ' && step.start === 1 && step.stop === 0) {
      textStart = 'no space';
    } else {
      reader.unsupported(`the decoder ${quoted(step)} in this place`);
    }
  }
  const bytesOf = (token: string) => {
    const byte = hasBytes ? byteOfToken(token) : undefined;
    if (byte !== undefined) return Uint8Array.of(byte);
    return utf8.encode(replacements.reduce((text, [from, to]) => text.replaceAll(from, to), token));
  };
  return { bytesOf, bytesOfAdded: bytesOf, textStart };
}

function readReplacement(reader: FileReader, step: JsonObject): [string, string] {
  const { text, literal } = reader.pattern(step.pattern, 'the pattern of a decoder');
  const content = reader.string(step.content, 'the content of a decoder');
  if (!literal || content === '') reader.unsupported(`the decoder ${quoted(step)}`);
  return [text, content];
}
