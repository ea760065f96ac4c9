/** `athanor bench serve`: a server under streams, next to the engine alone. */
import { rmSync } from 'node:fs';
import { quantile } from '../base/statistics.ts';
import type { ModelInfo } from '../serve/protocol/messages.ts';
import { defineCommand } from './command.ts';
import { engineOptions, inGroup, integer, quantizeOption, text } from './options.ts';

const { device, dtype, threads } = engineOptions;

export const serve = defineCommand({
  description:
    'Times a server on this machine under many streams and under one, with its clients, and the engine on as many prompts without a server; also the time to the first token of an idle server, next to a forward pass of as long a prompt; with all other slots in use; and with twice as many clients as slots. The fastest repeat of each counts. The processor time leaves the clients out.',
  options: {
    ...inGroup('Run', { repeats: integer('runs to time of each', { default: 3, min: 1 }) }),
    ...inGroup('Model', {
      model: text('preset of the model', { default: 'nano', placeholder: '<preset>' }),
      vocabSize: integer('size of the vocabulary', { default: 4096, min: 257 }),
    }),
    ...inGroup('Sampling', {
      streams: integer('streams at the same time', { default: 64, min: 1 }),
      promptTokens: integer('tokens per prompt', { default: 8, min: 1 }),
      newTokens: integer('new tokens per stream', { default: 128, min: 2 }),
      firstTokenPrompt: integer('tokens of the prompts whose first token is timed', { default: 200, min: 1 }),
    }),
    ...inGroup('Engine', { quantize: quantizeOption, device, dtype, threads }),
  },
  example: 'bench serve --streams 64',
  async run(options) {
    const { writeBenchModel, LoadClients, firstTokensUnderLoad } = await import('../bench/serve-bench.ts');
    const { serve: start } = await import('../serve/serve.ts');
    const { streams, promptTokens, newTokens, repeats } = options;
    const folder = await writeBenchModel(options.model, options.vocabSize);
    try {
      const server = await start({ ...options, model: folder, name: 'bench', port: 0, batchSize: streams });
      const info = server.model;
      const none = (): number[] => [];
      const seconds = { many: none(), one: none(), engine: none(), first: none(), forward: none() };
      const cpu = { many: none(), engine: none() };
      const engine = await engineRun(folder, info, options);
      const firstTokens = { busy: none(), queued: none() };
      try {
        using clients = new LoadClients();
        const load = { url: server.url, promptTokens, newTokens, ids: options.vocabSize - 1 };
        const first = { ...load, streams: 1, newTokens: 2, promptTokens: options.firstTokenPrompt };
        // The first round warms up. Rounds alternate: neighbours on the machine disturb all alike.
        for (let round = 0; round <= repeats; ++round) {
          const many = await timed(async () => (await clients.run({ ...load, streams })).seconds);
          const one = await clients.run({ ...load, streams: 1 });
          const bare = await timed(engine.run);
          // Other prompts in each round: what is cached would be no measurement.
          const firstPrompt = 1000 + round * (FIRST_TOKENS + BUSY_FIRST_TOKENS + 1);
          const { firstTokenSeconds } = await clients.run({ ...first, rounds: FIRST_TOKENS, firstPrompt });
          const pass = engine.forward(options.firstTokenPrompt, FIRST_TOKENS);
          const probe = { ...first, rounds: BUSY_FIRST_TOKENS, firstPrompt: firstPrompt + FIRST_TOKENS };
          const { busy, queued } = await firstTokensUnderLoad(clients, { load, probe, slots: streams });
          if (round === 0) continue;
          firstTokens.busy.push(...busy);
          firstTokens.queued.push(...queued);
          seconds.first.push(firstTokenSeconds[0]!);
          seconds.forward.push(pass);
          seconds.many.push(many.seconds);
          seconds.one.push(one.seconds);
          seconds.engine.push(bare.seconds);
          cpu.many.push(many.cpuSeconds);
          cpu.engine.push(bare.cpuSeconds);
        }
      } finally {
        engine.dispose();
        await server.close();
      }
      const percentile = (values: readonly number[], p: number) =>
        quantile(
          [...values].sort((a, b) => a - b),
          p,
        ) * 1000;
      const rate = (sequences: number, runs: readonly number[]) =>
        (sequences * newTokens) / Math.min(...runs);
      const served = rate(streams, seconds.many);
      const alone = rate(1, seconds.one);
      const bare = rate(streams, seconds.engine);
      return {
        ...{ model: options.model, dtype: info.dtype, quantize: info.quantize, threads: info.threads },
        streams,
        tokens_per_second: served,
        one_stream_tokens_per_second: alone,
        ratio_to_one_stream: served / alone,
        engine_tokens_per_second: bare,
        cost_over_engine: 1 - served / bare,
        cpu_over_engine: Math.min(...cpu.many) / Math.min(...cpu.engine) - 1,
        first_token_prompt: options.firstTokenPrompt,
        first_token_ms: Math.min(...seconds.first) * 1000,
        forward_pass_ms: Math.min(...seconds.forward) * 1000,
        first_token_over_forward_pass: Math.min(...seconds.first) / Math.min(...seconds.forward),
        busy_first_token_p50_ms: percentile(firstTokens.busy, 0.5),
        busy_first_token_p99_ms: percentile(firstTokens.busy, 0.99),
        queued_clients: 2 * streams,
        queued_first_token_p50_ms: percentile(firstTokens.queued, 0.5),
        queued_first_token_p99_ms: percentile(firstTokens.queued, 0.99),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  render: (r) =>
    [
      `${r.model} ${r.quantize === 'int8' ? 'int8 weights, ' : ''}${r.dtype}, ${r.threads} threads, ${r.streams} streams: ${r.tokens_per_second.toFixed(0)} tok/s, ${r.ratio_to_one_stream.toFixed(1)} times one stream (${r.one_stream_tokens_per_second.toFixed(0)})`,
      `engine alone: ${r.engine_tokens_per_second.toFixed(0)} tok/s; HTTP, scheduler and streaming cost ${(r.cost_over_engine * 100).toFixed(0)} % of the rate and ${(r.cpu_over_engine * 100).toFixed(0)} % more processor time`,
      `idle, a prompt of ${r.first_token_prompt} tokens: first token after ${r.first_token_ms.toFixed(1)} ms, ${r.first_token_over_forward_pass.toFixed(1)} times a forward pass of the prompt (${r.forward_pass_ms.toFixed(1)} ms)`,
      `one slot free, the same: first token after ${r.busy_first_token_p50_ms.toFixed(1)} ms (p99 ${r.busy_first_token_p99_ms.toFixed(1)})`,
      `${r.queued_clients} clients: first token after ${r.queued_first_token_p50_ms.toFixed(0)} ms (p99 ${r.queued_first_token_p99_ms.toFixed(0)}), the wait for a slot included`,
    ].join('\n'),
});

/** Prompts per round whose first token is timed. */
const FIRST_TOKENS = 8;
/** The same while all slots but one are in use. */
const BUSY_FIRST_TOKENS = 24;

/** The seconds that a run reports, and the processor time of this process meanwhile. */
async function timed(run: () => Promise<number>): Promise<{ seconds: number; cpuSeconds: number }> {
  const before = process.cpuUsage();
  const seconds = await run();
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/**
 * The engine without a server: run() gives the seconds of generate() on as many prompts, and
 * forward() those of the fastest of several forward passes of one prompt, with its logits.
 */
async function engineRun(
  folder: string,
  { dtype, device, quantize }: Pick<ModelInfo, 'dtype' | 'device' | 'quantize'>,
  {
    streams,
    promptTokens,
    newTokens,
    vocabSize,
  }: { streams: number; promptTokens: number; newTokens: number; vocabSize: number },
): Promise<{ run(): Promise<number>; forward(tokens: number, passes: number): number; dispose(): void }> {
  const { setDevice } = await import('../native/engine.ts');
  const { loadModel } = await import('../checkpoint/gpt-folder.ts');
  const { generate } = await import('../generate/generate.ts');
  const { quantizeForDecoding } = await import('../nn/quantized-weights.ts');
  const { randomBatch } = await import('../bench/train-bench.ts');
  const { forwardLogits } = await import('../bench/serve-bench.ts');
  const { noGrad } = await import('../tensor/autograd.ts');
  const { scope } = await import('../tensor/tensor.ts');
  setDevice(device, { dtype });
  const model = loadModel(folder, { dtype });
  const quantized = quantize === 'int8' ? quantizeForDecoding(model) : undefined;
  const { tokens } = randomBatch(vocabSize - 1, streams, promptTokens);
  const prompts = Array.from({ length: streams }, (_, i) =>
    tokens.slice(i * promptTokens, (i + 1) * promptTokens),
  );
  return {
    run: async () => {
      const startedAt = performance.now();
      await generate(model, prompts, { maxTokens: newTokens, batchSize: streams, seed: 1 });
      return (performance.now() - startedAt) / 1000;
    },
    forward: (length, passes) => {
      const prompt = randomBatch(vocabSize - 1, 1, length).tokens;
      const times = Array.from({ length: passes }, () => {
        const startedAt = performance.now();
        noGrad(() => scope(() => forwardLogits(model, prompt)));
        return (performance.now() - startedAt) / 1000;
      });
      return Math.min(...times);
    },
    dispose: () => {
      quantized?.dispose();
      model.dispose();
    },
  };
}
