/** Serves a model over HTTP, with the API of OpenAI. */
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createAdaptorServer } from '@hono/node-server';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { withDefaults } from '../base/with-defaults.ts';
import type { SafetyEvent } from '../feedback/records.ts';
import { SafetyChecks } from '../safety/checks.ts';
import { SafetyPolicy } from '../safety/policy.ts';
import { Guard, isLoopbackAddress } from './access/guard.ts';
import { ApiKeys } from './access/keys.ts';
import { Rates } from './access/rates.ts';
import { checkAddress, listenOn } from './address.ts';
import { createApp } from './app.ts';
import { StoreHost } from './feedback/store-host.ts';
import { EngineSwitch, type Reloaded } from './host/engine-switch.ts';
import { RuleThread } from './host/rule-thread.ts';
import { InFlight } from './in-flight.ts';
import { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { ServeEvent } from './protocol/events.ts';
import type { ModelInfo } from './protocol/messages.ts';
import { type RouteContext, routes, servedName } from './routes.ts';
import type { Safety } from './screening.ts';
import { checkSettings, type ServeSettings, serveDefaults } from './settings.ts';

/** The settings of a server; all but the model have defaults. */
export type ServeOptions = Pick<ServeSettings, 'model'> & Partial<ServeSettings>;

export interface ServeHooks {
  /** Once aborted, the server drains and stops. */
  signal?: AbortSignal;
  onEvent?: (event: ServeEvent) => void;
  /** Hears of all that the checks of the safety policy found, with the texts of refused prompts. */
  onSafetyEvent?: (event: SafetyEvent) => void;
  /**
   * The folder to load for `model`, asked at the start and at each reload; default: `model` itself.
   * The command merges adapters with their base here.
   */
  folderOf?: (model: string) => Promise<string>;
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
  /** The model that answers new requests. */
  readonly model: ModelInfo;
  /**
   * Loads the model that the path shows now, and gives it to new requests; those in flight end on
   * the old one. Throws as serve, and then the old one goes on.
   */
  reload(): Promise<Reloaded>;
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
  const adminKeys = readAdminKeys(settings.adminKeyFile, keys);
  const isLoopback = isLoopbackAddress(settings.host);
  if (!isLoopback && !keys) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `\`host\` ${settings.host} is open to other machines, and there is no key`,
      'give `apiKeyFile`, or listen on 127.0.0.1 behind a proxy',
    );
  }
  await checkAddress(settings);
  const { onEvent, engineProgram: program, signal, folderOf } = hooks;
  const policy = settings.safety === undefined ? undefined : SafetyPolicy.read(settings.safety);
  const { model, device, dtype, quantize, threads, context, prefillTokens, stallSeconds } = settings;
  const sizes = { context, prefillTokens, slots: settings.batchSize };
  const engine = { model, device, dtype, quantize, threads, ...sizes };
  const feedback = await startStore(settings, onEvent);
  const inFlight = new InFlight();
  const ended = () => inFlight.ended();
  const started = EngineSwitch.start({ ...engine, stallSeconds, onEvent, program, ended, folderOf });
  const engines = await started.catch(async (error: unknown) => {
    await feedback?.close();
    throw error;
  });
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  let checks: SafetyChecks | undefined;
  try {
    const store = feedback && ((event: SafetyEvent) => feedback.recordSafetyEvent(event));
    checks = policy && (await SafetyChecks.start(policy, engineOf(engines.host)));
    const safety = checks && { checks, onEvent: (event: SafetyEvent) => reportSafety(event, hooks, store) };
    const guard = new Guard({ keys, adminKeys, isLoopback, allowedHosts: settings.allowHost });
    const parts = { engines, feedback, safety, inFlight, guard, delay, onEvent };
    const server = new AthanorServer(settings, parts);
    await server.listen();
    if (signal?.aborted) await server.close();
    else signal?.addEventListener('abort', () => void server.close(), { once: true });
    return server;
  } catch (error) {
    delay.disable();
    await checks?.close();
    await engines.close();
    await feedback?.close();
    throw error;
  }
}

/** Throws as FeedbackStore.open. */
async function startStore(
  { feedback: path, feedbackDays: days }: ServeSettings,
  onEvent: ServeHooks['onEvent'],
): Promise<StoreHost | undefined> {
  return path === undefined ? undefined : StoreHost.start({ path, days, onEvent });
}

/** Throws as ApiKeys.read, and ERR_ARGUMENT for a key that also opens other paths. */
function readAdminKeys(file: string | undefined, keys: ApiKeys | undefined): ApiKeys | undefined {
  if (file === undefined) return undefined;
  const adminKeys = ApiKeys.read(file);
  const shared = keys && adminKeys.sharedWith(keys);
  if (shared === undefined) return adminKeys;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `the admin key ${shared} of ${file} is also an API key`,
    'make an admin key that is used for nothing else',
  );
}

/** Where the classifiers run: as the model does. */
function engineOf({ model: { device, dtype, threads } }: { model: ModelInfo }) {
  return { device, dtype, threads };
}

/** The caller and the store hear of the whole event, and the log of one without texts. */
function reportSafety(
  event: SafetyEvent,
  { onEvent, onSafetyEvent }: ServeHooks,
  store: ((event: SafetyEvent) => void) | undefined,
): void {
  onSafetyEvent?.(event);
  store?.(event);
  const { id, answer, client, promptHarmful, responseRefused, responseHarmful, checks } = event;
  const found = { answer, client, promptHarmful, responseRefused, responseHarmful, checks };
  onEvent?.({ type: 'safety', id, ...found });
}

/**
 * How long a connection stays open without a request: longer than the 60 s of usual proxies, which
 * would else send a request into a connection that is just being closed.
 */
const KEEP_ALIVE_MS = 75_000;

interface ServerParts {
  engines: EngineSwitch;
  feedback: StoreHost | undefined;
  safety: Safety | undefined;
  inFlight: InFlight;
  guard: Guard;
  delay: ReturnType<typeof monitorEventLoopDelay>;
  onEvent: ServeHooks['onEvent'];
}

class AthanorServer implements RunningServer {
  readonly name: string;
  readonly closed: Promise<void>;
  readonly #settings: ServeSettings;
  readonly #engines: EngineSwitch;
  readonly #inFlight: InFlight;
  readonly #feedback: StoreHost | undefined;
  readonly #http: HttpServer;
  readonly #onEvent: ServeHooks['onEvent'];
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;
  readonly #safety: Safety | undefined;
  readonly #rules = new RuleThread();
  #stopping: Promise<void> | undefined;
  #resolveClosed: () => void = () => {};

  constructor(settings: ServeSettings, parts: ServerParts) {
    const { engines, feedback, safety, inFlight, guard, delay, onEvent } = parts;
    this.#settings = settings;
    this.#engines = engines;
    this.#inFlight = inFlight;
    this.#feedback = feedback;
    this.#onEvent = onEvent;
    this.#delay = delay;
    this.name = servedName(settings);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const metrics = new Metrics();
    const rates = new Rates(settings);
    const isDraining = () => this.#stopping !== undefined;
    this.#safety = safety;
    const context: RouteContext = {
      ...{ feedback, rates, settings, isDraining, engines, safety, rules: this.#rules },
      get host() {
        return engines.host;
      },
      modelName: this.name,
      slots: settings.batchSize,
      queue: settings.queue,
      checkSeconds: settings.checkSeconds,
      metrics: () => this.#renderMetrics(metrics),
      openApi: (): JsonObject => document,
    };
    const table = routes(context);
    const document = openApiDocument(table);
    const { maxBodyBytes } = settings;
    const app = createApp(table, { guard, rates, metrics, maxBodyBytes, isDraining, onEvent });
    this.#http = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as HttpServer;
    this.#http.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#http.on('request', (_, response) => inFlight.add(response));
  }

  get model(): ModelInfo {
    return this.#engines.host.model;
  }

  reload(): Promise<Reloaded> {
    return this.#engines.reload();
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
    await listenOn(this.#http, this.#settings);
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
    while (this.#inFlight.size > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.#safety?.checks.close();
    await this.#rules.close();
    await this.#engines.close();
    // Answers that were cut short get their last words.
    setTimeout(() => this.#http.closeAllConnections(), this.#inFlight.size > 0 ? 200 : 0).unref();
    await isClosed;
    await this.#feedback?.close();
    this.#delay.disable();
    this.#resolveClosed();
  }

  #renderMetrics(metrics: Metrics): string {
    const eventLoopDelay = this.#delay.percentile(99) / 1e9;
    this.#delay.reset();
    return metrics.render({ ...this.#engines.gauges, feedback: this.#feedback?.state, eventLoopDelay });
  }
}
