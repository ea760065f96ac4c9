/** Times the steps that find repeated and contaminated documents, on text in memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decontaminator } from '../data/dedup/decontaminate.ts';
import { MinHasher } from '../data/dedup/minhash.ts';
import { NearDuplicateFinder } from '../data/dedup/near-duplicates.ts';
import { RepeatedParts } from '../data/dedup/repeated-parts.ts';
import { RepeatedRuns } from '../data/dedup/repeated-runs.ts';
import { native } from '../native/addon.ts';
import { bytesOf } from './data-texts.ts';

/** The fastest of the repeats. A MB is a million bytes of UTF-8. */
export interface StepTiming {
  step: string;
  threads: number;
  mb_per_second: number;
  /**
   * By the time that all threads of the process worked: what one core does, also on a busy machine.
   */
  mb_per_cpu_second: number;
}

/** The step that the peer runs too, and the part of the texts that it gets. */
export const SIGNATURES = 'minhash signatures';
const PEER_BYTES = 2 << 20;

/** Times each step with one thread, and with the threads of the engine. */
export async function timeDedup(texts: readonly string[], repeats: number): Promise<StepTiming[]> {
  const bytes = bytesOf(texts);
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  const threads = native.numThreads();
  try {
    const timings: StepTiming[] = [];
    const steps = await stepsOf(texts, folder);
    for (const count of threads > 1 ? [1, threads] : [1]) {
      native.setNumThreads(count);
      for (const [step, run] of Object.entries(steps)) {
        if (step === 'repeated lines' && count > 1) continue;
        timings.push({ step, threads: count, ...fastest(bytes, repeats, run) });
      }
    }
    return timings;
  } finally {
    native.setNumThreads(threads);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first texts, as datatrove takes seconds per megabyte. */
export function peerTexts(texts: readonly string[]): string[] {
  let bytes = 0;
  return texts.filter((text) => {
    const isTaken = bytes < PEER_BYTES;
    bytes += Buffer.byteLength(text);
    return isTaken;
  });
}

async function stepsOf(texts: readonly string[], folder: string): Promise<Record<string, () => void>> {
  const hasher = new MinHasher();
  const evaluation = join(folder, 'evaluation.jsonl');
  const rows = texts.slice(0, 1000).map((text) => JSON.stringify(`${text.slice(0, 300)} held out`));
  writeFileSync(evaluation, rows.join('\n'));
  const decontaminator = await Decontaminator.load([evaluation]);
  return {
    [SIGNATURES]: () => void hasher.signatures(texts),
    'near duplicates': () => {
      const finder = new NearDuplicateFinder({ folder });
      for (const text of texts) finder.add(text);
      finder.finish();
      finder.close();
    },
    'finding repeated runs': () => {
      const runs = new RepeatedRuns({ folder });
      for (const text of texts) runs.add(text);
      runs.finish();
      runs.close();
    },
    decontamination: () => void decontaminator.find(texts),
    'repeated lines': () => {
      const parts = new RepeatedParts({ unit: 'line' });
      for (const text of texts) parts.take(text);
    },
  };
}

function fastest(bytes: number, repeats: number, run: () => void) {
  let [seconds, cpuSeconds] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < repeats; i++) {
    const [start, cpuStart] = [performance.now(), process.cpuUsage()];
    run();
    const { user, system } = process.cpuUsage(cpuStart);
    seconds = Math.min(seconds, (performance.now() - start) / 1e3);
    cpuSeconds = Math.min(cpuSeconds, (user + system) / 1e6);
  }
  return { mb_per_second: bytes / 1e6 / seconds, mb_per_cpu_second: bytes / 1e6 / cpuSeconds };
}
