/**
 * Training steps on several ranks next to one process: the same batches, the same weights. Ranks
 * have one thread each, and the one process has as many threads as there are ranks.
 */
import { join } from 'node:path';
import { packageRoot } from '../base/package-root.ts';
import { printedByRanks } from './comm-bench.ts';

/** What the rank processes are told. */
export interface ScalingCase {
  model: string;
  vocabSize: number | undefined;
  batchSize: number;
  context: number;
  dtype: 'f32' | 'bf16';
  /** Batches of an update, over all ranks. */
  batches: number;
  steps: number;
  threads: number;
  zero: number;
  overlap: boolean;
}

/** What rank 0 prints. */
export interface ScalingTiming {
  /** Of the fastest step, on the slowest rank. */
  seconds: number;
  /** Mean time of a step in which a rank waited for others, on the rank that waited most. */
  waitedSeconds: number;
  /**
   * Bytes of AdamW's moments, and the most bytes that tensors held in a step, on the largest rank.
   */
  momentBytes: number;
  peakBytes: number;
}

/** The ways to run a step. */
export const scalingKinds = [
  'one process',
  'zero 0',
  'zero 1',
  'zero 1, no overlap',
  'zero 2',
  'zero 3',
] as const;
export type ScalingKind = (typeof scalingKinds)[number];

/** Times one way in new processes. */
export async function timeScaling(
  kind: ScalingKind,
  engine: 'mpi' | 'tcp',
  ranks: number,
  shape: Pick<ScalingCase, 'model' | 'vocabSize' | 'batchSize' | 'context' | 'dtype' | 'steps'>,
): Promise<ScalingTiming> {
  const isOne = kind === 'one process';
  const given: ScalingCase = {
    ...shape,
    batches: ranks,
    threads: isOne ? ranks : 1,
    zero: isOne ? 0 : Number(kind.split(/[ ,]/)[1]),
    overlap: kind !== 'zero 1, no overlap',
  };
  const worker = [join(packageRoot, 'dist/bench/scaling-worker.js'), JSON.stringify(given)];
  return JSON.parse(await printedByRanks(isOne ? 'tcp' : engine, isOne ? 1 : ranks, worker));
}
