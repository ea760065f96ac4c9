/** The settings of the page, and the request that follows from them. */
import type { ChatMessage } from './conversation.ts';

/** Numbers of the API by their names there; one that is left out has the server's default. */
export interface Sampling {
  temperature?: number | undefined;
  top_p?: number | undefined;
  top_k?: number | undefined;
  min_p?: number | undefined;
  max_tokens?: number | undefined;
  seed?: number | undefined;
  repetition_penalty?: number | undefined;
  frequency_penalty?: number | undefined;
  presence_penalty?: number | undefined;
}

export interface Settings extends Sampling {
  /** Of new conversations. */
  system: string;
  /** Texts that end an answer. */
  stop: string[];
  /** Whether answers come with the log-probabilities of their tokens. */
  logprobs: boolean;
  /** Sent as `user`; the server can delete by it. */
  user: string;
}

export const SAMPLING_NAMES = [
  ...(['temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'seed'] as const),
  ...(['repetition_penalty', 'frequency_penalty', 'presence_penalty'] as const),
];

export const defaultSettings: Settings = { system: '', stop: [], logprobs: false, user: '' };

/** Alternatives per token. */
const TOP = 5;

export interface Wanted {
  answers: number;
  /** How many answers there are to the same message. A seed is counted up by them. */
  versions: number;
}

/** The body of POST /v1/chat/completions. */
export function requestBody(
  settings: Settings,
  messages: readonly ChatMessage[],
  { answers, versions }: Wanted,
): object {
  const { stop, logprobs, user, seed } = settings;
  const numbers = SAMPLING_NAMES.map((name) => [name, settings[name]] as const);
  return {
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...Object.fromEntries(numbers.filter(([, value]) => value !== undefined)),
    ...(seed !== undefined && { seed: seed + versions }),
    ...(answers > 1 && { n: answers }),
    ...(stop.length > 0 && { stop }),
    ...(logprobs && { logprobs: true, top_logprobs: TOP }),
    ...(user !== '' && { user }),
  };
}

/** Settings from stored JSON. What does not fit is left out: an older page may have written it. */
export function readSettings(json: string | null): Settings {
  const settings = { ...defaultSettings };
  let stored: unknown;
  try {
    stored = JSON.parse(json ?? '{}');
  } catch {
    return settings;
  }
  if (typeof stored !== 'object' || stored === null) return settings;
  const values: Partial<Record<string, unknown>> = { ...stored };
  for (const name of SAMPLING_NAMES) {
    const value = values[name];
    if (typeof value === 'number' && Number.isFinite(value)) settings[name] = value;
  }
  if (typeof values.system === 'string') settings.system = values.system;
  if (typeof values.user === 'string') settings.user = values.user;
  if (typeof values.logprobs === 'boolean') settings.logprobs = values.logprobs;
  if (Array.isArray(values.stop)) settings.stop = values.stop.filter((text) => typeof text === 'string');
  return settings;
}
