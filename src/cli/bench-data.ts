/** `athanor bench data`: the speed of the steps that prepare a corpus. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, count, engineOptions, inGroup, integer } from './options.ts';

export const data = defineCommand({
  description:
    'Times the readers of the files that are named, filters with one thread, each alone and those of FineWeb together, and signatures, near duplicates, decontamination and repeated parts, these on documents in memory. The fastest repeat counts. Then data prepare is timed once as a whole, on JSON Lines of these documents. A CPU second is one in which a core worked, so other work on the machine does not count.',
  arguments: { '[sources...]': 'files, folders or names of packaged corpora (default: clean)' },
  options: {
    ...inGroup('Run', {
      repeats: integer('repeats to time', { default: 3, min: 1 }),
      peer: choice('also time the rules of FineWeb and the signatures of datatrove', ['none', 'datatrove'], {
        default: 'none',
      }),
    }),
    ...inGroup('Data', {
      documentBytes: count('most bytes of a document', { default: 4096, min: 64 }),
      bytes: count('bytes of text; less is repeated', { default: 10_000_000 }),
    }),
    threads: engineOptions.threads,
  },
  example: 'bench data wordnet --peer datatrove',
  async run({ repeats, peer, documentBytes, bytes, threads }, { args }) {
    await prepareEngine({ device: 'cpu', dtype: 'f32', threads });
    const { benchTexts, bytesOf } = await import('../bench/data-texts.ts');
    const { filterBenchRecipes, PEER_RECIPE, timeFilters } = await import('../bench/filter-bench.ts');
    const { peerTexts, SIGNATURES, timeDedup } = await import('../bench/dedup-bench.ts');
    const { timePreparation } = await import('../bench/prepare-bench.ts');
    const { runDatatrovePeer } = await import('../bench/peer.ts');
    const { timeReaders } = await import('../bench/reader-bench.ts');
    const { isPackagedName } = await import('../data/packaged/packaged.ts');
    const files = args.filter((source) => !isPackagedName(source));
    const readers = await timeReaders(files, bytes, repeats);
    const texts = await benchTexts(args.length > 0 ? args : ['clean'], documentBytes, bytes);
    const filters = [];
    for (const recipe of filterBenchRecipes) filters.push(await timeFilters(recipe, texts, repeats));
    const steps = [...(await timeDedup(texts, repeats)), ...(await timePreparation(texts))];
    const against = (
      what: 'filters' | 'signatures',
      own: { mb_per_cpu_second: number },
      some: string[],
      times: number,
    ) => {
      const other = runDatatrovePeer(what, some, times);
      return { ...other, ratio: own.mb_per_cpu_second / other.mb_per_cpu_second };
    };
    const signatures = steps.find(({ step }) => step === SIGNATURES)!;
    return {
      documents: texts.length,
      bytes: bytesOf(texts),
      readers: readers.map((timing) => ({ ...timing })),
      filters: filters.map((timing) => ({ ...timing })),
      steps: steps.map((timing) => ({ ...timing })),
      datatrove:
        peer === 'datatrove'
          ? {
              filters: against('filters', filters[PEER_RECIPE]!, texts, 1),
              signatures: against('signatures', signatures, peerTexts(texts), Math.min(repeats, 3)),
            }
          : null,
    };
  },
  render: ({ documents, bytes, readers, filters, steps, datatrove }) => {
    const rates = (timing: { mb_per_second: number; mb_per_cpu_second: number }) =>
      `${timing.mb_per_second.toFixed(1)} MB/s, ${timing.mb_per_cpu_second.toFixed(1)} per CPU second`;
    const compared = (what: string, timing: { mb_per_cpu_second: number; ratio: number }) =>
      `datatrove, ${what}: ${timing.mb_per_cpu_second.toFixed(2)} MB per CPU second; ${timing.ratio.toFixed(1)} times as fast here`;
    return [
      `${documents} documents, ${bytes} bytes`,
      ...readers.map((timing) => `reading ${timing.files}, ${timing.documents} documents: ${rates(timing)}`),
      ...filters.map((timing) => {
        const { recipe, kept, shares } = timing;
        const parts = Object.entries(shares).map(([name, part]) => `${name} ${(part * 100).toFixed(0)} %`);
        return `${recipe}: ${rates(timing)}, kept ${kept}${parts.length > 1 ? `; ${parts.join(', ')}` : ''}`;
      }),
      ...steps.map(
        (timing) =>
          `${timing.step}, ${timing.threads} ${timing.threads === 1 ? 'thread' : 'threads'}: ${rates(timing)}`,
      ),
      ...(datatrove
        ? [
            compared(`the rules of FineWeb, kept ${datatrove.filters.kept}`, datatrove.filters),
            compared('signatures', datatrove.signatures),
          ]
        : []),
    ].join('\n');
  },
});
