/**
 * Continuous batching: every step runs one forward pass over whatever the active sequences bring, a whole prompt or
 * one token, and a finished sequence's slot goes to the next prompt at once. Kernels are batch-invariant and a
 * sequence draws from its own random stream, so what a prompt yields does not depend on its batch mates.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { Gpt } from '../nn/gpt.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope, Tensor, tensor } from '../tensor/tensor.ts';
import { DecodeGraphs, stepLogits } from './decode-graph.ts';
import { KvCache } from './kv-cache.ts';
import { StepInputs, type StepSequence } from './step-inputs.ts';

export interface SamplingOptions {
  /** 0 is greedy. Default 1. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keep the smallest set of tokens whose probability reaches this; 1 keeps all. */
  topP?: number;
  /** Keep tokens at least this fraction as likely as the likeliest; 0 keeps all. */
  minP?: number;
  /** Divides positive and multiplies negative logits of tokens already there; 1 is off (Keskar et al., 2019). */
  repetitionPenalty?: number;
  seed?: number;
}

export interface GenerateOptions extends SamplingOptions {
  /** New tokens at most. */
  maxTokens: number;
  /** Ids that end a sequence; the stop token itself is part of the result. */
  stopTokens?: readonly number[];
  /** Sequences decoded at once. Default 16. */
  batchSize?: number;
  /** Called for each new token; returning true ends the sequence after it. */
  onToken?: (event: TokenEvent) => boolean | undefined;
  signal?: AbortSignal;
}

export interface TokenEvent {
  /** Index of the prompt. */
  prompt: number;
  token: number;
  logProb: number;
}

export type FinishReason = 'stop' | 'length' | 'aborted';

export interface Completion {
  /** New tokens, a stop token included. */
  tokens: number[];
  /** Of each new token under the model's own distribution at this temperature, in nats. */
  logProbs: number[];
  finish: FinishReason;
}

interface Sequence extends StepSequence {
  tokens: number[];
  promptLength: number;
  logProbs: number[];
  limit: number;
}

// A turn of the event loop is several system calls, which a step of half a millisecond would feel; a signal or a reader of
// the text does not feel this wait.
const MAX_MS_BETWEEN_TURNS = 5;

/** Completes every prompt. Throws ERR_ARGUMENT for an empty prompt or one that leaves no room in the context. */
export async function generate(
  model: Gpt,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): Promise<Completion[]> {
  const context = model.config.contextLength;
  const waiting = prompts.map((prompt, index) => checkedPrompt(prompt, index, context, options.maxTokens));
  const results: Completion[] = new Array(prompts.length);
  if (waiting.length === 0) return results;
  const slots = Math.min(options.batchSize ?? 16, waiting.length);
  const cache = new KvCache(model, slots, Math.max(...waiting.map((sequence) => sequence.limit)));
  const decoder: Decoder = { model, cache, graphs: new DecodeGraphs(model, cache), inputs: undefined };
  const free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  let active: Sequence[] = [];
  let lastTurn = performance.now();
  try {
    while (active.length > 0 || waiting.length > 0) {
      if (options.signal?.aborted) break;
      while (free.length > 0 && waiting.length > 0) {
        const sequence = waiting.shift()!;
        sequence.slot = free.pop()!;
        cache.lengths[sequence.slot] = 0;
        active.push(sequence);
      }
      decodeStep(decoder, active, options);
      active = active.filter((sequence) => {
        const finish = finishReason(sequence, options);
        if (!finish) return true;
        results[sequence.prompt] = completion(sequence, finish);
        free.push(sequence.slot);
        return false;
      });
      if (performance.now() - lastTurn >= MAX_MS_BETWEEN_TURNS) {
        await yieldToEvents();
        lastTurn = performance.now();
      }
    }
  } finally {
    decoder.graphs.dispose();
    decoder.inputs?.dispose();
    cache.dispose();
  }
  for (const sequence of [...active, ...waiting]) results[sequence.prompt] = completion(sequence, 'aborted');
  return results;
}

function checkedPrompt(
  prompt: ArrayLike<number>,
  index: number,
  context: number,
  maxTokens: number,
): Sequence {
  const tokens = Array.from(prompt);
  if (tokens.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `prompt ${index} is empty`,
      'give at least one token to continue from',
    );
  }
  if (tokens.length >= context) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `prompt ${index} has ${tokens.length} tokens and the model's context is ${context}`,
      'shorten the prompt',
    );
  }
  const limit = Math.min(context, tokens.length + maxTokens);
  return { prompt: index, slot: -1, tokens, promptLength: tokens.length, logProbs: [], limit };
}

interface Decoder {
  model: Gpt;
  cache: KvCache;
  graphs: DecodeGraphs;
  /** Of the last step in which each sequence brought one token. */
  inputs: StepInputs | undefined;
}

/** Logits of the token after each sequence's last, and what its draw is keyed by: i32 `[active]` each. */
interface NextToken {
  logits: Tensor;
  prompts: Tensor;
  lengths: Tensor;
}

/** One forward pass over the active sequences' new tokens, and one sampled token for each. */
function decodeStep(decoder: Decoder, active: Sequence[], options: GenerateOptions): void {
  const sampled = noGrad(() => scope(() => readSample(sampleNext(decoder, active, options))));
  active.forEach((sequence, i) => {
    decoder.cache.lengths[sequence.slot] = sequence.tokens.length;
    sequence.tokens.push(sampled.tokens[i]!);
    sequence.logProbs.push(sampled.logProbs[i]!);
  });
}

function sampleNext(decoder: Decoder, active: Sequence[], options: GenerateOptions): [Tensor, Tensor] {
  const { lengths: cached } = decoder.cache;
  const isDecoding = active.every(({ slot, tokens }) => cached[slot] === tokens.length - 1);
  const { logits, prompts, lengths } = isDecoding ? decode(decoder, active) : readPrompts(decoder, active);
  const [next, logProbs] = native.sample({
    logits: logits.handle,
    temperature: options.temperature ?? 1,
    topK: options.topK ?? 0,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    history: history(active, options)?.handle,
    seed: options.seed ?? 0,
    streams: prompts.handle,
    steps: lengths.handle,
  });
  return [new Tensor(next, [active.length], 'i32'), new Tensor(logProbs, [active.length], 'f32')];
}

/** Every sequence brings one token. */
function decode(decoder: Decoder, active: Sequence[]): NextToken {
  if (decoder.inputs?.sequences !== active.length) {
    decoder.inputs?.dispose();
    decoder.inputs = new StepInputs(active.length);
  }
  const { model, cache, graphs, inputs } = decoder;
  inputs.write(active);
  const logits = graphs.logits(inputs) ?? stepLogits(model, cache, inputs);
  return { logits, prompts: inputs.prompts, lengths: inputs.lengths };
}

/** Some sequences bring their prompts. */
function readPrompts({ model, cache }: Decoder, active: Sequence[]): NextToken {
  const tokens: number[] = [];
  const positions: number[] = [];
  const starts = [0];
  for (const { slot, tokens: all } of active) {
    for (let i = cache.lengths[slot]!; i < all.length; ++i) {
      tokens.push(all[i]!);
      positions.push(i);
    }
    starts.push(tokens.length);
  }
  const slots = active.map((sequence) => sequence.slot);
  const past = slots.map((slot) => cache.lengths[slot]!);
  const input = { tokens: ints(tokens), positions: ints(positions), cuSeqlens: ints(starts) };
  const hidden = model.forward(input, cache.view(ints(slots), ints(past)));
  return {
    logits: model.logits(hidden, ints(starts.slice(1).map((end) => end - 1))),
    prompts: ints(active.map((sequence) => sequence.prompt)),
    lengths: ints(active.map((sequence) => sequence.tokens.length)),
  };
}

/** i32 `[active, longest]` of the tokens so far, -1 padded, where the repetition penalty asks for it. */
function history(active: Sequence[], options: GenerateOptions): Tensor | undefined {
  if ((options.repetitionPenalty ?? 1) === 1) return undefined;
  const longest = Math.max(...active.map((sequence) => sequence.tokens.length));
  const values = new Int32Array(active.length * longest).fill(-1);
  active.forEach((sequence, row) => {
    values.set(sequence.tokens, row * longest);
  });
  return tensor(values, [active.length, longest]);
}

function readSample([tokens, logProbs]: [Tensor, Tensor]) {
  return { tokens: tokens.toInts(), logProbs: logProbs.toFloats() };
}

function finishReason(sequence: Sequence, options: GenerateOptions): FinishReason | undefined {
  const token = sequence.tokens.at(-1)!;
  const isEnd = options.onToken?.({ prompt: sequence.prompt, token, logProb: sequence.logProbs.at(-1)! });
  if (isEnd || options.stopTokens?.includes(token)) return 'stop';
  return sequence.tokens.length >= sequence.limit ? 'length' : undefined;
}

function completion(sequence: Sequence, finish: FinishReason): Completion {
  return { tokens: sequence.tokens.slice(sequence.promptLength), logProbs: sequence.logProbs, finish };
}

function ints(values: readonly number[]): Tensor {
  return tensor(Int32Array.from(values));
}
