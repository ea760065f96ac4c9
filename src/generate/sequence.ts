/** One request on its way through a batch: its tokens so far, and when it is finished. */
import { AthanorError } from '../base/errors.ts';
import type { SampledSequence, SamplingOptions, SamplingSettings } from './sampling.ts';
import { samplingSettings } from './sampling.ts';
import type { StepSequence } from './step-inputs.ts';

export interface BatchRequest extends SamplingOptions {
  /** Token ids to continue. They are copied. */
  prompt: ArrayLike<number>;
  /** New tokens at most; Infinity ends at the slot's size. */
  maxTokens: number;
  /** Ids that end the sequence; the stop token itself is part of the result. */
  stopTokens?: readonly number[];
  /**
   * Random stream, i32: requests that share prompt, settings, seed and stream draw the same
   * tokens. Default 0.
   */
  stream?: number;
  /** What errors call the request. Default `request` and its id. */
  name?: string;
}

/** A stop token or the caller ended it; it was as long as it may be; it was cancelled. */
export type FinishReason = 'stop' | 'length' | 'aborted';

export interface Completion {
  /** New tokens, a stop token included. */
  tokens: Int32Array;
  /** Of each new token under the model's own distribution at this temperature, in nats. */
  logProbs: Float32Array;
  finish: FinishReason;
}

/** What a request has to fit. */
export interface SequenceLimits {
  vocabSize: number;
  contextLength: number;
  /** Tokens that a slot of the cache holds. */
  slotTokens: number;
}

export class Sequence implements StepSequence, SampledSequence {
  readonly id: number;
  readonly stream: number;
  readonly sampling: SamplingSettings;
  readonly promptLength: number;
  /** The prompt; once the sequence has a slot, all tokens in an array with room for the longest. */
  tokens: Int32Array;
  /** Tokens so far, the prompt included. */
  length: number;
  /** Slot of the cache; -1 while there is none. */
  slot = -1;
  #logProbs = new Float32Array(0);
  readonly #limit: number;
  readonly #stopTokens: readonly number[];

  /**
   * Throws ERR_ARGUMENT, with the request's name, for a prompt that is empty, too long or has ids
   * outside of the vocabulary, and for settings out of range.
   */
  constructor(id: number, request: BatchRequest, limits: SequenceLimits) {
    const { name = `request ${id}`, maxTokens, stopTokens = [], stream = 0 } = request;
    this.id = id;
    this.stream = stream;
    this.sampling = samplingSettings(request, name);
    this.tokens = new Int32Array(request.prompt);
    this.length = this.tokens.length;
    this.promptLength = this.tokens.length;
    checkPrompt(this.tokens, limits, name);
    if (!(maxTokens >= 1)) {
      throw new AthanorError('ERR_ARGUMENT', `${name} asks for ${maxTokens} new tokens; ask for at least 1`);
    }
    this.#limit = Math.min(limits.slotTokens, this.promptLength + Math.floor(maxTokens));
    this.#stopTokens = stopTokens;
  }

  /** Takes a slot, and memory for what may come. */
  start(slot: number): void {
    this.slot = slot;
    const prompt = this.tokens;
    this.tokens = new Int32Array(this.#limit);
    this.tokens.set(prompt);
    this.#logProbs = new Float32Array(this.#limit - this.promptLength);
  }

  /** Adds a token; the reason when it was the last one. */
  append(token: number, logProb: number): FinishReason | undefined {
    this.#logProbs[this.length - this.promptLength] = logProb;
    this.tokens[this.length++] = token;
    if (this.#stopTokens.includes(token)) return 'stop';
    return this.length >= this.#limit ? 'length' : undefined;
  }

  completion(finish: FinishReason): Completion {
    return {
      tokens: this.tokens.slice(this.promptLength, this.length),
      logProbs: this.#logProbs.slice(0, this.length - this.promptLength),
      finish,
    };
  }
}

function checkPrompt(
  prompt: Int32Array,
  { vocabSize, contextLength, slotTokens }: SequenceLimits,
  name: string,
): void {
  const refuse = (problem: string, remedy: string) => {
    throw new AthanorError('ERR_ARGUMENT', `${name} ${problem}`, remedy);
  };
  if (prompt.length === 0) refuse('is empty', 'give at least one token to continue from');
  if (prompt.length >= slotTokens) {
    const limit =
      slotTokens < contextLength
        ? `a slot of the batch holds ${slotTokens}`
        : `the model's context is ${contextLength}`;
    refuse(`has ${prompt.length} tokens and ${limit}`, 'shorten the prompt');
  }
  const stray = prompt.findIndex((token) => token < 0 || token >= vocabSize);
  if (stray >= 0) {
    refuse(
      `has the token id ${prompt[stray]} at position ${stray} and the model has ${vocabSize} tokens`,
      'encode the prompt with the tokenizer of the model',
    );
  }
}
