/** The part of a dataset that is of one source, as one row of ids. */
import { createHash } from 'node:crypto';
import type { Manifest, Split } from './manifest.ts';
import type { TokenDataset } from './token-dataset.ts';

/** What a loader reads windows of: a dataset, or a source of it. */
export type TokenRow = Pick<TokenDataset, 'folder' | 'manifest' | 'tokens' | 'read' | 'fingerprint'>;

/** Tokens of a shard of the source: where they stand in the split, and in the row. */
interface Piece {
  start: number;
  at: number;
  tokens: number;
  sha256: string;
}

/** The documents of one source in their order, as loaders read a dataset. */
export class SourceRow implements TokenRow {
  readonly name: string;
  /** For messages: the folder and the source. */
  readonly folder: string;
  readonly manifest: Manifest;
  readonly #dataset: TokenDataset;
  readonly #pieces: Record<Split, readonly Piece[]>;

  /** @param index of the source in the manifest */
  constructor(dataset: TokenDataset, index: number) {
    const { manifest, folder } = dataset;
    this.name = manifest.sources[index]!.name;
    this.folder = `${folder}, source ${this.name},`;
    this.manifest = manifest;
    this.#dataset = dataset;
    this.#pieces = {
      train: piecesOf(manifest, 'train', index),
      validation: piecesOf(manifest, 'validation', index),
    };
  }

  /** Number of ids of the source in a split. */
  tokens(split: Split): number {
    const last = this.#pieces[split].at(-1);
    return last === undefined ? 0 : last.at + last.tokens;
  }

  /** Ids [begin, begin + count) of the row, `[count]`. Throws as TokenDataset.read. */
  read(split: Split, begin: number, count: number): Int32Array {
    const out = new Int32Array(count);
    for (const { start, at, tokens } of this.#pieces[split]) {
      const [from, to] = [Math.max(begin, at), Math.min(begin + count, at + tokens)];
      if (from < to) out.set(this.#dataset.read(split, start + from - at, to - from), from - begin);
    }
    return out;
  }

  /** A digest of the source's shards. */
  fingerprint(split: Split): string {
    const hash = createHash('sha256');
    for (const { sha256 } of this.#pieces[split]) hash.update(sha256);
    return hash.digest('hex').slice(0, 16);
  }
}

function piecesOf({ splits }: Manifest, split: Split, index: number): Piece[] {
  const pieces: Piece[] = [];
  let [start, at] = [0, 0];
  for (const { source, tokens, sha256 } of splits[split].shards) {
    if (source === index) {
      pieces.push({ start, at, tokens, sha256 });
      at += tokens;
    }
    start += tokens;
  }
  return pieces;
}
