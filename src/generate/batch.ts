/**
 * Continuous batching. A batch has a fixed number of slots in a cache of keys and values. A request
 * waits until a slot is free. When a request is finished, the next one gets its slot at once. Each
 * step is one forward pass over the running sequences: each brings its last token or a part of its
 * prompt. generate() runs a batch to its end; a server steps one as long as it lives.
 *
 * The kernels are batch-invariant and each request draws from its own random stream. So the tokens
 * of a request and their log-probabilities do not depend on the rest of the batch, on the time of
 * its start, or on how its prompt was cut. (On a GPU that holds for the engine's own products, not
 * for cuBLASLt.) The model's weights must not change while requests run.
 */
import { checkCounts } from '../base/check-count.ts';
import { AthanorError } from '../base/errors.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { gatherRows } from '../tensor/ops/rows.ts';
import { keep, scope, type Tensor, tensor } from '../tensor/tensor.ts';
import { CachedPasses, type SequencePart } from './cached-passes.ts';
import { KvCache } from './kv-cache.ts';
import { drawTokens, type NextTokenRows } from './sampling.ts';
import { type BatchRequest, type Completion, Sequence } from './sequence.ts';
import { type ReportedPlace, reportsOfHidden, reportsOfLogits, type TokenReport } from './token-reports.ts';

/** The size of a batch. */
export interface BatchOptions {
  /** Number of sequences that run at the same time. */
  slots: number;
  /** Largest number of tokens per sequence, prompt and new ones. Default: the model's context. */
  slotTokens?: number;
  /**
   * Largest number of prompt tokens per step, so that a long prompt does not hold up the sequences
   * that are decoding. The oldest request comes first. Default: no limit.
   */
  prefillTokens?: number;
  /**
   * Whether prompts that begin alike share their beginnings, such as a system message or the
   * earlier turns of a conversation: each is read once, and later prompts read only the rest. The
   * weights must not change while the batch lives. Default false.
   */
  reusePrefixes?: boolean;
  /**
   * Ids that are never drawn, such as `tokenizer.unusedIds(model.config.vocabSize)`. The
   * log-probabilities stay those of the model's own distribution over all ids. Default: none.
   */
  suppressTokens?: readonly number[];
}

/** A beginning of fewer tokens is read again rather than waited for or copied. */
const MIN_SHARED = 32;

/** What a sequence finds cached. */
interface Place {
  /** Index of a free slot. */
  free: number;
  /** Number of its tokens that the slot has, if need be after the copy. */
  cached: number;
  /** The slot to copy. */
  from?: number;
}

/** A token that a step drew. */
export interface BatchEvent {
  /** Id of the request. */
  id: number;
  token: number;
  /** In the model's own distribution at the request's temperature, in nats. */
  logProb: number;
  /** With `topLogProbs`. */
  report?: TokenReport;
  /**
   * With `reportPrompt` and the first token only: the report on each prompt token; undefined for
   * the first, which nothing predicts.
   */
  prompt?: readonly (TokenReport | undefined)[];
  /** All tokens of the request; given with the last token only. */
  completion?: Completion;
}

/** The tokens of a step, one per sequence. */
interface Drawn {
  tokens: Int32Array;
  logProbs: Float32Array;
  /** Per sequence; undefined for one without reports. */
  reports: readonly (TokenReport | undefined)[];
}

/** A batch of requests that run together. */
export class Batch implements Disposable {
  readonly #model: Gpt;
  readonly #cache: KvCache;
  readonly #passes: CachedPasses;
  readonly #prefillTokens: number;
  readonly #reusePrefixes: boolean;
  /** i32 `[s]`: ids that are never drawn. */
  readonly #suppressed: Tensor | undefined;
  /** Free slots; the one that has been free the longest comes first. */
  readonly #freeSlots: number[];
  /** The last sequence of each slot. Its first tokens are still cached there. */
  readonly #held: (Sequence | undefined)[];
  /** Waiting requests by id, the oldest first. */
  readonly #waiting = new Map<number, Sequence>();
  /** Running sequences; those with equal sampling settings are neighbours. */
  #running: Sequence[] = [];
  #nextId = 0;

  /**
   * Throws ERR_ARGUMENT for sizes that are not positive integers or exceed the model's context, and
   * for suppressed tokens that the model does not have or that are all of its tokens.
   */
  constructor(model: Gpt, options: BatchOptions) {
    const { slots, slotTokens = model.config.contextLength } = options;
    const { prefillTokens = Number.MAX_SAFE_INTEGER, reusePrefixes = false, suppressTokens = [] } = options;
    checkCounts({ slots, slotTokens, prefillTokens });
    checkSuppressed(suppressTokens, model.config.vocabSize);
    this.#model = model;
    this.#cache = new KvCache(model, slots, slotTokens);
    this.#passes = new CachedPasses(model, this.#cache);
    this.#prefillTokens = prefillTokens;
    this.#reusePrefixes = reusePrefixes;
    if (suppressTokens.length > 0) this.#suppressed = keep(tensor(Int32Array.from(suppressTokens)));
    this.#freeSlots = Array.from({ length: slots }, (_, i) => i);
    this.#held = new Array(slots);
  }

  /** Number of unfinished requests, including the waiting ones. */
  get size(): number {
    return this.#running.length + this.#waiting.size;
  }

  /** Number of requests without a slot. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Adds a request, at any time, and returns its id: 0 for the first one, then counting up. Throws
   * ERR_ARGUMENT, with the request's name, for one that cannot run; the batch does not change then.
   */
  add(request: BatchRequest): number {
    const { vocabSize, contextLength } = this.#model.config;
    const slotTokens = this.#cache.maxTokens;
    const sequence = new Sequence(this.#nextId, request, { vocabSize, contextLength, slotTokens });
    this.#waiting.set(sequence.id, sequence);
    return this.#nextId++;
  }

  /**
   * Runs one forward pass, and draws a token for each running sequence whose prompt is read.
   * Does nothing when the batch is empty. If it throws, no sequence has moved, and the step
   * can be repeated.
   */
  step(): BatchEvent[] {
    this.#admit();
    const { lengths: cached } = this.#cache;
    if (this.#running.every(({ slot, length }) => cached[slot] === length - 1)) return this.#decode();
    return this.#prefill();
  }

  /**
   * Removes a waiting or running request. Returns the tokens that it has drawn, with `finish`
   * 'aborted'; undefined when the batch does not have the request.
   */
  cancel(id: number): Completion | undefined {
    const sequence = this.#waiting.get(id) ?? this.#running.find((running) => running.id === id);
    if (!sequence) return undefined;
    if (!this.#waiting.delete(id)) this.#release(sequence);
    return sequence.completion('aborted');
  }

  /** Frees the cache and drops all requests. */
  dispose(): void {
    this.#waiting.clear();
    this.#running = [];
    this.#held.length = 0;
    this.#suppressed?.dispose();
    this.#passes.dispose();
    this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Gives free slots to the requests that have waited the longest. */
  #admit(): void {
    for (const [id, sequence] of this.#waiting) {
      if (this.#freeSlots.length === 0) return;
      if (!this.#start(sequence)) continue;
      this.#waiting.delete(id);
      const { key } = sequence.sampling;
      const alike = this.#running.findLastIndex(({ sampling }) => sampling.key === key);
      this.#running.splice(alike < 0 ? this.#running.length : alike + 1, 0, sequence);
    }
  }

  /** Gives a free slot to a sequence. Returns false when it had better wait. */
  #start(sequence: Sequence): boolean {
    // A prompt with reports is read as a whole: reports come from its hidden states.
    const reuses = this.#reusePrefixes && !sequence.promptReports;
    const place = reuses ? this.#place(sequence) : { free: 0, cached: 0 };
    if (!place) return false;
    const slot = this.#freeSlots.splice(place.free, 1)[0]!;
    if (place.from !== undefined) this.#cache.copySlot(place.from, slot);
    sequence.start(slot);
    this.#cache.lengths[slot] = place.cached;
    if (this.#reusePrefixes) this.#held[slot] = sequence;
    return true;
  }

  /**
   * Where most of a prompt is cached: in a free slot, or in the slot of a running sequence, which
   * is copied. Undefined when a running sequence is about to read the same beginning.
   */
  #place(sequence: Sequence): Place | undefined {
    let best: Place = { free: 0, cached: -1 };
    this.#freeSlots.forEach((slot, free) => {
      const { cached } = this.#shared(sequence, slot);
      if (cached > best.cached) best = { free, cached };
    });
    let coming = 0;
    for (const { slot } of this.#running) {
      const shared = this.#shared(sequence, slot);
      coming = Math.max(coming, shared.coming);
      const enough = best.from === undefined ? best.cached + MIN_SHARED : best.cached + 1;
      if (shared.cached >= enough) best = { free: 0, cached: shared.cached, from: slot };
    }
    return coming >= best.cached + MIN_SHARED ? undefined : best;
  }

  /**
   * Number of prompt tokens that a slot has cached, and that it will have when its own prompt is
   * read; never all, because the last one gives the logits.
   */
  #shared({ tokens, promptLength }: Sequence, slot: number): { cached: number; coming: number } {
    const held = this.#held[slot];
    if (!held) return { cached: 0, coming: 0 };
    const length = this.#cache.lengths[slot]!;
    const most = Math.min(Math.max(length, held.promptLength), promptLength - 1);
    let coming = 0;
    while (coming < most && tokens[coming] === held.tokens[coming]) ++coming;
    return { cached: Math.min(coming, length), coming };
  }

  /** Runs a step in which every running sequence brings its last token. */
  #decode(): BatchEvent[] {
    const drawing = this.#running;
    if (drawing.length === 0) return [];
    const drawn = noGrad(() => scope(() => this.#draw(this.#passes.decode(drawing), drawing)));
    return this.#append(drawing, drawn);
  }

  /** Draws a token for each row, and reports on it where the sequence wants that. */
  #draw(rows: NextTokenRows, sequences: readonly Sequence[]): Drawn {
    const { tokens, logProbs } = drawTokens(rows, sequences, this.#suppressed);
    const wanted = [...sequences.keys()].filter((i) => sequences[i]!.topLogProbs !== undefined);
    const reports: (TokenReport | undefined)[] = new Array(sequences.length);
    if (wanted.length > 0) {
      const all = wanted.length === sequences.length;
      const logits = all ? rows.logits : gatherRows(rows.logits, tensor(Int32Array.from(wanted)));
      const places = wanted.map((i) => ({ token: tokens[i]!, count: sequences[i]!.topLogProbs! }));
      reportsOfLogits(logits, places).forEach((report, place) => {
        reports[wanted[place]!] = report;
      });
    }
    return { tokens, logProbs, reports };
  }

  /** Runs a step in which some sequences bring a part of their prompt. */
  #prefill(): BatchEvent[] {
    const parts = this.#parts();
    const drawing = parts.flatMap(({ sequence, end }) => (end === sequence.length ? [sequence] : []));
    const drawn = noGrad(() =>
      scope(() => {
        const { hidden, ending } = this.#passes.prefill(parts);
        this.#reportPrompts(hidden, parts);
        return ending && this.#draw(ending, drawing);
      }),
    );
    for (const { sequence, end } of parts) this.#cache.lengths[sequence.slot] = end;
    return drawn ? this.#append(drawing, drawn) : [];
  }

  /** Reports on the prompt tokens that the hidden states of these parts predict. */
  #reportPrompts(hidden: Tensor, parts: readonly SequencePart<Sequence>[]): void {
    const rows: number[] = [];
    const places: (ReportedPlace & { sequence: Sequence; at: number })[] = [];
    let first = 0;
    for (const { sequence, begin, end } of parts) {
      const { tokens, promptReports, promptLength, topLogProbs } = sequence;
      const last = promptReports ? Math.min(end, promptLength - 1) : begin;
      for (let at = begin; at < last; ++at) {
        rows.push(first + at - begin);
        places.push({ token: tokens[at + 1]!, count: topLogProbs!, sequence, at: at + 1 });
      }
      first += end - begin;
    }
    const reports = reportsOfHidden(this.#model, hidden, rows, places);
    places.forEach(({ sequence, at }, i) => {
      sequence.promptReports![at] = reports[i]!;
    });
  }

  /**
   * The part that each running sequence brings: its last token, or as much of its prompt
   * as prefillTokens allows.
   */
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

  /** Adds the drawn tokens to their sequences, whose previous last tokens are cached now. */
  #append(drawing: readonly Sequence[], { tokens, logProbs, reports }: Drawn): BatchEvent[] {
    const events: BatchEvent[] = [];
    const finished: Sequence[] = [];
    for (let i = 0; i < drawing.length; ++i) {
      const sequence = drawing[i]!;
      const event: BatchEvent = { id: sequence.id, token: tokens[i]!, logProb: logProbs[i]! };
      const report = reports[i];
      if (report) event.report = report;
      const isFirst = sequence.length === sequence.promptLength;
      if (isFirst && sequence.promptReports) event.prompt = sequence.promptReports;
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

function checkSuppressed(ids: readonly number[], vocabSize: number): void {
  const stray = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (stray !== undefined) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`suppressTokens\` holds the id ${stray} and the model has ${vocabSize} tokens`,
    );
  }
  if (new Set(ids).size < vocabSize) return;
  throw new AthanorError('ERR_ARGUMENT', '`suppressTokens` holds every id, so no token is left to draw');
}
