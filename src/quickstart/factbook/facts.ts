/** The facts of the packaged World Factbook: one value per country and relation. */

import type { Document } from '../../data/document.ts';
import { packagedDocuments } from '../../data/packaged/packaged.ts';
import { relations } from './relations.ts';

export interface Country {
  name: string;
  /** Values by the name of their relation. */
  facts: ReadonlyMap<string, string>;
}

export interface Factbook {
  countries: Country[];
  /** The real text, as packaged. */
  documents: Document[];
  /** All values of each relation, in order of first appearance. */
  values: ReadonlyMap<string, readonly string[]>;
}

/** Fetches and reads the package. Throws as packagedDocuments. */
export async function readFactbook(): Promise<Factbook> {
  const documents: Document[] = [];
  for await (const document of packagedDocuments('factbook')) documents.push(document);
  const countries = documents.flatMap((document) => countryOf(document.text) ?? []);
  const values = new Map(
    relations.map(({ name }) => [
      name,
      [...new Set(countries.flatMap(({ facts }) => facts.get(name) ?? []))],
    ]),
  );
  return { countries, documents, values };
}

/** Undefined for documents about an ocean, a base, an island without a capital, or the world. */
function countryOf(text: string): Country | undefined {
  const lines = text.split('\n');
  const name = lines[0]!.replace(/ \(.*/, '').trim();
  const facts = new Map<string, string>();
  for (const { name: relation, label, read } of relations) {
    const line = lines.find((candidate) => candidate.startsWith(`${label}: `));
    const value = line === undefined ? undefined : read(line.slice(label.length + 2));
    if (value !== undefined) facts.set(relation, value);
  }
  const known = /^[\p{L}][\p{L} '.-]*$/u.test(name) && name !== 'Introduction';
  return known && facts.has('capital') && facts.size >= 6 ? { name, facts } : undefined;
}
