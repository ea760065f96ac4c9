/** A server over a tiny chat model, on a free port of loopback. */
import OpenAI from 'openai';
import { type ServeEvent, type ServeHooks, type ServeOptions, serve } from '../../src/index.ts';
import type { RunningServer } from '../../src/serve/serve.ts';

export interface Served {
  server: RunningServer;
  url: string;
  events: ServeEvent[];
  client: OpenAI;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The body of an answer of status 200. */
  ask(path: string, body: unknown): Promise<Reply>;
}

/** The fields of answers that tests read. */
export interface Reply {
  id: string;
  tokens: number[];
  count: number;
  prompt: string;
  choices: {
    index: number;
    text: string;
    finish_reason: string | null;
    message: { role: string; content: string };
    logprobs: {
      tokens: string[];
      token_logprobs: (number | null)[];
      top_logprobs: (Record<string, number> | null)[];
      text_offset: number[];
    } | null;
  }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  error: { message: string; type: string; param: string | null; code: string };
}

/** Starts a server. The caller closes it. */
export async function startServer(options: ServeOptions, hooks: ServeHooks = {}): Promise<Served> {
  const events: ServeEvent[] = [];
  const onEvent = (event: ServeEvent) => {
    events.push(event);
    hooks.onEvent?.(event);
  };
  const quick = { port: 0, device: 'cpu', dtype: 'f32', threads: 1, batchSize: 4, drainSeconds: 0 } as const;
  const server = await serve({ ...quick, ...options }, { ...hooks, onEvent });
  const { url } = server;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    ...{ server, url, events, post },
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    get: (path, headers = {}) => fetch(url + path, { headers }),
    ask: async (path, body) => {
      const response = await post(path, body);
      const reply = (await response.json()) as Reply;
      if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(reply)}`);
      return reply;
    },
  };
}

/** Waits until something holds; fails after ten seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()); waited += 5) {
    if (waited > 10_000) throw new Error('it did not happen within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
