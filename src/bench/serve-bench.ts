/**
 * What a server adds to the engine: the same work through HTTP streams, and by generate()
 * in the process.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../base/package-root.ts';
import { saveModel } from '../checkpoint/gpt-folder.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig } from '../nn/presets.ts';
import { packSequences } from '../scoring/sequences.ts';
import { tensor } from '../tensor/tensor.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { Prose } from './prose.ts';
import type { LoadOptions, LoadResult } from './serve-load.ts';

const execute = promisify(execFile);

/**
 * Writes a model of random weights with a tokenizer into a folder; the caller removes it.
 * @param vocabSize of the tokenizer at most: its texts may have fewer merges
 * @param rows of the token table; default: the tokenizer's ids
 */
export async function writeBenchModel(preset: string, vocabSize: number, rows?: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    const texts = new Prose(1).documents(400).map(({ text }) => String(text));
    const tokenizer = await Tokenizer.train(texts, { vocabSize, specialTokens: ['<|endoftext|>'] });
    tokenizer.save(folder);
    const model = new Gpt(presetConfig(preset, { vocabSize: rows ?? tokenizer.vocabSize }), { seed: 1 });
    await saveModel(folder, model, { tokenizer: folder });
    model.dispose();
    return folder;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The f32 logits of the last token `[vocabulary]`, by one forward pass without a cache. */
export function forwardLogits(model: Gpt, prompt: Int32Array): Float32Array {
  const last = tensor(Int32Array.from([prompt.length - 1]));
  return model.logits(model.forward(packSequences([prompt])), last).toFloats();
}

/**
 * Runs the clients once, in a process of their own, whose time is not the server's. Throws when one
 * of them does not get its whole answer.
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const program = join(packageRoot, 'dist/bench/serve-load.js');
  const { stdout } = await execute(process.execPath, [program, JSON.stringify(options)]);
  return JSON.parse(stdout) as LoadResult;
}
