/** One request in a batch: its tokens so far, and whether it is finished. */
import { AthanorError } from '../base/errors.ts';
import type { Constraint } from './grammar/constraint.ts';
import type { SampledSequence, SamplingOptions, SamplingSettings } from './sampling.ts';
import { samplingSettings } from './sampling.ts';
import type { StepSequence } from './step-inputs.ts';
import type { TokenReport } from './token-reports.ts';

/** A prompt to complete in a batch. */
export interface BatchRequest extends SamplingOptions {
  /** Token ids to continue; they are copied. */
  prompt: ArrayLike<number>;
  /** Largest number of new tokens; Infinity: until the slot is full. */
  maxTokens: number;
  /** Ids that end the sequence; the stop token itself is part of the result. */
  stopTokens?: readonly number[];
  /**
   * Random stream, i32. Requests with the same prompt, settings, seed and stream draw the same
   * tokens. Default 0.
   */
  stream?: number;
  /**
   * Report the model's own log-probability of each new token, and this many of the likeliest tokens
   * at its place. Default: no report.
   */
  topLogProbs?: number | undefined;
  /**
   * Also report on each prompt token but the first. The whole prompt is read then, also
   * with reusePrefixes. Default false.
   */
  reportPrompt?: boolean | undefined;
  /**
   * Which tokens may come next; it must be the request's own. A sequence also ends when no
   * token may come. The log-probabilities stay those of the model's own distribution. Default: all.
   */
  constraint?: Constraint | undefined;
  /** The name of the request in errors. Default: `request` and its id. */
  name?: string;
}

/**
 * `stop`: a stop token or the caller ended it. `length`: it reached a limit. `aborted`: cancelled.
 */
export type FinishReason = 'stop' | 'length' | 'aborted';

/** The tokens that were drawn for a request. */
export interface Completion {
  /** New tokens, a stop token included. */
  tokens: Int32Array;
  /**
   * Log-probability of each new token in the model's own distribution at this temperature, in nats.
   */
  logProbs: Float32Array;
  finish: FinishReason;
}

/** The limits that a request must fit. */
export interface SequenceLimits {
  vocabSize: number;
  contextLength: number;
  /** Tokens per slot of the cache. */
  slotTokens: number;
}

export class Sequence implements StepSequence, SampledSequence {
  readonly id: number;
  readonly stream: number;
  readonly sampling: SamplingSettings;
  readonly promptLength: number;
  /**
   * The prompt. Once the sequence has a slot: all tokens, in an array with room for the longest.
   */
  tokens: Int32Array;
  /** Number of tokens so far, including the prompt. */
  length: number;
  /** Slot of the cache; -1 before it has one. */
  slot = -1;
  /** How many of the likeliest tokens to report; undefined: no report. */
  readonly topLogProbs: number | undefined;
  /**
   * With `reportPrompt`: the report on each prompt token that was read so far; none for the
   * first one.
   */
  readonly promptReports: (TokenReport | undefined)[] | undefined;
  readonly constraint: Constraint | undefined;
  #logProbs = new Float32Array(0);
  readonly #limit: number;
  readonly #stopTokens: readonly number[];

  /**
   * Throws ERR_ARGUMENT, with the request's name, for a prompt that is empty, too long or has ids
   * outside the vocabulary, and for settings out of range.
   */
  constructor(id: number, request: BatchRequest, limits: SequenceLimits) {
    const { name = `request ${id}`, maxTokens, stopTokens = [], stream = 0 } = request;
    this.id = id;
    this.stream = stream;
    this.sampling = samplingSettings(request, limits.vocabSize, name);
    this.tokens = new Int32Array(request.prompt);
    this.length = this.tokens.length;
    this.promptLength = this.tokens.length;
    checkPrompt(this.tokens, limits, name);
    if (!(maxTokens >= 1)) {
      throw new AthanorError('ERR_ARGUMENT', `${name} asks for ${maxTokens} new tokens; ask for at least 1`);
    }
    this.topLogProbs = checkedTop(request, limits, name);
    this.promptReports = request.reportPrompt ? new Array(this.promptLength).fill(undefined) : undefined;
    this.#limit = Math.min(limits.slotTokens, this.promptLength + Math.floor(maxTokens));
    this.#stopTokens = stopTokens;
    this.constraint = request.constraint;
  }

  /** Takes a slot, and allocates memory for the longest result. */
  start(slot: number): void {
    this.slot = slot;
    const prompt = this.tokens;
    this.tokens = new Int32Array(this.#limit);
    this.tokens.set(prompt);
    this.#logProbs = new Float32Array(this.#limit - this.promptLength);
  }

  /** Adds a token. Returns the reason if it was the last one. */
  append(token: number, logProb: number): FinishReason | undefined {
    this.#logProbs[this.length - this.promptLength] = logProb;
    this.tokens[this.length++] = token;
    this.constraint?.accept(token);
    if (this.#stopTokens.includes(token)) return 'stop';
    if (this.constraint?.isOver) return this.constraint.isComplete ? 'stop' : 'length';
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

function checkedTop(
  { topLogProbs: top, reportPrompt }: BatchRequest,
  { vocabSize }: SequenceLimits,
  name: string,
): number | undefined {
  const isCount = Number.isSafeInteger(top) && top! >= 0 && top! <= vocabSize;
  if (isCount || (top === undefined && !reportPrompt)) return top;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `${name} has the topLogProbs ${top}; it must be an integer from 0 to ${vocabSize}`,
  );
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
