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
  maxBodyBytes: 4 * 2 ** 20,
  maxMessages: 1024,
  maxPrompts: 128,
  maxChoices: 16,
  requestsPerMinute: 0,
  tokensPerMinute: 0,
  concurrentRequests: 0,
} as const satisfies Partial<ServeSettings>;

const MAX_PORT = 65535;
const LEAST: Partial<Record<keyof ServeSettings, number>> = {
  ...{ port: 0, batchSize: 1, context: 2, prefillTokens: 1, queue: 0, threads: 1 },
  ...{ maxBodyBytes: 1, maxMessages: 1, maxPrompts: 1, maxChoices: 1 },
  ...{ requestsPerMinute: 0, tokensPerMinute: 0, concurrentRequests: 0, feedbackDays: 1 },
};

/** Throws ERR_ARGUMENT that names a setting out of range. */
export function checkSettings(settings: ServeSettings): void {
  if (settings.feedbackDays !== undefined && settings.feedback === undefined) {
    throw new AthanorError('ERR_ARGUMENT', '`feedbackDays` needs `feedback`, the file that it prunes');
  }
  for (const [name, least] of Object.entries(LEAST) as [keyof ServeSettings, number][]) {
    const value = settings[name];
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) continue;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`${name}\` must be an integer of at least ${least}, not ${value}`,
    );
  }
  if (settings.name === '') throw new AthanorError('ERR_ARGUMENT', '`name` is empty', 'leave it out');
  if (settings.port > MAX_PORT) {
    throw new AthanorError('ERR_ARGUMENT', `\`port\` must be at most ${MAX_PORT}, not ${settings.port}`);
  }
  for (const name of ['stallSeconds', 'drainSeconds'] as const) {
    if (settings[name] >= 0) continue;
    throw new AthanorError('ERR_ARGUMENT', `\`${name}\` must be at least 0, not ${settings[name]}`);
  }
}
