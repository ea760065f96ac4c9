/** `manifest.json` of a folder of token shards. */
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { ifThere, largest, readJson } from '../../base/files/read-file.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import type { ShardEntry } from './shard-writer.ts';

export const MANIFEST = 'manifest.json';
export const splits = ['train', 'validation'] as const;
/** A part of a corpus. */
export type Split = (typeof splits)[number];

/** The contents of `manifest.json`. */
export interface Manifest {
  format: 'athanor-tokens';
  version: 1;
  vocab_size: number;
  /** The end-of-text token, which precedes each document. */
  eos_id: number;
  /** Bytes per id. */
  width: 2 | 4;
  tokenizer_fingerprint: string;
  splits: Record<Split, { tokens: number; documents: number; bytes: number; shards: ShardEntry[] }>;
  sources: string[];
  dropped: Record<string, number>;
  /** What each filter did. Absent without filters. */
  funnel?: FunnelStep[];
}

/**
 * Reads and checks the manifest of a folder. Throws ERR_FILE_MISSING, or ERR_FILE_DAMAGED naming
 * the field that is wrong.
 */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST);
  const fail = (problem: string) => damaged(path, problem);
  const value: unknown = ifThere(() => readJson(path, { most: largest.manifest, fail }));
  if (value === undefined) {
    throw new AthanorError(
      'ERR_FILE_MISSING',
      `${folder} is not a folder of token shards: it has no ${MANIFEST}`,
      'make one with: athanor data prepare',
    );
  }
  check(value, path);
  return value;
}

function check(value: unknown, path: string): asserts value is Manifest {
  const m = value as Partial<Manifest> | null;
  if (m === null || typeof m !== 'object' || m.format !== 'athanor-tokens')
    throw damaged(path, 'it is not a manifest');
  if (m.version !== 1) throw damaged(path, `its version is ${m.version} and this build reads 1`);
  const whole = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  if (!whole(m.vocab_size) || m.vocab_size! > 2 ** 31 - 1)
    throw damaged(path, 'vocab_size is not a whole number below 2^31');
  if (!whole(m.eos_id) || m.eos_id! >= m.vocab_size!)
    throw damaged(path, 'eos_id is outside of the vocabulary');
  if (m.width !== 2 && m.width !== 4) throw damaged(path, 'width is neither 2 nor 4');
  if (typeof m.tokenizer_fingerprint !== 'string') throw damaged(path, 'tokenizer_fingerprint is missing');
  if (!Array.isArray(m.sources) || m.sources.some((source) => typeof source !== 'string'))
    throw damaged(path, 'sources is not a list of names');
  if (m.dropped === null || typeof m.dropped !== 'object' || !Object.values(m.dropped).every(whole))
    throw damaged(path, 'dropped is not a table of counts');
  if (m.funnel !== undefined && !(Array.isArray(m.funnel) && m.funnel.every(isFunnelStep)))
    throw damaged(path, 'funnel is not a list of filters with counts');
  for (const split of splits) {
    const s = m.splits?.[split];
    if (!s || !Array.isArray(s.shards)) throw damaged(path, `splits.${split} is missing`);
    const sums = { tokens: 0, documents: 0, bytes: 0 };
    for (const shard of s.shards) {
      const named = typeof shard?.file === 'string' && /^[\w-]+\.bin$/.test(shard.file);
      if (!named || !/^[0-9a-f]{64}$/.test(shard.sha256))
        throw damaged(path, `a shard of ${split} has no file or sha256`);
      for (const key of ['tokens', 'documents', 'bytes'] as const) {
        if (!whole(shard[key])) throw damaged(path, `${key} of ${shard.file} is not a whole number`);
        sums[key] += shard[key];
      }
      // No empty shard is ever written, and it could not be mapped.
      if (shard.documents < 1 || shard.tokens < shard.documents)
        throw damaged(path, `${shard.file} holds ${shard.tokens} tokens in ${shard.documents} documents`);
    }
    for (const key of ['tokens', 'documents', 'bytes'] as const) {
      if (s[key] !== sums[key])
        throw damaged(path, `${key} of ${split} is ${s[key]} and its shards sum to ${sums[key]}`);
    }
  }
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
