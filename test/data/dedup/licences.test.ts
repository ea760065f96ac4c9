/**
 * Real near duplicates: licence texts, which packages copy with a line of their own. Every pair is
 * compared by its exact similarity, which the test computes itself.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import { comparedWords, matchProbability } from '../../../src/data/dedup/minhash.ts';
import { findNearDuplicates } from '../../../src/data/dedup/near-duplicates.ts';

/** Sentences that only one kind of licence has. */
const kinds = {
  mit: /permission is hereby granted, free of charge, to any person obtaining a copy/i,
  isc: /permission to use, copy, modify, and(\/or)? distribute this software for any purpose/i,
  bsd: /redistribution and use in source and binary forms/i,
  apache: /"Licensor" shall mean the copyright owner/,
  mpl: /mozilla public license version 2.0/i,
  oak: /blue oak model license/i,
};
const kindsOf = (text: string) =>
  Object.entries(kinds).flatMap(([kind, sign]) => (sign.test(text.replace(/\s+/g, ' ')) ? [kind] : []));

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Different licence texts of one kind each: a file of several is near to none or to many. */
function licences(): string[] {
  const modules = join(packageRoot, 'node_modules');
  const folders = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => join(name, inner)) : [name],
  );
  const texts = folders.sort().flatMap((folder) =>
    namesIn(join(modules, folder))
      .filter((name) => /^licen[sc]e(\.md|\.txt)?$/i.test(name))
      .map((name) => readFileSync(join(modules, folder, name), 'utf8')),
  );
  return [...new Set(texts)].filter((text) => kindsOf(text).length === 1 && text.length < 30_000);
}

function shingles(text: string): Set<string> {
  const words = comparedWords(text).split(' ');
  return new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')));
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let common = 0;
  for (const shingle of a) if (b.has(shingle)) common += 1;
  return common / (a.size + b.size - common);
}

it('licence texts are found as often as their similarity says, and each kind by itself', async () => {
  const texts = licences();
  expect(texts.length).toBeGreaterThan(30);
  const found = await findNearDuplicates(texts.map((text) => ({ text })));
  const sets = texts.map(shingles);
  let [pairs, together, expected, variance] = [0, 0, 0, 0];
  for (let a = 0; a < texts.length; a++) {
    for (let b = 0; b < a; b++) {
      const same = found.cluster(a) !== undefined && found.cluster(a) === found.cluster(b);
      // Precision: licences of two kinds share too little for any chain of matches.
      if (same) expect(kindsOf(texts[a]!)).toEqual(kindsOf(texts[b]!));
      if (kindsOf(texts[a]!)[0] !== kindsOf(texts[b]!)[0]) continue;
      const similarity = jaccard(sets[a]!, sets[b]!);
      if (similarity < 0.8) continue;
      const probability = matchProbability(similarity);
      pairs += 1;
      together += same ? 1 : 0;
      expected += probability;
      variance += probability * (1 - probability);
    }
  }
  expect(pairs).toBeGreaterThan(100);
  // A cluster also joins pairs through others, so more may be together than match by themselves.
  expect(together).toBeGreaterThan(expected - 4 * Math.sqrt(variance) - 1);
});
