/** Times `data prepare` as a whole: from JSON Lines to shards. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { prepareData } from '../data/shards/prepare.ts';
import { native } from '../native/addon.ts';
import type { StepTiming } from './dedup-bench.ts';

const VOCABULARY = 8192;

/**
 * With one thread, and with the threads of the engine. A MB is a million bytes of JSON Lines. The
 * filters are those of FineWeb with the language; near duplicates are removed, and a tokenizer is
 * trained. The time includes the start of the threads. There are no figures where the filters leave
 * no document. Throws as prepareData.
 */
export async function timePreparation(texts: readonly string[]): Promise<StepTiming[]> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  const threads = native.numThreads();
  const lines = join(folder, 'texts.jsonl');
  const rows = texts.map((text, id) => `${JSON.stringify({ id, text })}\n`).join('');
  writeFileSync(lines, rows);
  const bytes = Buffer.byteLength(rows);
  try {
    const timings: StepTiming[] = [];
    for (const count of threads > 1 ? [1, threads] : [1]) {
      native.setNumThreads(count);
      const cpu = process.cpuUsage();
      const { seconds } = await prepareData({
        sources: [lines],
        out: join(folder, `shards-${count}`),
        filters: ['fineweb-pipeline'],
        dedup: 'minhash',
        vocabSize: VOCABULARY,
        validationSplit: 0.01,
        minChars: 1,
        onBadLine: 'fail',
        threads: count,
      });
      const { user, system } = process.cpuUsage(cpu);
      const perSecond = (time: number) => bytes / 1e6 / time;
      timings.push({
        step: 'JSON Lines to shards',
        threads: count,
        mb_per_second: perSecond(seconds),
        mb_per_cpu_second: perSecond((user + system) / 1e6),
      });
    }
    return timings;
  } catch (error) {
    if (error instanceof AthanorError && error.code === 'ERR_ARGUMENT') return [];
    throw error;
  } finally {
    native.setNumThreads(threads);
    rmSync(folder, { recursive: true, force: true });
  }
}
