/** Options of `athanor data prepare` about repeated and contaminated documents. */
import type { PrepareReport } from '../data/shards/prepare.ts';
import { choice, count, flag, inGroup, list, path } from './options.ts';

export const dedupOptions = inGroup('Data', {
  dedup: choice(
    'drop repetitions: equal documents, and with these words also paragraphs, lines, runs of words or near duplicates',
    ['none', 'exact', 'exact-paragraph', 'exact-line', 'exact-run', 'minhash'],
    { default: 'exact' },
  ),
  dedupKeep: choice('document of near duplicates that stays (default: first)', ['first', 'longest']),
  dedupNgram: count('words of a shingle of minhash (default: 5)', { min: 1, max: 1000 }),
  dedupBands: count('bands of a signature of minhash (default: 14)', { min: 1 }),
  dedupRows: count('hashes of a band of minhash (default: 8)', { min: 1 }),
  dedupRun: count('fewest words of a run of exact-run (default: 50)'),
  dedupMinChars: count('keep repeated paragraphs or lines of fewer characters (default: 1)'),
  against: list(path('folder of earlier token shards; drop what repeats their documents')),
  decontaminate: list(
    path('evaluation texts, or shards by what they hold out; drop documents that hold one of them'),
  ),
  decontaminateNgram: count('words in a row that are contamination (default: 13)'),
  decontaminateShortest: count('fewest words of an evaluation text that is looked for (default: 8)'),
  decontaminateReport: flag('count contaminated documents, and keep them'),
});

/** What was removed, for people. */
export function renderDedup({ dedup, decontamination }: PrepareReport): string[] {
  const lines: string[] = [];
  if (dedup.near_documents > 0) {
    lines.push(
      `near duplicates: ${dedup.near_documents} documents, ${dedup.near_bytes} bytes, in ${dedup.clusters} clusters of up to ${dedup.largest_cluster}`,
    );
  }
  if (dedup.earlier_documents > 0) lines.push(`repeat earlier shards: ${dedup.earlier_documents} documents`);
  if (dedup.parts > 0) {
    lines.push(`repeated ${dedup.method.replace('exact-', '')}s: ${dedup.parts}, ${dedup.part_bytes} bytes`);
  }
  if (decontamination) {
    const { documents, removed, ngram, sets } = decontamination;
    const what = removed ? 'removed' : 'kept';
    lines.push(`contaminated: ${documents} documents ${what} (runs of ${ngram} words)`);
    for (const { source, texts, too_short, documents: found } of sets) {
      lines.push(`  ${source}: ${texts} texts, ${too_short} too short, in ${found} documents`);
    }
  }
  return lines;
}
