/** The settings of a server, with their defaults. */
import { AthanorError } from '../base/errors.ts';
import type { Device, Precision } from '../native/engine.ts';
import type { Quantization } from '../nn/quantized-weights.ts';
import type { RateLimits } from './access/rates.ts';
import type { RequestLimits } from './api/limits.ts';

export interface ServeSettings extends RequestLimits, RateLimits {
  /** Folder of the model. */
  model: string;
  /** The name that requests give. Default: the name of the folder. */
  name?: string | undefined;
  /** Address to listen on. Anything but loopback needs a key file. */
  host: string;
  /** Port to listen on; 0 takes a free one. */
  port: number;
  /** File with the hashes of API keys. Default: no key is asked for. */
  apiKeyFile?: string | undefined;
  /** File with the hashes of the keys of admin paths. Default: these paths do not answer. */
  adminKeyFile?: string | undefined;
  /**
   * File of the feedback store, which is made if it is not there. Answers are recorded in it, and
   * feedback on them. Default: nothing is recorded.
   */
  feedback?: string | undefined;
  /** Delete what is older than so many days from the feedback store. Default: nothing. */
  feedbackDays?: number | undefined;
  /** Names besides localhost that the Host header may have on loopback, for a reverse proxy. */
  allowHost: readonly string[];
  /** Policy of the checks on prompts and answers. Default: nothing is checked. */
  safety?: string | undefined;
  device: Device | 'auto';
  dtype: Precision | 'auto';
  /**
   * Weights that answer: the model's, or int8 copies of them, on the CPU alone. What that costs is
   * measured at the start.
   */
  quantize: Quantization;
  /** Threads of the engine. Default: one per core. */
  threads?: number | undefined;
  /** Sequences to decode at the same time. Memory for all of them is taken at the start. */
  batchSize: number;
  /** Tokens per sequence. Default: the model's context. */
  context?: number | undefined;
  /** Prompt tokens per step: a long prompt is read in parts, between steps of the others. */
  prefillTokens: number;
  /** Sequences that may wait for a slot; more are refused with 503. */
  queue: number;
  /** Seconds without a step after which the engine thread is started again. */
  stallSeconds: number;
  /** Seconds that requests in flight may go on when the server is told to stop. */
  drainSeconds: number;
  /**
   * Seconds that the classifiers of the safety policy may take for one reading: of a prompt, of the
   * texts of a moderation request, or of an answer so far. Beyond it the request fails with 503.
   */
  checkSeconds: number;
}

export const serveDefaults = {
  host: '127.0.0.1',
  port: 8080,
  allowHost: [],
  device: 'auto',
  dtype: 'auto',
  quantize: 'none',
  batchSize: 16,
  prefillTokens: 256,
  queue: 256,
  stallSeconds: 60,
  drainSeconds: 10,
  checkSeconds: 10,
  maxBodyBytes: 4 * 2 ** 20,
  maxMessages: 1024,
  maxPrompts: 128,
  maxChoices: 16,
  requestsPerMinute: 0,
  tokensPerMinute: 0,
  concurrentRequests: 0,
} as const satisfies Partial<ServeSettings>;

/** What a setting may be: a whole number, or seconds. */
interface Bounds {
  min: number;
  max?: number;
}

/** The bounds of settings that are numbers. Options of the CLI have the same. */
export const serveBounds = {
  port: { min: 0, max: 65535 },
  batchSize: { min: 1 },
  context: { min: 2 },
  prefillTokens: { min: 1 },
  queue: { min: 0 },
  threads: { min: 1 },
  maxBodyBytes: { min: 1 },
  maxMessages: { min: 1 },
  maxPrompts: { min: 1 },
  maxChoices: { min: 1 },
  requestsPerMinute: { min: 0 },
  tokensPerMinute: { min: 0 },
  concurrentRequests: { min: 0 },
  feedbackDays: { min: 1 },
  stallSeconds: { min: 0.1 },
  drainSeconds: { min: 0 },
  checkSeconds: { min: 0.1 },
} as const satisfies Partial<Record<keyof ServeSettings, Bounds>>;

/** Throws ERR_ARGUMENT that names a setting out of range. */
export function checkSettings(settings: ServeSettings): void {
  if (settings.feedbackDays !== undefined && settings.feedback === undefined) {
    throw new AthanorError('ERR_ARGUMENT', '`feedbackDays` needs `feedback`, the file that it prunes');
  }
  for (const [name, bounds] of Object.entries(serveBounds) as [keyof typeof serveBounds, Bounds][]) {
    checkBounds(name, settings[name], bounds);
  }
  if (settings.name === '') throw new AthanorError('ERR_ARGUMENT', '`name` is empty', 'leave it out');
}

/** A setting whose name ends in `Seconds` may have a fraction. */
function checkBounds(name: string, value: number | undefined, { min, max = Infinity }: Bounds): void {
  if (value === undefined) return;
  const isWhole = !name.endsWith('Seconds');
  const isRight = value >= min && (Number.isSafeInteger(value) || !isWhole);
  if (isRight && value <= max) return;
  const least = `${isWhole ? 'an integer' : 'a number'} of at least ${min}`;
  const wanted = isRight ? `at most ${max}` : least;
  throw new AthanorError('ERR_ARGUMENT', `\`${name}\` must be ${wanted}, not ${value}`);
}
