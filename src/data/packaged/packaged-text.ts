/** Turns the files of each packaged corpus into documents of readable text. */
import type { TarEntry } from './tar.ts';

interface PackagedText {
  id: string;
  text: string;
}

/** State of the Union: one address per document. */
export function* addresses(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const match = /data\/(\d{4}_[a-z_.-]+)\.txt$/i.exec(name);
    if (match) yield { id: match[1]!, text: data.toString('utf8').trim() };
  }
}

/** Moby Dick: one chapter per document. */
export function* chapters(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const match = /data\/(chapter_\d+|etymology|extracts|epilogue)\.txt$/.exec(name);
    if (match) yield { id: match[1]!, text: data.toString('utf8').trim() };
  }
}

// Neighbours in the files of WordNet are related in meaning. This many make a page of about 4 KB.
const SYNSETS_PER_PAGE = 40;

/** WordNet: pages of a dictionary with one entry per line, `lemma, lemma (noun): gloss`. */
export function* glosses(entries: Iterable<TarEntry>): Generator<PackagedText> {
  for (const { name, data } of entries) {
    const part = /dict\/data\.(noun|verb|adj|adv)$/.exec(name)?.[1];
    if (!part) continue;
    const lines = data
      .toString('utf8')
      .split('\n')
      .filter((line) => /^\d{8} /.test(line));
    for (let i = 0; i < lines.length; i += SYNSETS_PER_PAGE) {
      const page = lines.slice(i, i + SYNSETS_PER_PAGE).map((line) => dictionaryEntry(line, part));
      yield { id: `${part}-${i / SYNSETS_PER_PAGE}`, text: page.join('\n') };
    }
  }
}

/**
 * The entry of a line of data.*. The line has an offset, a file number, a type, the number of words
 * in hexadecimal, then each word with its lexical id; the gloss follows " | ".
 */
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

/**
 * World Factbook: one country per document. It begins with the name; then come sections of
 * `label: fact` lines.
 */
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
