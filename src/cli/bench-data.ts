/** `athanor bench data`: the speed of the steps that prepare a corpus. */
import { defineCommand } from './command.ts';
import { choice, count, inGroup, integer, text } from './options.ts';

export const data = defineCommand({
  description:
    'Times the filters on documents in memory, with one thread: each alone, and those of FineWeb together. The fastest repeat counts, after a first one that does not.',
  options: {
    ...inGroup('Run', {
      repeats: integer('repeats to time', { default: 3, min: 1 }),
      peer: choice('also time the rules of FineWeb in datatrove', ['none', 'datatrove'], { default: 'none' }),
    }),
    ...inGroup('Data', {
      source: text('file, folder or name of a packaged corpus', { default: 'clean' }),
      documentBytes: count('most bytes of a document', { default: 4096, min: 64 }),
      bytes: count('bytes of text to read', { default: 10_000_000 }),
    }),
  },
  example: 'bench data --source wordnet --peer datatrove',
  async run({ repeats, peer, source, documentBytes, bytes }) {
    const { benchTexts, filterBenchRecipes, PEER_RECIPE, timeDatatrove, timeFilters } = await import(
      '../bench/filter-bench.ts'
    );
    const texts = await benchTexts(source, documentBytes, bytes);
    const filters = [];
    for (const recipe of filterBenchRecipes) filters.push(await timeFilters(recipe, texts, repeats));
    const other = peer === 'datatrove' ? timeDatatrove(texts, 1) : null;
    const own = filters[PEER_RECIPE]!;
    return {
      documents: texts.length,
      bytes: texts.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
      filters: filters.map((timing) => ({ ...timing })),
      datatrove: other && { ...other, ratio: own.mb_per_cpu_second / other.mb_per_cpu_second },
    };
  },
  render: ({ documents, bytes, filters, datatrove }) =>
    [
      `${documents} documents, ${bytes} bytes, one thread`,
      ...filters.map(({ recipe, mb_per_second, mb_per_cpu_second, kept, shares }) => {
        const parts = Object.entries(shares).map(([name, part]) => `${name} ${(part * 100).toFixed(0)} %`);
        const rates = `${mb_per_second.toFixed(1)} MB/s, ${mb_per_cpu_second.toFixed(1)} per CPU second`;
        return `${recipe}: ${rates}, kept ${kept}${parts.length > 1 ? `; ${parts.join(', ')}` : ''}`;
      }),
      ...(datatrove
        ? [
            `datatrove, the rules of FineWeb: ${datatrove.mb_per_cpu_second.toFixed(2)} MB per CPU second, kept ${datatrove.kept}; ${datatrove.ratio.toFixed(1)} times as fast here`,
          ]
        : []),
    ].join('\n'),
});
