/** Serves a model over HTTP, with the API of OpenAI. */
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createAdaptorServer } from '@hono/node-server';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { withDefaults } from '../base/with-defaults.ts';
import { Guard, isLoopbackAddress } from './access/guard.ts';
import { ApiKeys } from './access/keys.ts';
import { Rates } from './access/rates.ts';
import { createApp } from './app.ts';
import { EngineHost } from './host/engine-host.ts';
import { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { ServeEvent } from './protocol/events.ts';
import type { ModelInfo } from './protocol/messages.ts';
import { type RouteContext, routes, servedName } from './routes.ts';
import { checkSettings, type ServeSettings, serveDefaults } from './settings.ts';

/** The settings of a server; all but the model have defaults. */
export type ServeOptions = Pick<ServeSettings, 'model'> & Partial<ServeSettings>;

export interface ServeHooks {
  /** Once aborted, the server drains and stops. */
  signal?: AbortSignal;
  onEvent?: (event: ServeEvent) => void;
  /** The program of the engine thread, for tests. */
  engineProgram?: URL | string;
}

/** A server that listens. */
export interface RunningServer {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** The name that requests give. */
  readonly name: string;
  readonly model: ModelInfo;
  /** Resolves when the server has stopped. */
  readonly closed: Promise<void>;
  /** Stops as the signal does, and waits until it is done. */
  close(): Promise<void>;
}

/**
 * Loads a model in a thread of its own and listens. Throws ERR_ARGUMENT for settings out of range,
 * and for an address that is not loopback without a key file; ERR_IO when the address is taken; and
 * as loadModel and Tokenizer.load.
 */
export async function serve(options: ServeOptions, hooks: ServeHooks = {}): Promise<RunningServer> {
  const settings: ServeSettings = withDefaults<ServeSettings>(
    { ...serveDefaults, model: options.model },
    options,
  );
  checkSettings(settings);
  const keys = settings.apiKeyFile === undefined ? undefined : ApiKeys.read(settings.apiKeyFile);
  const isLoopback = isLoopbackAddress(settings.host);
  if (!isLoopback && !keys) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`host\` ${settings.host} is open to other machines, and there is no key`,
      'give `apiKeyFile`, or listen on 127.0.0.1 behind a proxy',
    );
  }
  const { onEvent, engineProgram: program, signal } = hooks;
  const { model, device, dtype, quantize, threads, context, prefillTokens, stallSeconds } = settings;
  const sizes = { context, prefillTokens, slots: settings.batchSize };
  const engine = { model, device, dtype, quantize, threads, ...sizes };
  const host = await EngineHost.start({ ...engine, stallSeconds, onEvent, program });
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  try {
    const guard = new Guard({ keys, isLoopback, allowedHosts: settings.allowHost });
    const server = new AthanorServer(settings, host, guard, delay, onEvent);
    await server.listen();
    if (signal?.aborted) await server.close();
    else signal?.addEventListener('abort', () => void server.close(), { once: true });
    return server;
  } catch (error) {
    delay.disable();
    await host.close();
    throw error;
  }
}

class AthanorServer implements RunningServer {
  readonly name: string;
  readonly closed: Promise<void>;
  readonly #settings: ServeSettings;
  readonly #host: EngineHost;
  readonly #http: HttpServer;
  readonly #onEvent: ServeHooks['onEvent'];
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;
  #inFlight = 0;
  #stopping: Promise<void> | undefined;
  #resolveClosed: () => void = () => {};

  constructor(
    settings: ServeSettings,
    host: EngineHost,
    guard: Guard,
    delay: ReturnType<typeof monitorEventLoopDelay>,
    onEvent: ServeHooks['onEvent'],
  ) {
    this.#settings = settings;
    this.#host = host;
    this.#onEvent = onEvent;
    this.#delay = delay;
    this.name = servedName(settings);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const metrics = new Metrics();
    const rates = new Rates(settings);
    const isDraining = () => this.#stopping !== undefined;
    const context: RouteContext = {
      ...{ host, rates, settings, isDraining },
      modelName: this.name,
      slots: settings.batchSize,
      queue: settings.queue,
      metrics: () => this.#renderMetrics(metrics),
      openApi: (): JsonObject => document,
    };
    const table = routes(context);
    const document = openApiDocument(table);
    const { maxBodyBytes } = settings;
    const app = createApp(table, { guard, rates, metrics, maxBodyBytes, isDraining, onEvent });
    this.#http = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as HttpServer;
    this.#http.on('request', (_, response) => {
      ++this.#inFlight;
      response.on('close', () => --this.#inFlight);
    });
  }

  get model(): ModelInfo {
    return this.#host.model;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get url(): string {
    const { host } = this.#settings;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  /** Throws ERR_IO when the address cannot be used. */
  async listen(): Promise<void> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', (error: NodeJS.ErrnoException) => {
        const reason = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
        const remedy = 'choose another `port` or `host`';
        reject(new AthanorError('ERR_IO', `cannot listen on ${host} port ${port}: ${reason}`, remedy));
      });
      this.#http.listen(port, host, resolve);
    });
    this.#onEvent?.({ type: 'listening', url: this.url });
  }

  close(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#onEvent?.({ type: 'draining' });
    const isClosed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeIdleConnections();
    const deadline = performance.now() + this.#settings.drainSeconds * 1000;
    while (this.#inFlight > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.#host.close();
    // Answers that were cut short get their last words.
    setTimeout(() => this.#http.closeAllConnections(), this.#inFlight > 0 ? 200 : 0).unref();
    await isClosed;
    this.#delay.disable();
    this.#resolveClosed();
  }

  #renderMetrics(metrics: Metrics): string {
    const { running, waiting, isReady, counts } = this.#host;
    const eventLoopDelay = this.#delay.percentile(99) / 1e9;
    this.#delay.reset();
    return metrics.render({ running, waiting, ready: isReady, ...counts, eventLoopDelay });
  }
}
