/** Server-sent events, written straight to the socket. */
import type { ServerResponse } from 'node:http';
import type { StreamEvent } from './api/answers.ts';

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
  send(events: readonly StreamEvent[]): boolean {
    if (events.length === 0) return true;
    this.#response.write(events.map(eventText).join(''));
    this.#ping.refresh();
    return this.#response.writableLength <= MAX_UNSENT_BYTES;
  }

  /** Ends the stream with its last events. */
  end(events: readonly StreamEvent[]): void {
    clearInterval(this.#ping);
    this.#response.end(events.map(eventText).join(''));
  }
}

function eventText({ event, data }: StreamEvent): string {
  const text = data === '[DONE]' ? data : JSON.stringify(data);
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`;
}
