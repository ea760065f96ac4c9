/**
 * Scores of sequences that are asked for again when they are longer, such as an answer while it is
 * written. Keys and values of the last ones are kept. So of a sequence only the tokens are read
 * that follow what it shares with a kept one. Who asks need not say which sequence it continues.
 */
import { createHash } from 'node:crypto';
import { KvCache } from '../generate/kv-cache.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope, tensor } from '../tensor/tensor.ts';
import { byTokens, ints, SCORING_TOKENS } from './sequences.ts';

/** Memory for keys and values. */
const MOST_BYTES = 256 * 2 ** 20;
const MOST_SLOTS = 64;
/** Scores of whole sequences that are kept. */
const MOST_SCORES = 4096;
/** A shorter shared beginning is not worth the slot of another sequence. */
const LEAST_SHARED = 16;

/** A sequence in the cache, and when it was last used. */
interface Slot {
  tokens: Int32Array;
  usedAt: number;
}

/** A sequence, with the place that it continues. */
interface Placed {
  tokens: Int32Array;
  slot: number;
  /** Tokens of it that the slot has. */
  cached: number;
}

export class GrowingSequences {
  /** Tokens that were read, for tests and measurements. */
  tokensRead = 0;
  readonly #model: ScoringModel;
  readonly #cache: KvCache;
  readonly #slots: Slot[];
  /** By the digest of the tokens, the one that was used last at the end. */
  readonly #scores = new Map<string, number>();
  #time = 0;

  /** The weights of the model must not change. */
  constructor(model: ScoringModel, bytes = MOST_BYTES) {
    const { layers, kvHeads, headDim, contextLength } = model.config;
    const width = model.dtype === 'f32' ? 4 : 2;
    const slotBytes = 2 * layers * kvHeads * headDim * contextLength * width;
    const slots = Math.min(MOST_SLOTS, Math.max(1, Math.floor(bytes / slotBytes)));
    this.#model = model;
    this.#cache = new KvCache(model, slots, contextLength);
    this.#slots = Array.from({ length: slots }, () => ({ tokens: new Int32Array(0), usedAt: 0 }));
  }

  /** The score at the last token of each sequence. Each fits the context. */
  score(sequences: readonly Int32Array[]): number[] {
    const keys = sequences.map(digestOf);
    const unread = new Map<string, Int32Array>();
    keys.forEach((key, i) => {
      if (!this.#scores.has(key)) unread.set(key, sequences[i]!);
    });
    const entries = [...unread];
    for (let at = 0; at < entries.length; at += this.#slots.length) {
      const some = entries.slice(at, at + this.#slots.length);
      for (const group of byTokens(some, ([, { length }]) => length, SCORING_TOKENS)) this.#read(group);
    }
    const scores = keys.map((key) => this.#scores.get(key)!);
    for (const [i, key] of keys.entries()) this.#keep(key, scores[i]!);
    return scores;
  }

  dispose(): void {
    this.#cache.dispose();
  }

  #read(group: readonly (readonly [string, Int32Array])[]): void {
    const taken = new Set<number>();
    const placed = group.map(([, tokens]) => this.#place(tokens, taken));
    const scores = noGrad(() => scope(() => this.#forward(placed)));
    for (const { tokens, slot } of placed) this.#slots[slot] = { tokens, usedAt: ++this.#time };
    for (const [i, [key]] of group.entries()) this.#scores.set(key, scores[i]!);
  }

  #forward(placed: readonly Placed[]): Float32Array {
    const starts = new Int32Array(placed.length + 1);
    placed.forEach(({ tokens, cached }, i) => {
      starts[i + 1] = starts[i]! + tokens.length - cached;
    });
    const tokens = new Int32Array(starts.at(-1)!);
    const positions = new Int32Array(tokens.length);
    placed.forEach((one, i) => {
      tokens.set(one.tokens.subarray(one.cached), starts[i]);
      for (let at = one.cached; at < one.tokens.length; ++at) positions[starts[i]! + at - one.cached] = at;
    });
    this.tokensRead += tokens.length;
    const input = { tokens: tensor(tokens), positions: tensor(positions), cuSeqlens: tensor(starts) };
    const slots = ints(placed.map(({ slot }) => slot));
    const past = ints(placed.map(({ cached }) => cached));
    const rows = ints(placed.map((_, i) => starts[i + 1]! - 1));
    return this.#model.scores(input, rows, this.#cache.view(slots, past)).toFloats();
  }

  /** The slot with the longest beginning of a sequence; else the one that was unused longest. */
  #place(tokens: Int32Array, taken: Set<number>): Placed {
    let best = { slot: -1, cached: LEAST_SHARED - 1 };
    let oldest = -1;
    this.#slots.forEach((held, slot) => {
      if (taken.has(slot)) return;
      if (oldest < 0 || held.usedAt < this.#slots[oldest]!.usedAt) oldest = slot;
      const cached = sharedLength(held.tokens, tokens);
      if (cached > best.cached) best = { slot, cached };
    });
    if (best.slot < 0) best = { slot: oldest, cached: 0 };
    taken.add(best.slot);
    return { tokens, ...best };
  }

  #keep(key: string, score: number): void {
    this.#scores.delete(key);
    this.#scores.set(key, score);
    if (this.#scores.size > MOST_SCORES) this.#scores.delete(this.#scores.keys().next().value!);
  }
}

function digestOf(tokens: Int32Array): string {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return createHash('sha256').update(bytes).digest('base64');
}

/** Tokens at the beginning that are equal, but for the last one: its row gives the score. */
function sharedLength(held: Int32Array, tokens: Int32Array): number {
  const most = Math.min(held.length, tokens.length - 1);
  let shared = 0;
  while (shared < most && held[shared] === tokens[shared]) ++shared;
  return shared;
}
