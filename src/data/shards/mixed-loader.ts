/**
 * Batches of windows from several sources in given proportions. The order is global: each place
 * belongs to the source that is furthest behind its share, so every stretch of a run has the
 * proportions of its phase within one window. A source's own windows come in the order of its
 * TokenLoader, epoch after epoch. So the order depends on seed, mix and data, and neither on the
 * number of ranks nor on the batch size.
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { selfCommunicator } from '../../comm/communicator.ts';
import { checkMixSources, type Mix, type MixPhase } from './mix.ts';
import { SourceRow } from './source-row.ts';
import type { TokenDataset } from './token-dataset.ts';
import {
  type LoaderState,
  packRows,
  TokenLoader,
  type TokenLoaderOptions,
  type TokenWindows,
} from './token-loader.ts';

/** How sources become batches. */
export interface MixedLoaderOptions extends Omit<TokenLoaderOptions, 'split'> {
  mix: Mix;
  /** Windows of the whole run over all ranks. Needed for a schedule, whose phases end by it. */
  windows?: number | undefined;
}

/** The place of a run in its sources. `data` and `cursor` are those of the whole split. */
export type MixedLoaderState = LoaderState & {
  sources: { name: string; data: string; cursor: number; credit: number }[];
};

/** What a run has read of a source. */
export type SourceProgress = {
  name: string;
  tokens: number;
  /** Passes through the source, the share of the current one included. */
  epochs: number;
};

interface MixedSource {
  row: SourceRow;
  loader: TokenLoader;
  /** Windows that all ranks have taken of it. */
  cursor: number;
  /** By how many windows it is behind its share. */
  credit: number;
}

/** Gives the batches of this rank. */
export class MixedLoader {
  readonly #dataset: TokenDataset;
  readonly #options: Required<Omit<TokenLoaderOptions, 'split'>> & { mix: Mix };
  readonly #sources: readonly MixedSource[];
  readonly #phases: readonly { until: number; shares: readonly number[] }[];
  #cursor = 0;

  /**
   * Throws ERR_OPTION for a source that the corpus does not have, ERR_ARGUMENT for a schedule
   * without `windows`, and as TokenLoader.
   */
  constructor(dataset: TokenDataset, { windows, ...options }: MixedLoaderOptions) {
    const defaults = { shuffle: true, documentMask: true, communicator: selfCommunicator } as const;
    this.#options = { ...defaults, ...options };
    this.#dataset = dataset;
    const phases = phasesOf(dataset, options.mix);
    if (phases.length > 1 && windows === undefined) {
      const remedy = 'give the length of the run in steps or tokens';
      throw new AthanorError('ERR_ARGUMENT', 'a schedule of a mix needs to know how long a run is', remedy);
    }
    const names = [...new Set(phases.flatMap(({ weights }) => Object.keys(weights)))];
    const used = names.filter((name) => phases.some(({ weights }) => weights[name]! > 0));
    this.#sources = used.map((name) => {
      const row = new SourceRow(dataset, indexOf(dataset, name));
      const loader = new TokenLoader(row, { ...this.#options, batchSize: 1, communicator: selfCommunicator });
      return { row, loader, cursor: 0, credit: 0 };
    });
    this.#phases = phases.map(({ until, weights }) => {
      const sum = used.reduce((total, name) => total + (weights[name] ?? 0), 0);
      const shares = used.map((name) => (weights[name] ?? 0) / sum);
      return { until: until === 1 ? Number.POSITIVE_INFINITY : Math.round(until * windows!), shares };
    });
  }

  /** The next batch of this rank. */
  next(): TokenWindows {
    const { batchSize, context, communicator, documentMask } = this.#options;
    const { rank, size } = communicator;
    const cursor = this.#cursor;
    const rows: Int32Array[] = [];
    for (let i = 0; i < batchSize * size; ++i) {
      const { loader, cursor: place } = this.#take();
      if (i % size === rank) rows.push(loader.window(place));
    }
    const separator = documentMask ? this.#dataset.manifest.eos_id : undefined;
    return { ...packRows(rows, batchSize * context, separator), cursor };
  }

  /** What all ranks have read so far. */
  progress(): SourceProgress[] {
    const { context } = this.#options;
    return this.#sources.map(({ row: { name }, loader, cursor }) => ({
      name,
      tokens: cursor * context,
      epochs: cursor / loader.windows,
    }));
  }

  /** The passes through each source that a run of so many windows makes, from its beginning. */
  plannedEpochs(windows: number): { name: string; epochs: number }[] {
    const read = this.#sources.map(() => 0);
    let before = 0;
    for (const { until, shares } of this.#phases) {
      const end = Math.min(until, windows);
      for (const [i, share] of shares.entries()) read[i]! += share * Math.max(0, end - before);
      before = end;
    }
    return this.#sources.map(({ row: { name }, loader }, i) => ({ name, epochs: read[i]! / loader.windows }));
  }

  /** The place in the data, for a checkpoint. */
  state(): MixedLoaderState {
    const { context, seed, shuffle } = this.#options;
    const sources = this.#sources.map(({ row, cursor, credit }) => ({
      name: row.name,
      data: row.fingerprint('train'),
      cursor,
      credit,
    }));
    const data = this.#dataset.fingerprint('train');
    return { cursor: this.#cursor, data, context, seed, shuffle, sources };
  }

  /**
   * Continues from the place that state() gave; mix, ranks and batch size may differ. From the
   * state of a run without a mix each source continues after its share of what was read. Throws
   * ERR_MISMATCH and ERR_FORMAT as TokenLoader.restore.
   */
  restore(state: JsonValue): void {
    const whole = new TokenLoader(this.#dataset, { ...this.#options, communicator: selfCommunicator });
    whole.restore(state);
    const { cursor, sources = null } = state as LoaderState & Partial<MixedLoaderState>;
    if (sources !== null && !(Array.isArray(sources) && sources.every(isPlace))) {
      throw new AthanorError('ERR_FORMAT', 'the saved place in the sources is not a place');
    }
    for (const source of this.#sources) {
      const saved = sources?.find(({ name }) => name === source.row.name);
      const share = source.loader.windows / whole.windows;
      source.cursor = sources === null ? Math.round(cursor * share) : (saved?.cursor ?? 0);
      source.credit = saved?.credit ?? 0;
    }
    this.#cursor = cursor;
  }

  /** The source of the next place, with the place in it. */
  #take(): { loader: TokenLoader; cursor: number } {
    const { shares } = this.#phases.find(({ until }) => this.#cursor < until)!;
    let next: MixedSource | undefined;
    for (const [i, source] of this.#sources.entries()) {
      source.credit += shares[i]!;
      if (shares[i]! > 0 && (next === undefined || source.credit > next.credit)) next = source;
    }
    if (next === undefined) throw new AthanorError('ERR_STATE', 'a phase of the mix has no source');
    next.credit -= 1;
    this.#cursor += 1;
    return { loader: next.loader, cursor: next.cursor++ };
  }
}

function isPlace(value: Partial<MixedLoaderState['sources'][number]> | null): boolean {
  const { name, cursor, credit } = value ?? {};
  return typeof name === 'string' && Number.isSafeInteger(cursor) && cursor! >= 0 && Number.isFinite(credit);
}

function indexOf({ manifest }: TokenDataset, name: string): number {
  return manifest.sources.findIndex((source) => source.name === name);
}

/** Tokens of a run whose mix is amounts; undefined for any other. Throws ERR_OPTION. */
export function mixTokens(dataset: TokenDataset, mix: Mix): number | undefined {
  checkMixSources(
    mix,
    dataset.manifest.sources.map(({ name }) => name),
  );
  if (!('amounts' in mix)) return undefined;
  return Math.round(
    Object.values(amountTokens(dataset, mix.amounts)).reduce((sum, tokens) => sum + tokens, 0),
  );
}

function amountTokens(
  dataset: TokenDataset,
  amounts: Extract<Mix, { amounts: object }>['amounts'],
): Record<string, number> {
  const tokens = Object.entries(amounts).map(([name, amount]) => {
    const all = new SourceRow(dataset, indexOf(dataset, name)).tokens('train');
    return [name, 'tokens' in amount ? amount.tokens : amount.epochs * all];
  });
  return Object.fromEntries(tokens) as Record<string, number>;
}

function phasesOf(dataset: TokenDataset, mix: Mix): readonly MixPhase[] {
  checkMixSources(
    mix,
    dataset.manifest.sources.map(({ name }) => name),
  );
  if ('schedule' in mix) return mix.schedule;
  return [{ until: 1, weights: 'weights' in mix ? mix.weights : amountTokens(dataset, mix.amounts) }];
}
