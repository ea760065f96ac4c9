/** Times the steps of `data prepare` that look at every document, on text in memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCorpus } from '../data/corpus/corpus.ts';
import { Decontaminator } from '../data/dedup/decontaminate.ts';
import { MinHasher } from '../data/dedup/minhash.ts';
import { NearDuplicateFinder } from '../data/dedup/near-duplicates.ts';
import { RepeatedParts } from '../data/dedup/repeated-parts.ts';
import { RepeatedRuns } from '../data/dedup/repeated-runs.ts';
import { native } from '../native/addon.ts';
import { runDatatrovePeer } from './peer.ts';
import { Prose } from './prose.ts';

/** What is timed. */
export interface DataBenchOptions {
  /** Files, folders and packaged names; made-up prose without any. */
  sources: readonly string[];
  /** The text is repeated or cut to about so many bytes. */
  bytes: number;
  repeats: number;
  /** Whether datatrove signs a part of the same text. */
  datatrove: boolean;
}

/** The fastest of the repeats. */
export interface DataRate {
  step: string;
  threads: number;
  bytesPerSecond: number;
  /**
   * By the time that all threads of the process worked: what one core does, also on a busy machine.
   */
  bytesPerCpuSecond: number;
}

/** Bytes that datatrove gets: it takes seconds per megabyte. */
const PEER_BYTES = 2 << 20;

/** Throws the errors of reading, and ERR_STATE when there is no datatrove. */
export async function benchData(options: DataBenchOptions): Promise<{ rates: DataRate[]; bytes: number }> {
  const texts = await textsOf(options.sources, options.bytes);
  const bytes = bytesOf(texts);
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  const threads = native.numThreads();
  try {
    const rates: DataRate[] = [];
    const steps = await stepsOf(texts, folder);
    for (const count of threads > 1 ? [1, threads] : [1]) {
      native.setNumThreads(count);
      for (const [step, run] of Object.entries(steps)) {
        if (step === 'repeated lines' && count > 1) continue;
        rates.push({ step, threads: count, ...fastest(bytes, options.repeats, run) });
      }
    }
    if (options.datatrove) rates.push(peerRate(texts, folder, options.repeats));
    return { rates, bytes };
  } finally {
    native.setNumThreads(threads);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stepsOf(texts: readonly string[], folder: string): Promise<Record<string, () => void>> {
  const hasher = new MinHasher();
  const evaluation = join(folder, 'evaluation.jsonl');
  const rows = texts.slice(0, 1000).map((text) => JSON.stringify(`${text.slice(0, 300)} held out`));
  writeFileSync(evaluation, rows.join('\n'));
  const decontaminator = await Decontaminator.load([evaluation]);
  return {
    'minhash signatures': () => void hasher.signatures(texts),
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

function peerRate(texts: readonly string[], folder: string, repeats: number): DataRate {
  const path = join(folder, 'texts.jsonl');
  let bytes = 0;
  const rows: string[] = [];
  for (const text of texts) {
    if (bytes >= PEER_BYTES) break;
    bytes += Buffer.byteLength(text);
    rows.push(JSON.stringify({ text }));
  }
  writeFileSync(path, rows.join('\n'));
  const { bytes_per_second, bytes_per_cpu_second } = runDatatrovePeer(path, Math.min(repeats, 3));
  return {
    step: 'datatrove signatures',
    threads: 1,
    bytesPerSecond: Number(bytes_per_second),
    bytesPerCpuSecond: Number(bytes_per_cpu_second),
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
  return { bytesPerSecond: bytes / seconds, bytesPerCpuSecond: bytes / cpuSeconds };
}

const bytesOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

async function textsOf(sources: readonly string[], bytes: number): Promise<string[]> {
  const read: string[] = [];
  if (sources.length === 0) read.push(...new Prose(1).documents(2000).map(({ text }) => String(text)));
  for await (const item of readCorpus(sources, { partBytes: 4096 })) {
    if ('document' in item) read.push(item.document.text);
  }
  const texts: string[] = [];
  for (let held = 0, i = 0; held < bytes; i++) {
    const text = read[i % read.length]!;
    texts.push(text);
    held += Buffer.byteLength(text);
  }
  return texts;
}
