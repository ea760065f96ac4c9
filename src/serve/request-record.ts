/** What is known of one request: for its event, and for the metrics. */

import type { Metrics } from './metrics.ts';
import { type ApiError, apiErrorOf } from './protocol/api-error.ts';
import type { RequestEvent } from './protocol/events.ts';

export class RequestRecord {
  id: string;
  client: string | undefined;
  route = 'unknown';
  promptTokens = 0;
  completionTokens = 0;
  /** The error of an answer whose status was already sent. */
  error: ApiError | undefined;
  /** The error that a client is not told, for the log. */
  cause: Error | undefined;
  readonly #method: string;
  readonly #metrics: Metrics;
  readonly #startedAt = performance.now();
  #firstTokenAt: number | undefined;
  /** When the last token of each choice came. */
  readonly #lastTokens: number[] = [];

  constructor(id: string, method: string, metrics: Metrics) {
    this.id = id;
    this.#method = method;
    this.#metrics = metrics;
  }

  /** Counts a token of a choice. */
  onToken(choice: number): void {
    const now = performance.now();
    ++this.completionTokens;
    if (this.#firstTokenAt === undefined) {
      this.#firstTokenAt = now;
      this.#metrics.firstToken.observe((now - this.#startedAt) / 1000);
    }
    const last = this.#lastTokens[choice];
    if (last !== undefined) this.#metrics.betweenTokens.observe((now - last) / 1000);
    this.#lastTokens[choice] = now;
  }

  /** The error for the client. The record keeps the whole one. */
  failure(error: unknown): ApiError {
    const shown = apiErrorOf(error);
    if (shown.status >= 500 && error instanceof Error) this.cause = error;
    return shown;
  }

  /** Ends the record. */
  end(status: number): RequestEvent {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const first = this.#firstTokenAt;
    const shown = this.error?.status ?? status;
    const metrics = this.#metrics;
    metrics.requests.add(1, { route: this.route, status: String(shown) });
    metrics.promptTokens.add(this.promptTokens);
    metrics.completionTokens.add(this.completionTokens);
    if (this.completionTokens > 0) metrics.requestSeconds.observe(seconds);
    return {
      type: 'request',
      id: this.id,
      client: this.client,
      method: this.#method,
      route: this.route,
      status: shown,
      error: this.error && (this.cause ? `${this.error.code}: ${this.cause.message}` : this.error.code),
      seconds,
      firstTokenSeconds: first === undefined ? undefined : (first - this.#startedAt) / 1000,
      promptTokens: this.promptTokens,
      completionTokens: this.completionTokens,
    };
  }
}
