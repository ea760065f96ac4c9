/**
 * What a server adds to the engine: the same work through HTTP streams, and by generate()
 * in the process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../base/package-root.ts';
import { saveModel } from '../checkpoint/gpt-folder.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig } from '../nn/presets.ts';
import { packSequences } from '../scoring/sequences.ts';
import { tensor } from '../tensor/tensor.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { Prose } from './prose.ts';
import type { LoadOptions, LoadReply, LoadResult } from './serve-load.ts';

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
 * Clients in a process of their own, whose time is not the server's. It lives through many runs, as
 * clients do: the first one warms it up, and its connections are kept.
 */
export class LoadClients implements Disposable {
  readonly #process: ChildProcess = fork(join(packageRoot, 'dist/bench/serve-load.js'), { execArgv: [] });

  /** One run at a time. Throws when a client does not get its whole answer. */
  run(options: LoadOptions): Promise<LoadResult> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('the clients have ended'));
      child.once('exit', onExit);
      child.once('message', (reply: LoadReply) => {
        child.off('exit', onExit);
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.result);
      });
      child.send(options);
    });
  }

  /** The clients of the run begin no more requests. */
  stop(): void {
    this.#process.send('stop');
  }

  [Symbol.dispose](): void {
    this.#process.disconnect();
  }
}

/** The load under which first tokens are timed. */
export interface FirstTokenLoad {
  /** What clients ask for to keep slots in use. */
  load: Omit<LoadOptions, 'streams'>;
  /** What is timed. */
  probe: LoadOptions;
  slots: number;
}

/** Seconds to first tokens, ascending. */
export interface FirstTokens {
  /** Of prompts that find one slot free, while all others are in use. */
  busy: number[];
  /** Of requests of twice as many clients as slots, most of which wait for one. */
  queued: number[];
}

/** Requests of each client of a queue. */
const QUEUE_ROUNDS = 3;

export async function firstTokensUnderLoad(
  clients: LoadClients,
  { load, probe, slots }: FirstTokenLoad,
): Promise<FirstTokens> {
  const varied = { ...load, variesLength: true };
  using prober = new LoadClients();
  const running = clients.run({ ...varied, streams: slots - 1, rounds: Number.MAX_SAFE_INTEGER });
  // The first one warms up, and the others have their slots after it.
  await prober.run({ ...probe, rounds: 1 });
  const probed = await prober.run({ ...probe, firstPrompt: (probe.firstPrompt ?? 0) + 1 });
  clients.stop();
  await running;
  const queue = await clients.run({ ...varied, streams: 2 * slots, rounds: QUEUE_ROUNDS });
  return { busy: probed.firstTokenSeconds, queued: queue.firstTokenSeconds };
}
