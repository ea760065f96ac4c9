/** How the files of each packaged corpus become documents that read well. */
import type { TarEntry } from './tar.ts';

interface PackagedText {
  id: string;
  text: string;
}

/** State of the Union: one address a document. */
export function* addresses(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const match = /data\/(\d{4}_[a-z_.-]+)\.txt$/i.exec(name);
    if (match) yield { id: match[1]!, text: data.toString('utf8').trim() };
  }
}

/** Moby Dick: one chapter a document. */
export function* chapters(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const match = /data\/(chapter_\d+|etymology|extracts|epilogue)\.txt$/.exec(name);
    if (match) yield { id: match[1]!, text: data.toString('utf8').trim() };
  }
}

// Neighbours in WordNet's files are related in meaning; this many make a page of some 4 KB.
const SYNSETS_A_PAGE = 40;

/** WordNet: pages of a dictionary, `lemma, lemma (noun): gloss` a line. */
export function* glosses(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const part = /dict\/data\.(noun|verb|adj|adv)$/.exec(name)?.[1];
    if (!part) continue;
    const lines = data
      .toString('utf8')
      .split('\n')
      .filter((line) => /^\d{8} /.test(line));
    for (let i = 0; i < lines.length; i += SYNSETS_A_PAGE) {
      const page = lines.slice(i, i + SYNSETS_A_PAGE).map((line) => dictionaryEntry(line, part));
      yield { id: `${part}-${i / SYNSETS_A_PAGE}`, text: page.join('\n') };
    }
  }
}

/** data.* line: offset, file number, type, word count (hex), then words and their lexical ids; the gloss follows " | ". */
function dictionaryEntry(line: string, part: string): string {
  const bar = line.indexOf(' | ');
  const fields = line.slice(0, bar).split(' ');
  const count = Number.parseInt(fields[3]!, 16);
  const words = Array.from({ length: count }, (_, i) =>
    fields[4 + 2 * i]!.replaceAll('_', ' ').replace(/\(\w+\)$/, ''),
  );
  return `${words.join(', ')} (${part}): ${line.slice(bar + 3).trim()}`;
}

type FactNode = string | number | null | { [key: string]: FactNode };

/** World Factbook: one country a document, its name first, then sections of `label: fact` lines. */
export function* countries(entries: Iterable<TarEntry>): Generator<PackagedText> {
  const files = [...entries];
  const summary = files.find(({ name }) => name.endsWith('/SUMMARY.md'))?.data.toString('utf8') ?? '';
  const titles = new Map([...summary.matchAll(/^`(\w\w)` (.+)$/gm)].map(([, code, title]) => [code, title]));
  for (const { name, data } of files) {
    const match = /^package\/([a-z-]+\/([a-z]{2}))\.json$/.exec(name);
    if (!match) continue;
    const sections = JSON.parse(data.toString('utf8')) as Record<string, FactNode>;
    const blocks = Object.entries(sections).map(([section, facts]) => [section, ...factLines(facts, '')]);
    const title = titles.get(match[2]!);
    const text = blocks.filter((lines) => lines.length > 1).map((lines) => lines.join('\n'));
    yield { id: match[1]!, text: [...(title ? [title] : []), ...text].join('\n\n') };
  }
}

/** Leaves without a text are links to maps and pictures. */
function factLines(node: FactNode, label: string): string[] {
  if (node === null) return [];
  if (typeof node !== 'object') {
    // The source separates the parts of a fact by "++".
    const fact = String(node).replaceAll(' ++ ', '; ').trim();
    return [label ? `${label}: ${fact}` : fact];
  }
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'text') return factLines(value, label);
    return factLines(value, label ? `${label}, ${key}` : key);
  });
}
