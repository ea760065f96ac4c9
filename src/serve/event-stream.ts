/** Server-sent events, written straight to the socket. */
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../base/json.ts';
import type { ApiError } from './protocol/api-error.ts';

/** Proxies cut connections that are silent. */
const PING_MS = 15_000;
/** A client that reads so much slower than the model writes is given up. */
const MAX_UNSENT_BYTES = 8 * 2 ** 20;

export class EventStream {
  readonly #response: ServerResponse;
  readonly #ping: NodeJS.Timeout;

  /** Sends the headers. */
  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      // Of nginx: pass events on at once.
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    this.#ping = setInterval(() => response.write(': ping\n\n'), PING_MS).unref();
  }

  /** Sends events. Returns false when the client reads too slowly. */
  send(events: readonly JsonObject[]): boolean {
    if (events.length === 0) return true;
    this.#response.write(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
    this.#ping.refresh();
    return this.#response.writableLength <= MAX_UNSENT_BYTES;
  }

  /** Ends an answer that is whole. */
  end(): void {
    clearInterval(this.#ping);
    this.#response.end('data: [DONE]\n\n');
  }

  /** Ends an answer that is not: a client sees the error, and no end mark. */
  fail({ body }: ApiError): void {
    clearInterval(this.#ping);
    this.#response.end(`data: ${JSON.stringify(body)}\n\n`);
  }
}
