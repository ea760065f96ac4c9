/**
 * Continuous batching. A batch has a fixed number of slots in a cache of keys and values; a request
 * waits until a slot is free, and its slot goes to the next one as soon as it is finished. Each
 * step is one forward pass over whatever the running sequences bring: the last token, or a part of
 * the prompt. generate() drives a batch to its end; a server steps one for as long as it lives.
 *
 * The kernels are batch-invariant and each request draws from its own random stream, so its tokens
 * and their log-probabilities do not depend on what else is in the batch, on when it was added, or
 * on how its prompt was cut. (On a GPU that holds for the engine's own products, not for cuBLASLt.)
 * The model's weights must not change while requests run.
 */
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { CachedPasses, type SequencePart } from './cached-passes.ts';
import { KvCache } from './kv-cache.ts';
import { type DrawnTokens, drawTokens } from './sampling.ts';
import { type BatchRequest, type Completion, Sequence } from './sequence.ts';

/** The size of a batch. */
export interface BatchOptions {
  /** Sequences that run at once. */
  slots: number;
  /** Tokens of a sequence at most, prompt and new ones. Default: the model's context. */
  slotTokens?: number;
  /**
   * Tokens of prompts that a step reads at most, so that a long prompt does not hold up the
   * sequences that are decoding; the oldest request comes first. Default: all.
   */
  prefillTokens?: number;
  /**
   * Whether a slot's keys and values outlive its request, so that a later prompt that begins with
   * the same tokens, such as the next turn of a conversation, reads the rest only. The weights must
   * then not change while the batch lives. Default false.
   */
  reusePrefixes?: boolean;
}

/** A token that a step has drawn. */
export interface BatchEvent {
  /** Of the request. */
  id: number;
  token: number;
  /** Under the model's own distribution at the request's temperature, in nats. */
  logProb: number;
  /** All that the request has drawn; there with the last token only. */
  completion?: Completion;
}

/** A batch of requests that run together. */
export class Batch implements Disposable {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  readonly #passes: CachedPasses;
  readonly #prefillTokens: number;
  readonly #reusePrefixes: boolean;
  /** The one that is free for longest comes first. */
  readonly #freeSlots: number[];
  /** The last sequence of each slot, whose first tokens are cached there still. */
  readonly #held: (Sequence | undefined)[];
  /** By id, the oldest first. */
  readonly #waiting = new Map<number, Sequence>();
  /** Those with the same sampling settings lie side by side. */
  #running: Sequence[] = [];
  #nextId = 0;

  /** Throws ERR_ARGUMENT for sizes that are no positive integers or exceed the model's context. */
  constructor(model: Gpt, options: BatchOptions) {
    const { slots, slotTokens = model.config.contextLength } = options;
    const { prefillTokens = Number.MAX_SAFE_INTEGER, reusePrefixes = false } = options;
    for (const [name, value] of Object.entries({ slots, slotTokens, prefillTokens })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new AthanorError('ERR_ARGUMENT', `${name} of a batch must be a positive integer, not ${value}`);
    }
    this.#model = model;
    this.#cache = new KvCache(model, slots, slotTokens);
    this.#passes = new CachedPasses(model, this.#cache);
    this.#prefillTokens = prefillTokens;
    this.#reusePrefixes = reusePrefixes;
    this.#freeSlots = Array.from({ length: slots }, (_, i) => i);
    this.#held = new Array(slots);
  }

  /** Requests that are not finished, the waiting ones included. */
  get size(): number {
    return this.#running.length + this.#waiting.size;
  }

  /** Requests without a slot. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Adds a request, at any time, and gives its id: 0 for the first one, then counting up. Throws
   * ERR_ARGUMENT, with the request's name, for one that cannot run; the batch is then as it was.
   */
  add(request: BatchRequest): number {
    const { vocabSize, contextLength } = this.#model.config;
    const slotTokens = this.#cache.maxTokens;
    const sequence = new Sequence(this.#nextId, request, { vocabSize, contextLength, slotTokens });
    this.#waiting.set(sequence.id, sequence);
    return this.#nextId++;
  }

  /**
   * One forward pass, and a new token for each running sequence whose prompt is read. Does nothing
   * when the batch is empty. If it throws, no sequence has moved: the step can be repeated.
   */
  step(): BatchEvent[] {
    this.#admit();
    const { lengths: cached } = this.#cache;
    if (this.#running.every(({ slot, length }) => cached[slot] === length - 1)) return this.#decode();
    return this.#prefill();
  }

  /**
   * Takes a request out, waiting or running. Returns what it has drawn so far, with `finish` being
   * 'aborted', or undefined when it is not there (any more).
   */
  cancel(id: number): Completion | undefined {
    const sequence = this.#waiting.get(id) ?? this.#running.find((running) => running.id === id);
    if (!sequence) return undefined;
    if (!this.#waiting.delete(id)) this.#release(sequence);
    return sequence.completion('aborted');
  }

  /** Frees the cache; requests that are still there are dropped. */
  dispose(): void {
    this.#waiting.clear();
    this.#running = [];
    this.#held.length = 0;
    this.#passes.dispose();
    this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Gives free slots to those that wait longest. */
  #admit(): void {
    for (const [id, sequence] of this.#waiting) {
      if (this.#freeSlots.length === 0) return;
      this.#waiting.delete(id);
      this.#start(sequence);
      const { key } = sequence.sampling;
      const alike = this.#running.findLastIndex(({ sampling }) => sampling.key === key);
      this.#running.splice(alike < 0 ? this.#running.length : alike + 1, 0, sequence);
    }
  }

  /**
   * Gives a free slot to a sequence: where prefixes are reused, the one that has most of it cached.
   */
  #start(sequence: Sequence): void {
    let best = 0;
    let cached = 0;
    if (this.#reusePrefixes) {
      const all = this.#freeSlots.map((slot) => this.#cachedOf(sequence, slot));
      cached = Math.max(...all);
      best = all.indexOf(cached);
    }
    const slot = this.#freeSlots.splice(best, 1)[0]!;
    sequence.start(slot);
    this.#cache.lengths[slot] = cached;
    if (this.#reusePrefixes) this.#held[slot] = sequence;
  }

  /** Tokens of the prompt that a slot has cached; never all, for the last one gives the logits. */
  #cachedOf({ tokens, promptLength }: Sequence, slot: number): number {
    const held = this.#held[slot]?.tokens;
    if (!held) return 0;
    const most = Math.min(this.#cache.lengths[slot]!, promptLength - 1);
    let count = 0;
    while (count < most && tokens[count] === held[count]) ++count;
    return count;
  }

  /** A step in which every running sequence brings its last token. */
  #decode(): BatchEvent[] {
    const drawing = this.#running;
    if (drawing.length === 0) return [];
    const drawn = noGrad(() => scope(() => drawTokens(this.#passes.decode(drawing), drawing)));
    return this.#append(drawing, drawn);
  }

  /** A step in which some sequences bring a part of their prompt. */
  #prefill(): BatchEvent[] {
    const parts = this.#parts();
    const drawing = parts.flatMap(({ sequence, end }) => (end === sequence.length ? [sequence] : []));
    const drawn = noGrad(() =>
      scope(() => {
        const rows = this.#passes.prefill(parts);
        return rows && drawTokens(rows, drawing);
      }),
    );
    for (const { sequence, end } of parts) this.#cache.lengths[sequence.slot] = end;
    return drawn ? this.#append(drawing, drawn) : [];
  }

  /** What each running sequence brings: its last token, or what the budget allows of its prompt. */
  #parts(): SequencePart<Sequence>[] {
    const { lengths: cached } = this.#cache;
    const rest = ({ slot, length }: Sequence) => length - cached[slot]!;
    const counts = new Map<Sequence, number>();
    let budget = this.#prefillTokens;
    const reading = this.#running.filter((sequence) => rest(sequence) > 1);
    for (const sequence of reading.sort((a, b) => a.id - b.id)) {
      const count = Math.min(rest(sequence), budget);
      counts.set(sequence, count);
      budget -= count;
    }
    return this.#running.flatMap((sequence) => {
      const begin = cached[sequence.slot]!;
      const count = counts.get(sequence) ?? 1;
      return count > 0 ? [{ sequence, begin, end: begin + count }] : [];
    });
  }

  /** Adds the tokens that were drawn; what was the last token of each is cached now. */
  #append(drawing: readonly Sequence[], { tokens, logProbs }: DrawnTokens): BatchEvent[] {
    const events: BatchEvent[] = [];
    const finished: Sequence[] = [];
    for (let i = 0; i < drawing.length; ++i) {
      const sequence = drawing[i]!;
      const event: BatchEvent = { id: sequence.id, token: tokens[i]!, logProb: logProbs[i]! };
      this.#cache.lengths[sequence.slot] = sequence.length;
      const finish = sequence.append(event.token, event.logProb);
      if (finish) {
        event.completion = sequence.completion(finish);
        finished.push(sequence);
      }
      events.push(event);
    }
    for (const sequence of finished) this.#release(sequence);
    return events;
  }

  #release(sequence: Sequence): void {
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.#freeSlots.push(sequence.slot);
  }
}
