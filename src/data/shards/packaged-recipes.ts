/** Recipes of published corpora, by name. Each lacks only its sources. */

const fineweb = `
# FineWeb (arXiv 2406.17557, datatrove's examples/fineweb.py). It scored languages with fastText,
# and its limit of 0.65 has no meaning for the scores of this filter. It hashed shingles with SHA-1.
filters:
  - language: {languages: en}
  - gopher-repetition
  - gopher-quality
  - c4: {terminal-punctuation: off}
  - fineweb
  - pii: {phone: off, card: off}
dedup: minhash
dedup-ngram: 5
dedup-bands: 14
dedup-rows: 8
`;

const c4 = `
# C4 (arXiv 1910.10683). It also dropped pages with a word of a list: add "word-list: {file: FILE}".
# It removed spans of three sentences that stood before; here lines stand for them.
filters:
  - language: {languages: en}
  - c4
dedup: exact-line
`;

const gopher = `
# MassiveText (arXiv 2112.11446): documents of one language, the rules of quality and repetition,
# and near duplicates by shingles of 13 words at a similarity of about 0.8, where 20 bands of 13
# hashes have their steepest step. It also removed its test sets: add "decontaminate: [FILE]".
filters:
  - language: {languages: en}
  - gopher-quality
  - gopher-repetition
dedup: minhash
dedup-ngram: 13
dedup-bands: 20
dedup-rows: 13
`;

/** The name of a packaged recipe. */
export type PackagedRecipe = 'fineweb' | 'c4' | 'gopher';
/** YAML by name. */
export const packagedRecipes: Readonly<Record<PackagedRecipe, string>> = { fineweb, c4, gopher };
/** The names of the packaged recipes. */
export const packagedRecipeNames = Object.keys(packagedRecipes) as readonly PackagedRecipe[];
