/** Documents with the probability that a classifier gives them. */
import type { Document } from '../data/document.ts';
import type { Classifier } from './classifier.ts';

/** A document, and the probability that it is of the classifier's class. */
export interface ScoredDocument {
  document: Document;
  score: number;
}

/** Characters of documents that are read together: enough for whole batches. */
const GROUP_CHARS = 1 << 18;

/**
 * The documents in their order, each with its score. They are read in groups, and the score of a
 * document depends on its text alone. Throws as Classifier.probabilities.
 */
export async function* classifyDocuments(
  documents: AsyncIterable<Document> | Iterable<Document>,
  classifier: Classifier,
): AsyncGenerator<ScoredDocument> {
  let group: Document[] = [];
  let characters = 0;
  const score = () => {
    const scores = classifier.probabilities(group);
    const scored = group.map((document, i) => ({ document, score: scores[i]! }));
    group = [];
    characters = 0;
    return scored;
  };
  for await (const document of documents) {
    group.push(document);
    characters += document.text.length;
    if (characters >= GROUP_CHARS) yield* score();
  }
  yield* score();
}
