/** `athanor data classify`: the scores that a classifier gives to documents. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { Interrupt } from './interrupt.ts';
import { engineOptions, inGroup, number, path, text } from './options.ts';

const { device, dtype, threads } = engineOptions;
const DECILES = 10;

/** What was scored of a source. */
interface SourceScores {
  documents: number;
  sum: number;
  passed: number;
}

export const classify = defineCommand({
  description:
    'Scores documents with a classifier that athanor safety train made of labelled rows, and writes them as JSON Lines: id, source, score, text. With --filters classifier:FOLDER:THRESHOLD, data prepare keeps documents by their scores.',
  arguments: { '<sources...>': 'files, folders, patterns, -, or names of packaged corpora' },
  options: {
    ...inGroup('Run', {
      classifier: path('folder of the classifier', { required: true, placeholder: '<folder>' }),
      out: path('file for the scored documents, .jsonl', { required: true, placeholder: '<file>' }),
      threshold: number('count the documents that score at least this (default: that of the folder)', {
        min: 0,
        max: 1,
      }),
    }),
    ...inGroup('Data', {
      textKey: text('field or column that holds the text, such as text or article.body', {
        default: 'text',
      }),
      split: text('split of dataset folders (default: train, or the only one)'),
      stdinFormat: text('ending of a file like standard input, such as jsonl.gz', {
        placeholder: '<ending>',
      }),
      separator: text('split text files into documents at each line equal to this text'),
    }),
    ...inGroup('Engine', { device, dtype, threads }),
  },
  example: 'data classify corpus/ --classifier edu --out scored.jsonl',
  async run(
    { classifier: folder, out, threshold: asked, textKey, split, stdinFormat, separator, ...engine },
    { args, given },
  ) {
    await prepareEngine(engine, given);
    const { existsSync, renameSync } = await import('node:fs');
    const { checkSources, readCorpus } = await import('../data/corpus/corpus.ts');
    const { JsonlLog } = await import('../data/jsonl-log.ts');
    const { Classifier } = await import('../scoring/classifier.ts');
    const { classifyDocuments } = await import('../scoring/classify-documents.ts');
    const { createProgress } = await import('../report/progress.ts');
    const { AthanorError } = await import('../base/errors.ts');
    checkSources(args, out, { split, stdinFormat });
    if (existsSync(out)) {
      throw new AthanorError('ERR_ARGUMENT', `${out} exists already`, 'delete it or name another `out`');
    }
    const classifier = Classifier.load(folder);
    const threshold = asked ?? classifier.info.threshold;
    const partial = `${out}.partial`;
    const log = new JsonlLog(partial);
    const progress = createProgress({ label: 'classify', unit: 'documents' });
    const interrupt = new Interrupt();
    const dropped: Record<string, number> = {};
    async function* documents() {
      for await (const item of readCorpus(args, { textKey, split, stdinFormat, separator })) {
        if (interrupt.signal.aborted)
          throw new AthanorError('ERR_INTERRUPTED', 'classifying was interrupted');
        if ('document' in item) yield item.document;
        else dropped[item.dropped.reason] = (dropped[item.dropped.reason] ?? 0) + 1;
      }
    }
    const deciles = new Array<number>(DECILES).fill(0);
    const sources = new Map<string, SourceScores>();
    let count = 0;
    try {
      for await (const { document, score } of classifyDocuments(documents(), classifier)) {
        const { id, source, text: content } = document;
        log.add({ id, source, score, text: content });
        deciles[Math.min(DECILES - 1, Math.floor(score * DECILES))]! += 1;
        const own = sources.get(source) ?? { documents: 0, sum: 0, passed: 0 };
        sources.set(source, own);
        own.documents += 1;
        own.sum += score;
        if (score >= threshold) own.passed += 1;
        progress.update({ done: ++count, fields: [] });
      }
      if (count === 0) throw new AthanorError('ERR_ARGUMENT', `no usable document in ${args.join(', ')}`);
      log.close();
      renameSync(partial, out);
    } finally {
      log.abandon();
      classifier.dispose();
      interrupt.dispose();
      progress.finish('');
    }
    const rows = [...sources].map(([name, { documents: n, sum, passed }]) => ({
      name,
      documents: n,
      mean_score: sum / n,
      passed,
    }));
    const passed = rows.reduce((sum, row) => sum + row.passed, 0);
    return { out, documents: count, threshold, passed, deciles, sources: rows, dropped };
  },
  render: ({ out, documents, threshold, passed, deciles, sources, dropped }) => {
    const drops = Object.entries(dropped).map(([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`);
    return [
      `${passed} of ${documents} documents score at least ${threshold.toFixed(4)}`,
      `by tenths of the score, from 0: ${deciles.join(', ')}`,
      ...sources.map(
        ({ name, documents: n, mean_score, passed: own }) =>
          `  ${name}: ${own} of ${n} documents, mean score ${mean_score.toFixed(3)}`,
      ),
      ...(drops.length > 0 ? [`dropped: ${drops.join(', ')}`] : []),
      `scored documents in ${out}`,
    ].join('\n');
  },
});
