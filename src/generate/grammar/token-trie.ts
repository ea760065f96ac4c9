/** The tokens of a vocabulary by their bytes, so that tokens that begin alike are tried at once. */
import { AthanorError } from '../../base/errors.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Grammar, GrammarState } from './grammar.ts';
import { characterLength, isPlain } from './json-text.ts';

/**
 * Places of the grammar times bytes that are looked at for one mask, a fraction of a second. Tokens
 * beyond it are left out, always the same ones; those of a single byte come first.
 */
const MAX_WORK = 6_000_000;

export class TokenTrie {
  /** Tokens of a single byte. */
  readonly #singles = new Map<number, number[]>();
  /** Per node, each before its children: its byte, its depth, and the node after its children. */
  readonly #bytes: Uint8Array;
  readonly #depths: Uint16Array;
  readonly #after: Int32Array;
  /**
   * Per node: characters of the longest token through it, from the node on; NOT_PLAIN if one of
   * them is no plain text.
   */
  readonly #plain: Uint16Array;
  /** Per node, where its tokens begin in #tokens; the next node's begin ends them. */
  readonly #firsts: Int32Array;
  readonly #tokens: Int32Array;
  /** Bytes of the longest token. */
  readonly longest: number;
  readonly #tokenizer: Tokenizer;

  /**
   * Control tokens are no text, so they are left out, but for these. Throws ERR_CONFIG for a
   * tokenizer without a token for each byte of text.
   */
  constructor(tokenizer: Tokenizer, textTokens: readonly string[] = []) {
    this.#tokenizer = tokenizer;
    const controls = new Set(tokenizer.specialTokens.values());
    for (const text of textTokens) controls.delete(tokenizer.specialTokens.get(text)!);
    const entries: { id: number; bytes: Uint8Array; text: string }[] = [];
    for (let id = 0; id < tokenizer.vocabSize; ++id) {
      const bytes = tokenizer.bytesOf(id);
      if (!bytes || bytes.length === 0 || controls.has(id)) continue;
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
      entries.push({ id, bytes, text });
    }
    // Text of one unit per byte is compared much faster than bytes.
    entries.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));
    const total = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const [bytes, depths] = [new Uint8Array(total), new Uint16Array(total)];
    const firsts = new Int32Array(total + 1);
    const plain = new Uint16Array(total);
    /** The nodes of the last token. */
    const path: number[] = [];
    let nodes = 0;
    let before: Uint8Array = new Uint8Array(0);
    entries.forEach((entry, i) => {
      let shared = 0;
      const most = Math.min(before.length, entry.bytes.length);
      while (shared < most && before[shared] === entry.bytes[shared]) ++shared;
      for (let depth = shared; depth < entry.bytes.length; ++depth) {
        bytes[nodes] = entry.bytes[depth]!;
        depths[nodes] = depth;
        path[depth] = nodes;
        firsts[nodes++] = i;
      }
      plainLengths(entry.bytes).forEach((length, depth) => {
        plain[path[depth]!] = Math.max(plain[path[depth]!]!, length);
      });
      // A node begins before its own tokens: those before the node with them belong to others.
      firsts[nodes] = i + 1;
      before = entry.bytes;
      if (entry.bytes.length === 1) {
        this.#singles.set(entry.bytes[0]!, [...(this.#singles.get(entry.bytes[0]!) ?? []), entry.id]);
      }
    });
    this.#bytes = bytes.slice(0, nodes);
    this.#depths = depths.slice(0, nodes);
    this.#plain = plain.slice(0, nodes);
    this.#firsts = firsts.slice(0, nodes + 1);
    this.#tokens = Int32Array.from(entries, ({ id }) => id);
    this.#after = endsOf(this.#depths);
    this.longest = entries.reduce((most, entry) => Math.max(most, entry.bytes.length), 0);
    this.#checkBytes();
  }

  #checkBytes(): void {
    const isMissing = (byte: number) => !this.#singles.has(byte);
    const ascii = Array.from({ length: 0x5f }, (_, i) => 0x20 + i);
    const continuations = Array.from({ length: 0x40 }, (_, i) => 0x80 + i);
    const missing = [0x0a, ...ascii, ...continuations].find(isMissing);
    if (missing === undefined) return;
    throw new AthanorError(
      'ERR_CONFIG',
      `the tokenizer has no token for the byte ${missing}, so answers cannot be held to a form`,
      'use a model with a byte-level tokenizer',
    );
  }

  /** Bytes of a token; undefined for one that is no text. */
  bytesOf(token: number): Uint8Array | undefined {
    return this.#tokenizer.bytesOf(token);
  }

  /** Sets the bits of all tokens that fit at a state. */
  allow(grammar: Grammar, state: GrammarState, bits: Int32Array): void {
    for (const [byte, tokens] of this.#singles) {
      if (!grammar.step(state, byte)) continue;
      for (const token of tokens) bits[token >> 5]! |= 1 << (token & 31);
    }
    const bytes = this.#bytes;
    const depths = this.#depths;
    const states: GrammarState[] = [state];
    let work = 0;
    for (let node = 0; node < bytes.length; ) {
      const depth = depths[node]!;
      const from = states[depth]!;
      work += from.places.length;
      if (work > MAX_WORK) return;
      const length = this.#plain[node]!;
      if (length !== NOT_PLAIN && length <= from.room) {
        this.#setTokens(node, this.#after[node]!, bits);
        node = this.#after[node]!;
        continue;
      }
      const byte = bytes[node]!;
      const next = from.next[byte] ?? grammar.step(from, byte);
      if (!next) {
        node = this.#after[node]!;
        continue;
      }
      states[depth + 1] = next;
      this.#setTokens(node, node + 1, bits);
      ++node;
    }
  }

  /** Sets the bits of the tokens of some nodes. */
  #setTokens(first: number, after: number, bits: Int32Array): void {
    const tokens = this.#tokens;
    const end = this.#firsts[after]!;
    for (let i = this.#firsts[first]!; i < end; ++i) bits[tokens[i]! >> 5]! |= 1 << (tokens[i]! & 31);
  }
}

/** More characters than a token has. */
const NOT_PLAIN = 0xffff;

/** The characters from each byte on; NOT_PLAIN where they are not whole plain characters. */
function plainLengths(bytes: Uint8Array): Uint16Array {
  const lengths = new Uint16Array(bytes.length + 1);
  for (let at = bytes.length - 1; at >= 0; --at) {
    const length = isPlain(bytes[at]!) ? 1 : bytes[at]! < 0x80 ? 0 : characterLength(bytes, at);
    const after = length === 0 ? NOT_PLAIN : lengths[at + length]!;
    lengths[at] = after === NOT_PLAIN ? NOT_PLAIN : after + 1;
  }
  return lengths.subarray(0, bytes.length);
}

/** For each node, the first node after it that is not below it. */
function endsOf(depths: Uint16Array): Int32Array {
  const after = new Int32Array(depths.length);
  const open: number[] = [];
  depths.forEach((depth, node) => {
    while (open.length > depth) after[open.pop()!] = node;
    open.push(node);
  });
  for (const node of open) after[node] = depths.length;
  return after;
}
