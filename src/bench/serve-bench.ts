/**
 * What a server adds to the engine: the same work through HTTP streams, and by generate()
 * in the process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../base/package-root.ts';
import { saveModel } from '../checkpoint/gpt-folder.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig } from '../nn/presets.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { Prose } from './prose.ts';
import type { LoadOptions, LoadResult } from './serve-load.ts';

/** Writes a model of random weights with a tokenizer into a folder; the caller removes it. */
export async function writeBenchModel(preset: string, vocabSize: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    const texts = new Prose(1).documents(400).map(({ text }) => String(text));
    const tokenizer = await Tokenizer.train(texts, { vocabSize, specialTokens: ['<|endoftext|>'] });
    tokenizer.save(folder);
    const model = new Gpt(presetConfig(preset, { vocabSize: tokenizer.vocabSize }), { seed: 1 });
    await saveModel(folder, model, { tokenizer: folder });
    model.dispose();
    return folder;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Runs the clients once. Throws when one of them does not get its whole answer. */
export function runLoad(options: LoadOptions): Promise<LoadResult> {
  // A thread runs compiled code: Node 20 cannot start one from TypeScript.
  const program = join(packageRoot, 'dist/bench/serve-load.js');
  return new Promise((resolve, reject) => {
    const worker = new Worker(program, { workerData: options });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}
