/** Times the readers of a corpus on files. */
import { filesOf, readFileOf } from '../data/corpus/corpus.ts';
import { fileFormat } from '../data/corpus/file-format.ts';

/** The rate of reading the files of one format, without what is done with their text. */
export interface ReaderTiming {
  /** The ending of the files, such as `.warc.gz`. */
  files: string;
  documents: number;
  /** A MB is a million bytes of the text, as UTF-8. */
  mb_per_second: number;
  mb_per_cpu_second: number;
}

/**
 * Reads the files of sources until each ending has given `bytes` bytes of text, and times each
 * ending by its fastest repeat. Throws the errors of readCorpus.
 */
export async function timeReaders(
  sources: readonly string[],
  bytes: number,
  repeats: number,
): Promise<ReaderTiming[]> {
  const byEnding = new Map<string, string[]>();
  for (const file of sources.flatMap((source) => filesOf(source))) {
    const ending = /(\.warc)?\.[a-z]+(\.(gz|zst|zstd))?$/i.exec(file)?.[0].toLowerCase() ?? '';
    if (fileFormat(file)) byEnding.set(ending, [...(byEnding.get(ending) ?? []), file]);
  }
  const timings: ReaderTiming[] = [];
  for (const [ending, files] of byEnding) timings.push(await timeFiles(ending, files, bytes, repeats));
  return timings;
}

async function timeFiles(
  ending: string,
  files: readonly string[],
  bytes: number,
  repeats: number,
): Promise<ReaderTiming> {
  let [seconds, cpuSeconds] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let read = { documents: 0, bytes: 0 };
  for (let round = 0; round < repeats; round++) {
    const start = performance.now();
    const cpu = process.cpuUsage();
    read = await readText(files, bytes);
    const { user, system } = process.cpuUsage(cpu);
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
    cpuSeconds = Math.min(cpuSeconds, (user + system) / 1e6);
  }
  const megabytes = read.bytes / 1e6;
  return {
    files: ending,
    documents: read.documents,
    mb_per_second: megabytes / seconds,
    mb_per_cpu_second: megabytes / cpuSeconds,
  };
}

async function readText(files: readonly string[], most: number) {
  let [documents, bytes] = [0, 0];
  for (const file of files) {
    for await (const item of readFileOf(file, file)) {
      if (!('document' in item)) continue;
      documents += 1;
      bytes += Buffer.byteLength(item.document.text);
      if (bytes >= most) return { documents, bytes };
    }
  }
  return { documents, bytes };
}
