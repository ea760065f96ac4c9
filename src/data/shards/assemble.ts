/** The last step of `data prepare`: the encoded units become token shards. */

import type { EncodedDocument } from './encode-unit.ts';
import { idArray } from './encode-unit.ts';
import { type Manifest, type SourceEntry, type Split, splits } from './manifest.ts';
import type { PartialFolder } from './partial-folder.ts';
import { PieceReader } from './piece-files.ts';
import { ShardWriter } from './shard-writer.ts';

export interface AssembleOptions {
  units: number;
  width: 2 | 4;
  /** The id before each document. */
  separator: number;
  /** Ids after which a shard is complete. */
  shardTokens: number;
  /** Names of sources that documents may have, in the order of reading. */
  sources: readonly string[];
  /** Called for each unit, and may wait or throw. */
  onUnit(unit: number): Promise<void>;
}

/** Writes the shards of both splits. Throws the errors of reading and writing. */
export async function assemble(
  folder: PartialFolder,
  options: AssembleOptions,
): Promise<Pick<Manifest, 'splits' | 'sources'>> {
  const { units, width, separator, shardTokens } = options;
  const writer = (split: Split) =>
    new ShardWriter({ folder: folder.result, split, width, separator, shardTokens });
  const writers = { train: writer('train'), validation: writer('validation') };
  const sources = new SourceCounts(options.sources);
  try {
    for (let unit = 0; unit < units; unit++) {
      appendUnit(folder, unit, width, writers, sources);
      await options.onUnit(unit);
    }
    for (const split of splits) writers[split].close();
  } finally {
    for (const split of splits) writers[split].abandon();
  }
  return {
    splits: { train: totals(writers.train), validation: totals(writers.validation) },
    sources: sources.entries,
  };
}

function appendUnit(
  folder: PartialFolder,
  unit: number,
  width: 2 | 4,
  writers: Record<Split, ShardWriter>,
  sources: SourceCounts,
): void {
  const Stored = idArray(width);
  using ids = new PieceReader(folder.file(unit, 'encoded', 'ids'));
  using lines = new PieceReader(folder.file(unit, 'encoded', 'documents'));
  for (let line = lines.line(); line !== undefined; line = lines.line()) {
    const { split, source, tokens, bytes } = JSON.parse(line) as EncodedDocument;
    // A copy: typed arrays of two bytes and more need an even place.
    const stored = new Stored(new Uint8Array(ids.take(tokens * width)).buffer);
    const index = sources.add(source, tokens + 1, bytes);
    writers[split].add(stored, bytes, index);
  }
}

/** Counts what is kept of each source. */
class SourceCounts {
  readonly entries: SourceEntry[] = [];
  readonly #places = new Map<string, number>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#placeOf(name);
  }

  /** Returns the index of the source. */
  add(name: string, tokens: number, bytes: number): number {
    const place = this.#placeOf(name);
    const entry = this.entries[place]!;
    entry.documents += 1;
    entry.tokens += tokens;
    entry.bytes += bytes;
    return place;
  }

  #placeOf(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    this.#places.set(name, this.entries.length);
    return this.entries.push({ name, documents: 0, tokens: 0, bytes: 0 }) - 1;
  }
}

function totals({ entries }: ShardWriter): Manifest['splits'][Split] {
  const sum = (key: 'tokens' | 'documents' | 'bytes') =>
    entries.reduce((total, entry) => total + entry[key], 0);
  return { tokens: sum('tokens'), documents: sum('documents'), bytes: sum('bytes'), shards: entries };
}
