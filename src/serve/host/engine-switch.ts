/**
 * The engine that answers, and those that answered before it. A reload starts a second engine with
 * the model that the path shows now. When that one is ready, new requests go to it; those in flight
 * end on the old one, which is then closed. Both models are in memory meanwhile.
 */
import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { ModelEvent } from '../protocol/events.ts';
import { EngineHost, type HostOptions } from './engine-host.ts';

export interface SwitchOptions extends Omit<HostOptions, 'onEvent'> {
  onEvent?: ((event: Parameters<NonNullable<HostOptions['onEvent']>>[0] | ModelEvent) => void) | undefined;
  /** Resolves when all requests that are in flight now have ended. */
  ended: () => Promise<void>;
  /** The folder to load for a model, asked at each load; default: the model itself. */
  folderOf?: ((model: string) => Promise<string>) | undefined;
}

/** What a reload changed. */
export interface Reloaded {
  /** SHA-256 of the model that answers now. */
  hash: string;
  /** That of the model from before. */
  previous: string;
}

interface Engine {
  host: EngineHost;
  /** When the model was written, in seconds since 1970. */
  created: number;
}

export class EngineSwitch {
  readonly #options: SwitchOptions;
  #engine: Engine;
  readonly #retired = new Set<EngineHost>();
  /** Of engines that are closed. */
  readonly #past = { steps: 0, restarts: 0, cancelled: 0 };
  readonly #reloads = { loaded: 0, refused: 0 };
  #isClosed = false;
  #running: Promise<unknown> = Promise.resolve();
  /** A reload that has not begun: it will see whatever the path shows then. */
  #next: Promise<Reloaded> | undefined;

  private constructor(options: SwitchOptions, engine: Engine) {
    this.#options = options;
    this.#engine = engine;
  }

  /** Loads the model that the path shows. Throws as EngineHost.start. */
  static async start(options: SwitchOptions): Promise<EngineSwitch> {
    return new EngineSwitch(options, await load(options));
  }

  /** The engine for new requests. A request stays with the one that it began with. */
  get host(): EngineHost {
    return this.#engine.host;
  }

  get created(): number {
    return this.#engine.created;
  }

  /** Values for the metrics, of all engines together. */
  get gauges() {
    const hosts = [this.host, ...this.#retired];
    const sum = (of: (host: EngineHost) => number) => hosts.reduce((total, host) => total + of(host), 0);
    return {
      running: sum(({ running }) => running),
      waiting: sum(({ waiting }) => waiting),
      ready: this.host.isReady,
      steps: this.#past.steps + sum(({ counts }) => counts.steps),
      restarts: this.#past.restarts + sum(({ counts }) => counts.restarts),
      cancelled: this.#past.cancelled + sum(({ counts }) => counts.cancelled),
      engines: hosts.length,
      hash: this.host.model.hash,
      reloads: this.#reloads,
    };
  }

  /**
   * Loads the model that the path shows now, and gives it to new requests. On failure the old one
   * goes on. One reload runs at a time; of those that are asked for meanwhile, one follows. Throws
   * as EngineHost.start, and ERR_STATE when the server stops.
   */
  reload(): Promise<Reloaded> {
    if (this.#next) return this.#next;
    const next = this.#running.then(() => {
      this.#next = undefined;
      return this.#reload();
    });
    this.#next = next;
    this.#running = next.catch(() => {});
    return next;
  }

  async #reload(): Promise<Reloaded> {
    const previous = this.host.model.hash;
    const { onEvent } = this.#options;
    let engine: Engine;
    try {
      this.#requireOpen();
      engine = await load(this.#options);
      if (this.#isClosed) await engine.host.close();
      this.#requireOpen();
    } catch (error) {
      ++this.#reloads.refused;
      onEvent?.({ type: 'model', state: 'refused', hash: previous, reason: (error as Error).message });
      throw error;
    }
    const old = this.#engine.host;
    this.#engine = engine;
    ++this.#reloads.loaded;
    const { hash } = engine.host.model;
    onEvent?.({ type: 'model', state: 'loaded', hash, previous });
    void this.#retire(old);
    return { hash, previous };
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new AthanorError('ERR_STATE', 'the server is stopping', 'start it again');
  }

  async #retire(host: EngineHost): Promise<void> {
    this.#retired.add(host);
    host.retire();
    await this.#options.ended();
    await this.#end(host);
  }

  async #end(host: EngineHost): Promise<void> {
    if (!this.#retired.delete(host)) return;
    for (const name of ['steps', 'restarts', 'cancelled'] as const) this.#past[name] += host.counts[name];
    await host.close();
  }

  /** Ends all threads. All jobs are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.host.close(), ...[...this.#retired].map((host) => this.#end(host))]);
    await this.#running;
  }
}

/**
 * Starts an engine. A link is followed once, before: all files are of one model, also when the
 * link changes meanwhile, and an engine that starts again after a crash has the same model.
 */
async function load({ ended: _, model, folderOf, ...options }: SwitchOptions): Promise<Engine> {
  const path = followed(model);
  const folder = folderOf ? await folderOf(path) : path;
  const host = await EngineHost.start({ ...options, model: folder });
  return { host, created: Math.floor(statSync(join(folder, 'config.json')).mtimeMs / 1000) };
}

function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) throw fileError(error, path);
    const target = readlinkSync(path);
    throw new AthanorError(
      'ERR_FILE_MISSING',
      `${path} leads to ${target}, which cannot be read`,
      'set the link',
    );
  }
}
