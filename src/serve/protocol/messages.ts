/**
 * What the HTTP thread and the engine thread say to each other. Everything here survives
 * structured cloning. The HTTP thread knows no tensors and no tokenizer; the engine thread
 * knows no HTTP.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { QuantizationCost } from '../../eval/quantization-cost.ts';
import type { Rule } from '../../generate/grammar/rule.ts';
import type { SamplingOptions } from '../../generate/sampling.ts';
import type { Device, Precision } from '../../native/engine.ts';
import type { Quantization } from '../../nn/quantized-weights.ts';
import type { Message } from '../../text/chat-template.ts';
import type { PackedOutputs } from './packed-outputs.ts';

/** What the engine thread is started with. */
export interface EngineSettings {
  /** Folder of the model. */
  model: string;
  device: Device | 'auto';
  dtype: Precision | 'auto';
  quantize: Quantization;
  /** Whether to measure what quantized weights cost. */
  measuresCost: boolean;
  threads: number | undefined;
  /** Sequences that run at the same time. */
  slots: number;
  /** Tokens per sequence; default the model's context. */
  context: number | undefined;
  /** Prompt tokens that a step reads at most. */
  prefillTokens: number;
  /** i32 `[1]`: the number of steps that the HTTP thread has handled. */
  handled: Int32Array<SharedArrayBuffer>;
}

/** The model that an engine thread has loaded. */
export interface ModelInfo {
  vocabSize: number;
  /** Tokens per sequence, prompt and answer together. */
  contextLength: number;
  device: Device;
  dtype: Precision;
  /** The weights that answer. */
  quantize: Quantization;
  /** What quantized weights cost, if it was measured. */
  quantizationCost?: QuantizationCost;
  threads: number;
  /** SHA-256 of weights, config.json and tokenizer.json, in hexadecimal. */
  hash: string;
  eosToken: string | undefined;
  bosToken: string | undefined;
  padToken: string | undefined;
  eosId: number | undefined;
  bosId: number | undefined;
  padId: number | undefined;
  /** Jinja source; undefined for a model that cannot chat. */
  chatTemplate: string | undefined;
  /**
   * The form of tool calls that the chat template shows: `hermes`, `mistral`, `llama` or
   * `unknown`; `none` for a template that does not know tools.
   */
  toolUse: string;
}

/** How messages end: with the beginning of an answer, with an open last message, or as they are. */
export type PromptEnding = 'answer' | 'continue' | 'none';

/** A text that the engine thread turns into tokens. */
export type PromptInput =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  /** Only the text, without what a prompt gets: an empty one stays empty. */
  | { readonly kind: 'plain'; readonly text: string }
  | {
      readonly kind: 'chat';
      readonly messages: readonly Message[];
      readonly variables: JsonObject;
      readonly ending: PromptEnding;
      /** The `tools` of the template. */
      readonly tools?: JsonValue | undefined;
    };

/** One sequence to generate. A request of HTTP has one for each choice. */
export interface Job {
  prompt: Int32Array;
  maxTokens: number;
  /** Without a seed, every job draws from a random stream of its own. */
  sampling: SamplingOptions;
  /** The random stream of a job with a seed. */
  stream: number;
  stopStrings: readonly string[];
  /** Which tokens end the text: the turn's and the text's, the text's alone, or none. */
  ends: 'turn' | 'text' | 'never';
  /** Leave control tokens out of the text. */
  skipSpecial: boolean;
  /** Control tokens that count as text all the same. */
  textTokens?: readonly string[] | undefined;
  /** What the text must be like. */
  rule?: Rule | undefined;
  /** Report log-probabilities of each token, and of this many likeliest ones. */
  topLogProbs: number | undefined;
  /** Also report on the prompt's tokens. */
  reportPrompt: boolean;
  /** Also give the prompt as text. */
  echo: boolean;
  /** Give what a feedback store needs: each drawn token, and what drew the first one. */
  record: boolean;
}

/** What draws the tokens of a job. */
export interface Origin {
  /** Seed and random stream, which may be those of the engine thread. */
  seed: number;
  stream: number;
  modelHash: string;
  /** `Tokenizer.fingerprint()` */
  tokenizerHash: string;
}

/** A token as text. */
export interface NamedToken {
  token: number;
  /** As it is in text; bytes that are not UTF-8 alone are U+FFFD. */
  text: string;
  bytes: number[];
  /** In nats, in the model's own distribution. */
  logProb: number;
}

/** A place in a text with its log-probabilities. */
export interface NamedReport extends NamedToken {
  /** Where the token begins: the number of characters (code points) before it. */
  offset: number;
  /** The likeliest tokens, the likeliest first. */
  top: NamedToken[];
  /** Whether the token is no part of the text: it ended it, or is a left out control token. */
  isHidden: boolean;
}

/** What a step brought for a job. */
export interface JobOutput {
  job: number;
  /** Text that may be shown now; often empty. */
  text: string;
  report?: NamedReport;
  /** With `record`: the token, and its log-probability in the model's own distribution, in nats. */
  token?: number;
  logProb?: number;
  /** With `record` and the first token. */
  origin?: Origin;
  /** The prompt as text, with the first token, if the job echoes. */
  promptText?: string;
  /** With the first token. The first prompt token has a log-probability of NaN. */
  promptReports?: NamedReport[];
  /** With the last token. */
  finish?: 'stop' | 'length';
}

/** An AthanorError on its way between threads. */
export interface SentError {
  code: ErrorCode;
  message: string;
  remedy: string | undefined;
}

export type ToEngine =
  | { type: 'encode'; id: number; prompts: readonly PromptInput[] }
  | { type: 'decode'; id: number; tokens: readonly number[] }
  | { type: 'start'; id: number; job: Job }
  | { type: 'cancel'; id: number };

export type FromEngine =
  | { type: 'ready'; model: ModelInfo }
  /** The model cannot be loaded. */
  | { type: 'unusable'; error: SentError }
  | { type: 'encoded'; id: number; prompts: Int32Array[] }
  | { type: 'decoded'; id: number; text: string }
  /** An answer to encode or decode. */
  | { type: 'refused'; id: number; error: SentError }
  /** A step is over. Its number counts from 1. */
  | { type: 'step'; number: number; outputs: PackedOutputs }
  /** A job cannot run or go on. */
  | { type: 'failed'; id: number; error: SentError }
  /** A job was cancelled after this many tokens. */
  | { type: 'cancelled'; id: number; tokens: number };
