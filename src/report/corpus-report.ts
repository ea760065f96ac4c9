/** `report.html` of a folder of token shards: what became of the documents, and why. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../base/files/replace-file.ts';
import { isRecord, jsonLines } from '../data/corpus/json-lines.ts';
import { type MeasureCounts, measureEdges } from '../data/filters/measures.ts';
import { type RejectedDocument, rejectedExamples, rejectingRules } from '../data/shards/filtering.ts';
import { type Manifest, readManifest } from '../data/shards/manifest.ts';
import { mixText } from '../data/shards/mix.ts';
import { type CorpusStatistics, readStatistics } from '../data/shards/statistics.ts';
import type { BinnedFigure, ShareFigure } from './figures.ts';
import { exactCount, formatBytes, formatCount } from './format.ts';
import { type Html, html } from './html.ts';
import { htmlPage } from './html-page.ts';
import { drawn } from './sections/figures.ts';
import type { ReportTable } from './sections/section.ts';
import { table } from './sections/tables.ts';

/** Rejected documents that are shown per rule, and characters of each. */
const EXAMPLES = 2;
const EXAMPLE_CHARS = 600;
/** Members of clusters of near duplicates that are counted at most. */
const MOST_MEMBERS = 2_000_000;

/** What the page is made of. */
interface CorpusFacts {
  folder: string;
  manifest: Manifest;
  statistics: CorpusStatistics | undefined;
  examples: { rule: string; documents: readonly RejectedDocument[] }[];
  /** Number of clusters of near duplicates by their number of documents. */
  clusters: ReadonlyMap<number, number>;
}

/**
 * Writes the page into the folder, from the files there. Throws ERR_FILE_MISSING and
 * ERR_FILE_DAMAGED for a folder that is none of token shards, ERR_IO and ERR_DISK_FULL.
 */
export async function writeCorpusReport(folder: string): Promise<void> {
  const examples = rejectingRules(folder).map(async (rule) => ({
    rule,
    documents: await rejectedExamples(folder, rule, EXAMPLES),
  }));
  const facts: CorpusFacts = {
    folder,
    manifest: readManifest(folder),
    statistics: readStatistics(folder),
    examples: await Promise.all(examples),
    clusters: await clusterSizes(folder),
  };
  replaceFile(join(folder, 'report.html'), renderCorpusReport(facts));
}

/** The members of each cluster are counted, and then the clusters of each size. */
async function clusterSizes(folder: string): Promise<Map<number, number>> {
  const path = join(folder, 'clusters.jsonl');
  const members = new Map<string, number>();
  let rows = 0;
  if (existsSync(path)) {
    for await (const line of jsonLines(path)) {
      if (!('value' in line) || !isRecord(line.value) || ++rows > MOST_MEMBERS) continue;
      const cluster = String(line.value.cluster);
      members.set(cluster, (members.get(cluster) ?? 0) + 1);
    }
  }
  const sizes = new Map<number, number>();
  for (const size of members.values()) sizes.set(size, (sizes.get(size) ?? 0) + 1);
  return new Map([...sizes].sort(([a], [b]) => a - b));
}

function renderCorpusReport(facts: CorpusFacts): string {
  const { manifest, statistics } = facts;
  const { train, validation } = manifest.splits;
  const measures = (statistics?.measures ?? []).map(measureFigure);
  const all = [sourceTable(facts), languageTable(facts), ruleTable(manifest), clusterTable(facts)];
  const tables = all.filter((one) => one !== undefined);
  return htmlPage({
    title: 'Corpus',
    subtitle: `${formatCount(train.tokens + validation.tokens)} tokens of ${formatBytes(train.bytes + validation.bytes)} in ${exactCount(train.documents + validation.documents)} documents, ${manifest.sources.map(({ name }) => name).join(', ')}`,
    sections: [
      html`<div class="charts overview">${drawn(funnel(facts))}</div>`,
      ...tables.map(table),
      measures.length > 0
        ? html`<section aria-labelledby="measures"><h2 id="measures">Measures of the documents that came to each rule</h2><div class="charts">${measures.map(drawn)}</div></section>`
        : undefined,
      exampleSection(facts.examples),
    ],
    data: { charts: [], runs: [] },
    undated: true,
  });
}

/** The share of documents and bytes that is left after each step. */
function funnel({ manifest, statistics }: CorpusFacts): ShareFigure {
  const { funnel: steps = [], splits, dropped } = manifest;
  const sum = (key: 'documents' | 'bytes') => splits.train[key] + splits.validation[key];
  const read = Object.values(statistics?.read ?? {});
  const documents = read.reduce((total, one) => total + one.documents, 0) || sum('documents');
  const bytes = read.reduce((total, one) => total + one.bytes, 0) || sum('bytes');
  const row = (label: string, left: number, leftBytes: number) => ({
    label: `${label}: ${exactCount(left)}`,
    values: [left / Math.max(1, documents), leftBytes / Math.max(1, bytes)],
  });
  let left = steps.at(-1)?.documents_out ?? documents;
  const others = (['contaminated', 'too_short', 'duplicate', 'near_duplicate'] as const).flatMap((reason) => {
    const count = dropped[reason] ?? 0;
    left -= count;
    return count > 0 ? [row(`without ${words[reason]}`, left, Number.NaN)] : [];
  });
  return {
    kind: 'shares',
    title: 'What is left after each step',
    unit: 'share of the documents and of the bytes of text',
    series: ['documents', 'bytes'],
    rows: [
      row('read', documents, bytes),
      ...steps.map(({ filter, documents_out, bytes_out }) =>
        row(`after ${filter}`, documents_out, bytes_out),
      ),
      ...others,
      row('kept', sum('documents'), sum('bytes')),
    ],
  };
}

const words = {
  contaminated: 'texts of evaluation sets',
  too_short: 'short ones',
  duplicate: 'repetitions',
  near_duplicate: 'near duplicates',
};

function measureFigure(counts: MeasureCounts): BinnedFigure {
  const { rule, threshold, scale, kept, rejected } = counts;
  const series = [
    { label: 'kept', counts: kept },
    { label: 'rejected', counts: rejected },
  ];
  const unit = `threshold ${threshold}`;
  return {
    kind: 'binned',
    title: rule,
    unit,
    edges: measureEdges(counts),
    series,
    threshold,
    logarithmic: scale === 'log',
  };
}

function sourceTable({ manifest, statistics }: CorpusFacts): ReportTable {
  return {
    title: 'Sources',
    columns: ['source', 'documents read', 'documents kept', 'share kept', 'bytes kept', 'tokens'],
    rows: manifest.sources.map(({ name, documents, bytes, tokens }) => {
      const read = statistics?.read[name]?.documents;
      const share = read === undefined ? '?' : `${((100 * documents) / Math.max(1, read)).toFixed(1)} %`;
      return [
        name,
        read === undefined ? '?' : exactCount(read),
        exactCount(documents),
        share,
        formatBytes(bytes),
        formatCount(tokens),
      ];
    }),
    ...(manifest.mix && { note: `Training reads them in these proportions: ${mixText(manifest.mix)}.` }),
  };
}

function languageTable({ statistics }: CorpusFacts): ReportTable | undefined {
  const languages = Object.entries(statistics?.languages ?? {});
  if (languages.length === 0) return undefined;
  return {
    title: 'Programming languages',
    columns: ['language', 'documents read', 'bytes read'],
    rows: languages
      .sort(([, a], [, b]) => b.bytes - a.bytes)
      .map(([name, { documents, bytes }]) => [name, exactCount(documents), formatBytes(bytes)]),
  };
}

function ruleTable({ funnel: steps = [] }: Manifest): ReportTable | undefined {
  const rows = steps.flatMap(({ filter, documents_in, rejected }) =>
    Object.entries(rejected).map(([rule, count]) => ({
      name: `${filter}.${rule}`,
      count,
      share: count / documents_in,
    })),
  );
  if (rows.length === 0) return undefined;
  rows.sort((a, b) => b.count - a.count);
  return {
    title: 'Rejected documents by rule',
    columns: ['rule', 'documents', 'of those that came to the filter'],
    rows: rows.map(({ name, count, share }) => [name, exactCount(count), `${(100 * share).toFixed(1)} %`]),
    note: 'A document counts for the first rule that rejects it. rejected/ has the documents.',
  };
}

function clusterTable({ clusters }: CorpusFacts): ReportTable | undefined {
  if (clusters.size === 0) return undefined;
  return {
    title: 'Near duplicates by the size of their cluster',
    columns: ['documents of a cluster', 'clusters', 'documents dropped'],
    rows: [...clusters].map(([size, count]) => [
      exactCount(size),
      exactCount(count),
      exactCount(count * (size - 1)),
    ]),
    note: 'One document of a cluster stays. clusters.jsonl has them all.',
  };
}

function exampleSection(examples: CorpusFacts['examples']): Html | undefined {
  if (examples.length === 0) return undefined;
  const one = ({ id, value, threshold, found, text }: RejectedDocument) =>
    html`<div class="sample"><p class="prompt">${id}: ${value}, threshold ${threshold}${found === undefined ? undefined : `, ${found}`}</p>
<p class="answer" dir="auto">${text.length <= EXAMPLE_CHARS ? text : `${text.slice(0, EXAMPLE_CHARS)}…`}</p></div>`;
  const items = examples.map(
    ({ rule, documents }) => html`<li><h3>${rule}</h3><div>${documents.map(one)}</div></li>`,
  );
  return html`<section aria-labelledby="examples"><h2 id="examples">Rejected documents</h2>
<details class="more"><summary>${EXAMPLES} of each rule</summary><ol class="samples">${items}</ol></details></section>`;
}
