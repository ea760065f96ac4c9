/**
 * Sampling throughput with the KV cache, compared with a bound: the time to read the weights and
 * the cache once per step, at the speed of reading that is measured around the runs.
 */

import { generate } from '../generate/generate.ts';
import type { DType } from '../native/binding.ts';
import { type ModelConfig, parameterCount } from '../nn/config.ts';
import { Gpt } from '../nn/gpt.ts';
import { type Quantization, quantizeForDecoding } from '../nn/quantized-weights.ts';
import { type PeakMeter, readingMeter } from './peak.ts';
import { randomBatch } from './train-bench.ts';

export interface GenerateBenchOptions {
  config: ModelConfig;
  batchSize: number;
  promptTokens: number;
  newTokens: number;
  dtype: DType;
  /** With int8, runs with the model's own weights are timed in turn with those of int8 weights. */
  quantize?: Quantization;
  repeats: number;
  /** Makes what measures the bandwidth to a working set of so many bytes. */
  bandwidth?: (bytes: number) => PeakMeter;
}

export interface GenerateBenchResult {
  tokensPerSecond: number;
  /** Tokens per second if each step only read every weight and the cached keys and values once. */
  boundTokensPerSecond: number;
  /**
   * The bound divided by the measured rate: 1 is perfect. Undefined where the machine was too
   * restless to tell.
   */
  timesBound: number | undefined;
  /** See PeakShare. */
  spread: number;
  /** With int8 weights: the rate of the model's own weights in the same runs. */
  ownTokensPerSecond: number | undefined;
}

export async function benchGeneration(options: GenerateBenchOptions): Promise<GenerateBenchResult> {
  const { config, batchSize, promptTokens, newTokens, dtype } = options;
  const model = new Gpt(config, { dtype, seed: 1 });
  const { tokens } = randomBatch(config.vocabSize, batchSize, promptTokens);
  const prompts = Array.from({ length: batchSize }, (_, i) =>
    tokens.slice(i * promptTokens, (i + 1) * promptTokens),
  );
  const bytes = bytesPerStep(options);
  const meter = (options.bandwidth ?? readingMeter)(bytes);
  const run = async () => {
    const startedAt = performance.now();
    await generate(model, prompts, { maxTokens: newTokens, batchSize, seed: 1 });
    const seconds = (performance.now() - startedAt) / 1000;
    meter.measure();
    return seconds;
  };
  const quantized = async () => {
    using _ = quantizeForDecoding(model);
    // Not the bare promise: the weights would be gone before the run.
    return await run();
  };
  const isQuantized = options.quantize === 'int8';
  const seconds: number[] = [];
  const own: number[] = [];
  // The first round warms up.
  for (let i = 0; i <= options.repeats; ++i) {
    const [first, second] = isQuantized ? [await quantized(), await run()] : [await run(), undefined];
    if (i === 0) continue;
    seconds.push(first);
    if (second !== undefined) own.push(second);
  }
  model.dispose();
  const rate = (times: readonly number[]) => (batchSize * newTokens) / Math.min(...times);
  const tokensPerSecond = rate(seconds);
  const bytesPerToken = bytes / batchSize;
  const { peak, share, spread } = meter.shareOf(tokensPerSecond * bytesPerToken);
  const timesBound = share === undefined ? undefined : 1 / share;
  const ownTokensPerSecond = isQuantized ? rate(own) : undefined;
  const boundTokensPerSecond = peak / bytesPerToken;
  return { tokensPerSecond, boundTokensPerSecond, timesBound, spread, ownTokensPerSecond };
}

function bytesPerStep(options: GenerateBenchOptions): number {
  const { config, batchSize, promptTokens, newTokens, dtype, quantize } = options;
  const elementBytes = dtype === 'bf16' ? 2 : 4;
  const meanLength = promptTokens + newTokens / 2;
  const cached = 2 * config.layers * config.kvHeads * config.headDim * meanLength * batchSize;
  // A step reads single rows of the token and position tables. A tied head reads the
  // whole token table.
  const tables = config.positionTable ? config.contextLength * config.hiddenSize : 0;
  const untied = config.tiedHead ? 0 : config.vocabSize * config.hiddenSize;
  const weights = parameterCount(config) - tables - untied;
  // Biases and gains, which stay as they are, are less than 1 % of the weights.
  return weights * (quantize === 'int8' ? 1 : elementBytes) + cached * elementBytes;
}
