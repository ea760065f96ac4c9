/** Training throughput on random tokens: forward, backward, clip and AdamW, as in a real step. */
import { GradientBuckets } from '../comm/buckets.ts';
import { selfCommunicator } from '../comm/self-communicator.ts';
import { type PackedTokens, TokenBatch } from '../data/token-batch.ts';
import { native } from '../native/addon.ts';
import type { FrozenFormat } from '../native/binding/frozen.ts';
import type { DType } from '../native/binding.ts';
import { flopsPerToken, type ModelConfig } from '../nn/config.ts';
import type { WeightDType } from '../nn/decoder.ts';
import { Gpt } from '../nn/gpt.ts';
import { attachLora } from '../nn/lora.ts';
import { AdamW } from '../optim/adamw.ts';
import { backward } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { type PeakMeter, type PeakShare, timeRepeats } from './peak.ts';

export interface TrainBenchOptions {
  config: ModelConfig;
  batchSize: number;
  context: number;
  dtype: DType;
  weights?: WeightDType;
  /** Rank of LoRA adapters on all projections; 0, the default, trains the whole model. */
  loraRank?: number;
  /** Form of the frozen projections under adapters. */
  baseDtype?: FrozenFormat | undefined;
  /** Recompute activations in the backward pass. */
  gradientCheckpointing?: boolean;
  steps: number;
  warmup: number;
  seed: number;
  /** Measures the FLOP/s that the machine can do, around every step. */
  peak: PeakMeter;
}

export interface TrainBenchResult {
  /** Tokens per second of the fastest step: the speed of the machine when nothing else runs. */
  tokensPerSecond: number;
  /** Mean over all timed steps. */
  meanTokensPerSecond: number;
  flopsPerSecond: number;
  /** flopsPerSecond against the peak. */
  ofPeak: PeakShare;
  parameters: number;
  /** The largest amount of memory that tensors held at the same time. */
  peakBytes: number;
  seconds: number[];
}

export function benchTraining(options: TrainBenchOptions): TrainBenchResult {
  const { config, batchSize, context, dtype, weights, seed, loraRank: rank = 0 } = options;
  const { baseDtype: frozenProjections, gradientCheckpointing: checkpointActivations = false } = options;
  const model = new Gpt(config, { dtype, weights, seed, frozenProjections, checkpointActivations });
  const adapters = rank > 0 ? attachLora(model, { rank, alpha: 16, targets: ['all'], seed }) : undefined;
  const trained = adapters?.parameters() ?? model.parameters();
  const optimizer = new AdamW(trained, { seed });
  const buckets = new GradientBuckets([...trained.values()], selfCommunicator);
  const packed = randomBatch(config.vocabSize, batchSize, context);
  const tokens = batchSize * context;
  const step = () => {
    scope(() => {
      const { input, targets } = new TokenBatch(packed);
      backward(model.loss(input, targets, { scale: 1 / tokens }).loss);
    });
    const norm = optimizer.gradNorm();
    optimizer.step(1e-4, norm > 1 ? 1 / norm : 1);
    buckets.release();
  };
  for (let i = 0; i < options.warmup; ++i) step();
  native.resetPeakMemory();
  const seconds = timeRepeats(options.steps, step, () => options.peak.measure());
  const parameters = model.parameterCount();
  const peakBytes = native.memoryStats()[1];
  buckets.dispose();
  optimizer.dispose();
  adapters?.dispose();
  model.dispose();
  const tokensPerSecond = tokens / Math.min(...seconds);
  const flops = flopsPerToken(config, context, rank > 0 ? 'adapters' : 'training');
  const flopsPerSecond = tokensPerSecond * flops;
  return {
    tokensPerSecond,
    meanTokensPerSecond: (tokens * seconds.length) / seconds.reduce((a, b) => a + b, 0),
    flopsPerSecond,
    ofPeak: options.peak.shareOf(flopsPerSecond),
    parameters,
    peakBytes,
    seconds,
  };
}

/** Random tokens in sequences of equal length. The targets are random too, which costs the same. */
export function randomBatch(vocabSize: number, batchSize: number, context: number): PackedTokens {
  const n = batchSize * context;
  // A multiplicative generator is random enough to defeat caches.
  let state = 12345;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % vocabSize;
  };
  return {
    tokens: Int32Array.from({ length: n }, next),
    targets: Int32Array.from({ length: n }, next),
    positions: Int32Array.from({ length: n }, (_, i) => i % context),
    cuSeqlens: Int32Array.from({ length: batchSize + 1 }, (_, i) => i * context),
  };
}
