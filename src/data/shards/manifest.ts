/** `manifest.json` of a folder of token shards. */
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { ifThere, largest, readJson } from '../../base/files/read-file.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { isRecord } from '../corpus/json-lines.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import type { DecontaminationReport, DedupReport } from './deduplication.ts';
import { isMix, type Mix } from './mix.ts';
import type { ShardEntry } from './shard-writer.ts';

export const MANIFEST = 'manifest.json';
export const splits = ['train', 'validation'] as const;
const countKeys = ['tokens', 'documents', 'bytes'] as const;
/** A part of a corpus. */
export type Split = (typeof splits)[number];

/** A source of documents, and what was kept of it. `bytes` are those of text as UTF-8. */
export type SourceEntry = {
  name: string;
  documents: number;
  tokens: number;
  bytes: number;
};

/** The files that were read. `inputs.jsonl` lists them with their sizes and SHA-256. */
export type Inputs = {
  files: number;
  bytes: number;
  /** SHA-256 of `inputs.jsonl`. */
  sha256: string;
};

/** The contents of `manifest.json`. */
export interface Manifest {
  format: 'athanor-tokens';
  version: 2;
  /** The version of athanor that wrote it. Null in folders of version 1. */
  athanor: string | null;
  vocab_size: number;
  /** The end-of-text token, which precedes each document. */
  eos_id: number;
  /** Bytes per id. */
  width: 2 | 4;
  tokenizer_fingerprint: string;
  splits: Record<Split, { tokens: number; documents: number; bytes: number; shards: ShardEntry[] }>;
  /**
   * The sources, which shards name by their index. A folder of version 1 did not tell documents of
   * its sources apart: it has one entry with all their names.
   */
  sources: SourceEntry[];
  /** Null in folders of version 1. */
  inputs: Inputs | null;
  /** The options that decide the bytes of the folder. Null in folders of version 1. */
  recipe: JsonObject | null;
  dropped: Record<string, number>;
  /** What each filter did. Absent without filters. */
  funnel?: FunnelStep[];
  /** In which proportions training reads the sources. Absent: as much as there is of each. */
  mix?: Mix;
  /** What was removed as a repetition. Absent in folders of version 1. */
  dedup?: DedupReport;
  /** What was found of evaluation sets. Absent without any. */
  decontamination?: DecontaminationReport;
}

/**
 * Reads and checks the manifest of a folder. Throws ERR_FILE_MISSING, or ERR_FILE_DAMAGED naming
 * the field that is wrong.
 */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST);
  const fail = (problem: string) => damaged(path, problem);
  const value = ifThere(() => readJson(path, { most: largest.manifest, fail }));
  if (value === undefined) {
    throw new AthanorError(
      'ERR_FILE_MISSING',
      `${folder} is not a folder of token shards: it has no ${MANIFEST}`,
      'make one with: athanor data prepare',
    );
  }
  const manifest = upgraded(value);
  check(manifest, path);
  return manifest;
}

/** A manifest of version 1 in the form of version 2; any other value as it is. */
function upgraded(value: JsonValue): JsonValue {
  if (!isRecord(value) || value.version !== 1 || !isRecord(value.splits)) return value;
  const { sources, splits: before } = value;
  if (!Array.isArray(sources) || !sources.every((source) => typeof source === 'string')) return value;
  const sum = { documents: 0, tokens: 0, bytes: 0 };
  const withSource = (split: JsonValue | undefined): JsonValue => {
    if (!isRecord(split) || !Array.isArray(split.shards)) return split ?? null;
    for (const key of countKeys) sum[key] += Number(split[key]);
    return {
      ...split,
      shards: split.shards.map((shard) => (isRecord(shard) ? { ...shard, source: 0 } : shard)),
    };
  };
  const after = Object.fromEntries(splits.map((split) => [split, withSource(before[split])]));
  const source = { name: sources.join(', '), ...sum };
  return {
    ...value,
    version: 2,
    athanor: null,
    splits: after,
    sources: [source],
    inputs: null,
    recipe: null,
  };
}

function check(value: unknown, path: string): asserts value is Manifest {
  const m = value as Partial<Manifest> | null;
  if (m === null || typeof m !== 'object' || m.format !== 'athanor-tokens')
    throw damaged(path, 'it is not a manifest');
  if (m.version !== 2) throw damaged(path, `its version is ${m.version} and this build reads 1 and 2`);
  if (!whole(m.vocab_size) || m.vocab_size! > 2 ** 31 - 1)
    throw damaged(path, 'vocab_size is not a whole number below 2^31');
  if (!whole(m.eos_id) || m.eos_id! >= m.vocab_size!)
    throw damaged(path, 'eos_id is outside of the vocabulary');
  if (m.width !== 2 && m.width !== 4) throw damaged(path, 'width is neither 2 nor 4');
  if (typeof m.tokenizer_fingerprint !== 'string') throw damaged(path, 'tokenizer_fingerprint is missing');
  if (!Array.isArray(m.sources) || !m.sources.every(isSource))
    throw damaged(path, 'sources is not a list of names with counts');
  if (m.inputs === undefined || (m.inputs !== null && !isInputs(m.inputs)))
    throw damaged(path, 'inputs is not a table of files, bytes and sha256');
  if (m.recipe !== null && !isRecord(m.recipe)) throw damaged(path, 'recipe is not a table of options');
  if (m.dropped === null || typeof m.dropped !== 'object' || !Object.values(m.dropped).every(whole))
    throw damaged(path, 'dropped is not a table of counts');
  if (m.funnel !== undefined && !(Array.isArray(m.funnel) && m.funnel.every(isFunnelStep)))
    throw damaged(path, 'funnel is not a list of filters with counts');
  if (m.mix !== undefined && !isMix(m.mix)) throw damaged(path, 'mix is not a mix of sources');
  for (const split of splits) {
    const s = m.splits?.[split];
    if (!s || !Array.isArray(s.shards)) throw damaged(path, `splits.${split} is missing`);
    const sums = { tokens: 0, documents: 0, bytes: 0 };
    for (const shard of s.shards) {
      const named = typeof shard?.file === 'string' && /^[\w-]+\.bin$/.test(shard.file);
      if (!named || !/^[0-9a-f]{64}$/.test(shard.sha256))
        throw damaged(path, `a shard of ${split} has no file or sha256`);
      if (!whole(shard.source) || shard.source >= m.sources.length)
        throw damaged(path, `${shard.file} is of no source of the list`);
      for (const key of countKeys) {
        if (!whole(shard[key])) throw damaged(path, `${key} of ${shard.file} is not a whole number`);
        sums[key] += shard[key];
      }
      // No empty shard is ever written, and it could not be mapped.
      if (shard.documents < 1 || shard.tokens < shard.documents)
        throw damaged(path, `${shard.file} holds ${shard.tokens} tokens in ${shard.documents} documents`);
    }
    for (const key of countKeys) {
      if (s[key] !== sums[key])
        throw damaged(path, `${key} of ${split} is ${s[key]} and its shards sum to ${sums[key]}`);
    }
  }
}

const whole = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;

function isSource(value: unknown): boolean {
  const source = value as Partial<SourceEntry> | null;
  if (source === null || typeof source !== 'object' || typeof source.name !== 'string') return false;
  return countKeys.every((key) => whole(source[key]));
}

function isInputs(value: unknown): boolean {
  return isRecord(value) && whole(value.files) && whole(value.bytes) && typeof value.sha256 === 'string';
}

function isFunnelStep(value: unknown): boolean {
  const step = value as Partial<FunnelStep> | null;
  if (step === null || typeof step !== 'object' || typeof step.filter !== 'string') return false;
  if (step.rejected === null || typeof step.rejected !== 'object') return false;
  const counts = [step.documents_in, step.documents_out, step.bytes_in, step.bytes_out];
  return [...counts, ...Object.values(step.rejected)].every((n) => Number.isSafeInteger(n));
}

function damaged(path: string, what: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${path}: ${what}`, 'run athanor data prepare again');
}
