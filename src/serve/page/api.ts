/** The server's API, as far as the page uses it. */
import { newId, type TokenReport } from './conversation.ts';
import { EventParser } from './event-parser.ts';

/** A request that failed. Status 0: the server was not reached, or the stream broke off. */
export class ApiFailure extends Error {
  /** Of this failure alone. */
  readonly id = newId();
  readonly status: number;
  readonly code: string;
  /** Seconds until another try has a chance. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** A chunk of a streamed answer. */
export interface ChatChunk {
  id: string;
  model: string;
  choices: readonly {
    index: number;
    delta: { content?: string | null; refusal?: string | null };
    logprobs?: { content?: TokenReport[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
}

interface ErrorBody {
  error?: { message?: string; code?: string | null };
}

export class Api {
  /** The API key; kept by whoever has this object, and sent in a header only. */
  key: string | undefined;

  /** The name of the served model. Throws ApiFailure. */
  async model(): Promise<string> {
    const response = await this.#send('v1/models', { method: 'GET' });
    const { data } = (await response.json()) as { data?: { id: string }[] };
    return data?.[0]?.id ?? 'model';
  }

  /** The chunks of an answer. Throws ApiFailure; AbortError when the signal is aborted. */
  async *chat(body: object, signal: AbortSignal): AsyncGenerator<ChatChunk> {
    const response = await this.#post('v1/chat/completions', body, signal);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    try {
      for (;;) {
        const { done, value } = await read(reader, signal);
        if (done) throw lost();
        for (const data of parser.push(value)) {
          if (data === '[DONE]') return;
          const chunk = JSON.parse(data) as ChatChunk & ErrorBody;
          if (chunk.error) throw failureOf(500, chunk, undefined);
          yield chunk;
        }
      }
    } finally {
      void reader.cancel().catch(() => {});
    }
  }

  /** Throws ApiFailure. */
  async feedback(body: object): Promise<void> {
    await this.#post('v1/feedback', body);
  }

  /** Throws ApiFailure. */
  async comparison(body: object): Promise<void> {
    await this.#post('v1/comparisons', body);
  }

  /**
   * Whether the server records feedback; undefined when it did not say. It is asked for an answer
   * that cannot be, so nothing is recorded.
   */
  async takesFeedback(): Promise<boolean | undefined> {
    try {
      await this.feedback({ response_id: 'none', rating: 1 });
      return true;
    } catch (error) {
      if (!(error instanceof ApiFailure) || ![400, 404, 405].includes(error.status)) return undefined;
      return error.status !== 405 && !['feedback_off', 'unknown_url'].includes(error.code);
    }
  }

  #post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return this.#send(path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const key: Record<string, string> = this.key ? { authorization: `Bearer ${this.key}` } : {};
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers: { ...key, ...(init.headers as object) } });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new ApiFailure(0, 'unreachable', 'The server cannot be reached.');
    }
    if (response.ok) return response;
    const body = (await response.json().catch(() => ({}))) as ErrorBody;
    throw failureOf(response.status, body, response.headers.get('retry-after'));
  }
}

async function read<T>(reader: ReadableStreamDefaultReader<T>, signal: AbortSignal) {
  try {
    return await reader.read();
  } catch (error) {
    if (signal.aborted) throw error;
    throw lost();
  }
}

function lost(): ApiFailure {
  return new ApiFailure(0, 'lost', 'The connection was lost before the answer was complete.');
}

function failureOf(status: number, { error }: ErrorBody, retryAfter: string | null | undefined): ApiFailure {
  const message = error?.message ?? `the server answered with status ${status}`;
  const seconds = Number(retryAfter ?? Number.NaN);
  return new ApiFailure(status, error?.code ?? '', message, Number.isFinite(seconds) ? seconds : undefined);
}
