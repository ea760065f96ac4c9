/** `athanor bench kernels|train|generate`: speed against the peak of the machine and PyTorch. */
import type { ModelConfig } from '../nn/config.ts';
import { defineCommand } from './command.ts';
import { type Engine, prepareEngine } from './engine.ts';
import { choice, engineOptions, flag, inGroup, integer, quantizeOption, text } from './options.ts';
import { baseDtypeOption, paramDtypeOption } from './training-options.ts';

const shapeOptions = {
  ...inGroup('Run', {
    peer: choice(
      'also time the same shapes in PyTorch; with LoRA in transformers and peft',
      ['none', 'torch'],
      { default: 'none' },
    ),
  }),
  ...inGroup('Model', {
    model: text('preset of the model', { default: 'nano', placeholder: '<preset>' }),
    vocabSize: integer("size of the vocabulary (default: the preset's)", { min: 2 }),
  }),
};

async function configOf(
  preset: string,
  context: number | undefined,
  vocabSize: number | undefined,
): Promise<ModelConfig> {
  const { presetConfig } = await import('../nn/presets.ts');
  return presetConfig(preset, {
    ...(context && { contextLength: context }),
    ...(vocabSize && { vocabSize }),
  });
}

function torchShape(config: ModelConfig, engine: Engine, batchSize: number) {
  return {
    batch: batchSize,
    context: config.contextLength,
    vocab: config.vocabSize,
    width: config.hiddenSize,
    layers: config.layers,
    heads: config.heads,
    device: engine.device,
    threads: engine.threads,
    dtype: engine.dtype,
  };
}

const gflops = (value: number) => `${(value / 1e9).toFixed(0)} GFLOP/s`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

export const kernels = defineCommand({
  description:
    'Shows the fastest repeat of each kernel as a rate, and as a share of the best peak that is measured between the kernels.',
  options: {
    ...inGroup('Run', {
      repeats: integer('runs per kernel', { default: 15, min: 1 }),
      filter: text('time only kernels whose name contains this', { placeholder: '<name>' }),
    }),
    device: engineOptions.device,
    threads: engineOptions.threads,
  },
  example: 'bench kernels --filter gemm',
  async run(options) {
    const engine = await prepareEngine({ ...options, dtype: 'auto' });
    const { benchKernels, peakMeters } = await import('../bench/kernel-bench.ts');
    const { restlessNote } = await import('../bench/peak.ts');
    const meters = peakMeters();
    const results = benchKernels(meters, options.repeats, options.filter);
    return {
      threads: engine.threads,
      peak_flops_per_second: meters.f32.best,
      peak_bf16_flops_per_second: meters.bf16.best,
      bandwidth: meters.bandwidth.best,
      note: results.some(({ share }) => share === undefined) ? `a share of ?: ${restlessNote}` : null,
      kernels: results.map(({ name, dtype, shape, seconds, rate, unit, share }) => ({
        name,
        dtype,
        shape,
        seconds,
        rate,
        unit,
        share: share ?? null,
      })),
    };
  },
  render: ({ peak_flops_per_second, peak_bf16_flops_per_second, bandwidth, note, kernels: results }) =>
    [
      `peak ${gflops(peak_flops_per_second)} f32, ${gflops(peak_bf16_flops_per_second)} bf16, copy ${(bandwidth / 1e9).toFixed(1)} GB/s`,
      ...results.map(({ name, dtype, shape, seconds, rate, unit, share }) => {
        const speed = unit === 'flop' ? gflops(rate) : `${(rate / 1e9).toFixed(1)} GB/s`;
        return `${name.padEnd(20)} ${dtype.padEnd(5)} ${shape.padEnd(32)} ${(seconds * 1e3).toFixed(3).padStart(9)} ms ${speed.padStart(12)} ${(share === null ? '? %' : percent(share)).padStart(6)}`;
      }),
      ...(note === null ? [] : [note]),
    ].join('\n'),
});

function loraText({ lora_rank, base_dtype }: { lora_rank: number; base_dtype: string | null }): string {
  if (lora_rank === 0) return '';
  return `, LoRA of rank ${lora_rank}${base_dtype === null ? '' : ` over ${base_dtype}`}`;
}

export const train = defineCommand({
  description: 'Times whole training steps on random tokens: forward, backward, clipping and AdamW.',
  options: {
    ...inGroup('Run', {
      steps: integer('steps to time', { default: 10, min: 1 }),
      warmupSteps: integer('untimed steps before them', { default: 3, min: 0 }),
    }),
    ...shapeOptions,
    ...inGroup('Model', {
      paramDtype: paramDtypeOption,
      loraRank: integer('rank of LoRA adapters on all projections (0: train the whole model)', {
        default: 0,
        min: 0,
      }),
      baseDtype: baseDtypeOption,
      gradientCheckpointing: flag('recompute activations in the backward pass to save memory'),
    }),
    ...inGroup('Data', {
      batchSize: integer('sequences per batch', { default: 8, min: 1 }),
      context: integer('tokens per sequence', { default: 256, min: 2 }),
    }),
    ...engineOptions,
  },
  example: 'bench train --model gpt2 --batch-size 4 --dtype bf16 --peer torch',
  async run(options) {
    const engine = await prepareEngine(options);
    const { benchTraining } = await import('../bench/train-bench.ts');
    const { checkBase } = await import('../train/loop/chat-model.ts');
    const { flopsMeter, restlessNote } = await import('../bench/peak.ts');
    const { runPeftPeer, runTorchPeer } = await import('../bench/peer.ts');
    checkBase(options);
    const config = await configOf(options.model, options.context, options.vocabSize);
    const { batchSize, context, steps, warmupSteps: warmup, paramDtype: weights, seed } = options;
    const { loraRank, baseDtype, gradientCheckpointing } = options;
    const { dtype, device, threads } = engine;
    const peak = flopsMeter(dtype);
    const result = benchTraining({
      ...{ config, batchSize, context, dtype, weights, steps, warmup, seed, peak },
      ...{ loraRank, baseDtype, gradientCheckpointing },
    });
    const timePeer = () => {
      if (loraRank === 0) {
        return runTorchPeer('train', {
          ...torchShape(config, engine, batchSize),
          steps,
          warmup,
          compile: true,
        });
      }
      const run = { batch: batchSize, context, steps, warmup, threads, rank: loraRank, dtype, device };
      return runPeftPeer(config, { ...run, checkpointing: gradientCheckpointing });
    };
    const peer = options.peer === 'torch' ? Number(timePeer().tokens_per_second) : null;
    return {
      model: options.model,
      parameters: result.parameters,
      dtype,
      param_dtype: weights,
      lora_rank: loraRank,
      base_dtype: baseDtype ?? null,
      threads,
      tokens_per_second: result.tokensPerSecond,
      mean_tokens_per_second: result.meanTokensPerSecond,
      flops_per_second: result.flopsPerSecond,
      peak_flops_per_second: result.ofPeak.peak,
      peak_spread: result.ofPeak.spread,
      share_of_peak: result.ofPeak.share ?? null,
      note: result.ofPeak.share === undefined ? restlessNote : null,
      peak_bytes: result.peakBytes,
      resident_bytes: process.memoryUsage.rss(),
      torch_tokens_per_second: peer,
      ratio_to_torch: peer === null ? null : result.tokensPerSecond / peer,
    };
  },
  render: (r) =>
    [
      `${r.model} (${(r.parameters / 1e6).toFixed(1)}M) ${r.dtype}${loraText(r)}, ${r.threads} threads: ${r.tokens_per_second.toFixed(0)} tok/s`,
      `${gflops(r.flops_per_second)}, ${r.share_of_peak === null ? 'no share' : percent(r.share_of_peak)} of the measured peak; tensors ${(r.peak_bytes / 2 ** 20).toFixed(0)} MiB, resident ${(r.resident_bytes / 2 ** 20).toFixed(0)} MiB`,
      ...(r.note === null ? [] : [r.note]),
      ...(r.ratio_to_torch === null
        ? []
        : [
            `${r.lora_rank > 0 ? 'peft' : 'PyTorch'}: ${r.torch_tokens_per_second!.toFixed(0)} tok/s; ratio ${r.ratio_to_torch.toFixed(2)}`,
          ]),
    ].join('\n'),
});

export const generate = defineCommand({
  description:
    'Times sampling with the KV cache. The bound is the time to read the weights and the cache once per step, at the best speed of reading that is measured around the runs.',
  options: {
    ...inGroup('Run', { repeats: integer('runs to time', { default: 3, min: 1 }) }),
    ...shapeOptions,
    ...inGroup('Sampling', {
      batchSize: integer('sequences per batch', { default: 1, min: 1 }),
      promptTokens: integer('tokens per prompt', { default: 8, min: 1 }),
      newTokens: integer('new tokens per sequence', { default: 128, min: 1 }),
    }),
    ...inGroup('Engine', { quantize: quantizeOption }),
    ...engineOptions,
  },
  example: 'bench generate --vocab-size 4096 --batch-size 64',
  async run(options) {
    const engine = await prepareEngine(options);
    const { benchGeneration } = await import('../bench/generate-bench.ts');
    const { checkQuantization } = await import('../nn/quantized-weights.ts');
    const { restlessNote } = await import('../bench/peak.ts');
    const { runTorchPeer } = await import('../bench/peer.ts');
    const config = await configOf(options.model, undefined, options.vocabSize);
    const { batchSize, promptTokens, newTokens, repeats, quantize } = options;
    checkQuantization(quantize);
    const result = await benchGeneration({
      config,
      batchSize,
      promptTokens,
      newTokens,
      dtype: engine.dtype,
      quantize,
      repeats,
    });
    const flags = {
      ...torchShape(config, engine, batchSize),
      prompt: promptTokens,
      'new-tokens': newTokens,
      steps: repeats,
    };
    const peer = options.peer === 'torch' ? Number(runTorchPeer('generate', flags).tokens_per_second) : null;
    return {
      model: options.model,
      dtype: engine.dtype,
      batch_size: batchSize,
      quantize,
      tokens_per_second: result.tokensPerSecond,
      own_weights_tokens_per_second: result.ownTokensPerSecond ?? null,
      bound_tokens_per_second: result.boundTokensPerSecond,
      bandwidth_spread: result.spread,
      times_bound: result.timesBound ?? null,
      note: result.timesBound === undefined ? restlessNote : null,
      torch_tokens_per_second: peer,
      ratio_to_torch: peer === null ? null : result.tokensPerSecond / peer,
    };
  },
  render: (r) =>
    [
      `${r.model} ${r.quantize === 'int8' ? 'int8 weights, ' : ''}${r.dtype}, batch ${r.batch_size}: ${r.tokens_per_second.toFixed(0)} tok/s, the bandwidth bound of ${r.bound_tokens_per_second.toFixed(0)} is ${r.times_bound === null ? 'not certain' : `${r.times_bound.toFixed(2)} times that`}`,
      ...(r.own_weights_tokens_per_second === null
        ? []
        : [
            `${r.dtype} weights: ${r.own_weights_tokens_per_second.toFixed(0)} tok/s; int8 is ${(r.tokens_per_second / r.own_weights_tokens_per_second).toFixed(2)} times that`,
          ]),
      ...(r.note === null ? [] : [r.note]),
      ...(r.ratio_to_torch === null
        ? []
        : [
            `transformers: ${r.torch_tokens_per_second!.toFixed(0)} tok/s; ratio ${r.ratio_to_torch.toFixed(1)}`,
          ]),
    ].join('\n'),
});
