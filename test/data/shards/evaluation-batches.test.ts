import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluationBatches } from '../../../src/data/shards/evaluation-batches.ts';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { defaults, readmes } from '../corpus/corpora.ts';

let root: string;
let dataset: TokenDataset;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-evaluation-'));
  const out = join(root, 'shards');
  await prepareData({ ...defaults, sources: readmes, out, partBytes: 2048, validationSplit: 0.5 });
  dataset = TokenDataset.open(out);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const all = { batchSize: 4, context: 50, maxTokens: Number.POSITIVE_INFINITY };

/** Sequences of all batches, each with its targets. */
function sequences(options: typeof all): string[] {
  return [...evaluationBatches(dataset, options)].flatMap(({ tokens, targets, positions, cuSeqlens }) =>
    [...cuSeqlens.subarray(1)].map((end, i) => {
      const start = cuSeqlens[i]!;
      expect([...positions.slice(start, end)]).toEqual(Array.from({ length: end - start }, (_, p) => p));
      return `${tokens.slice(start, end)} > ${targets.slice(start, end)}`;
    }),
  );
}

describe('evaluation batches', () => {
  it('make each token of a document a target once, and count its bytes', () => {
    const { tokens, documents, bytes } = dataset.manifest.splits.validation;
    const targets: number[] = [];
    let counted = 0;
    for (const batch of evaluationBatches(dataset, all)) {
      expect(batch.tokens.length).toBeLessThanOrEqual(200);
      targets.push(...batch.targets);
      counted += batch.bytes;
    }
    expect(targets).toHaveLength(tokens - documents);
    expect(counted).toBe(bytes);
    const ids = [...dataset.read('validation', 0, tokens)].filter((id) => id !== dataset.manifest.eos_id);
    expect(targets.sort()).toEqual(ids.sort());
  });

  it('count the bytes of what was covered when they stop early', () => {
    const tokenizer = dataset.tokenizer();
    for (const maxTokens of [1, 49, 50, 51, 333, 1000]) {
      let targets = 0;
      for (const batch of evaluationBatches(dataset, { ...all, maxTokens })) {
        targets += batch.targets.length;
        expect(batch.bytes).toBe(tokenizer.decodeBytes(batch.targets).length);
      }
      expect(targets).toBe(maxTokens);
    }
  });

  it('do not depend on the batch size, and the first of them stand for the whole split', () => {
    expect(sequences({ ...all, batchSize: 1 })).toEqual(sequences({ ...all, batchSize: 7 }));
    // Sources follow one another in the shards, so a prefix of the documents would stand for the
    // first source only.
    const heads = [...dataset.documents('validation')].map(({ start, end }) =>
      dataset
        .read('validation', start, Math.min(41, end - start))
        .subarray(0, -1)
        .join(),
    );
    const { tokens } = dataset.manifest.splits.validation;
    const few = sequences({ ...all, maxTokens: Math.floor(tokens / 5) });
    const chosen = heads.flatMap((head, i) => (few.some((row) => row.startsWith(head)) ? [i] : []));
    expect(chosen.length).toBeGreaterThan(1);
    expect(chosen.at(-1)).toBeGreaterThan(2 * chosen.length);
  });

  it('are few for a split without documents, and none is empty', () => {
    for (const { tokens, bytes } of evaluationBatches(dataset, { ...all, batchSize: 1, context: 1 })) {
      expect(tokens).toHaveLength(1);
      expect(bytes).toBeGreaterThan(0);
    }
    expect(() => [...evaluationBatches(dataset, { ...all, context: 0 })]).toThrow(/at least 1 window/);
  });
});
