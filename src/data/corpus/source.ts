/** Sources of a corpus that have a name and options of their own. */
import type { CorpusItem } from '../document.ts';
import { isPackagedName, partsOf } from '../packaged/packaged.ts';
import type { CorpusOptions } from './corpus.ts';

/** A file, folder, pattern, packaged corpus or standard input (`-`), with options of its own. */
export interface CorpusSource extends Omit<CorpusOptions, 'stdinFormat' | 'stdinFile'> {
  /** As readCorpus takes it. */
  path: string;
  /** The name that its documents are counted under. Default: the path. */
  name?: string | undefined;
}

/** The path or packaged name of a source. */
export const pathOf = (source: string | CorpusSource) => (typeof source === 'string' ? source : source.path);

/** The names that the documents of these sources are counted under, in the order of reading. */
export function sourceNames(sources: readonly (string | CorpusSource)[]): string[] {
  const names = sources.flatMap((source): readonly string[] => {
    const path = pathOf(source);
    const name = typeof source === 'string' ? undefined : source.name;
    if (name !== undefined) return [name];
    return isPackagedName(path) ? partsOf(path) : [path];
  });
  return [...new Set(names)];
}

/** The items, with their documents counted under a name, if there is one. */
export async function* renamed(
  items: AsyncIterable<CorpusItem>,
  source: string | undefined,
): AsyncGenerator<CorpusItem> {
  for await (const item of items) {
    yield source !== undefined && 'document' in item ? { document: { ...item.document, source } } : item;
  }
}
