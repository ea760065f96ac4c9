/**
 * The results that scripts/record-torch.py recorded for a small model in PyTorch, by
 * Athanor's parameter names.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/base/package-root.ts';
import { readDescription, readModelFiles } from '../../src/checkpoint/load-model.ts';
import { SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import type { TensorData } from '../../src/checkpoint/tensor-data.ts';
import type { ModelConfig } from '../../src/nn/config.ts';

const recordings = join(packageRoot, 'test/fixtures/torch');

export type F32Data = Extract<TensorData, { dtype: 'f32' }>;

/** The language models that scripts/record-torch.py recorded. */
export const recordedModels: readonly string[] = readdirSync(recordings).filter((name) =>
  existsSync(join(recordings, name, 'final.safetensors')),
);

export interface TorchFixture {
  /** The Hugging Face folder that save_pretrained wrote. */
  folder: string;
  config: ModelConfig;
  /** Before training, f32. */
  parameters: Map<string, F32Data>;
  steps: number;
  batch: number;
  length: number;
  /** Inputs and targets of each step: `batch` sequences of `length`, flat. */
  tokens: Int32Array[];
  targets: Int32Array[];
  /**
   * Of the first batch before training: [batch * length, vocabulary], flat, and the mean loss
   * over all tokens.
   */
  logits: Float32Array;
  loss: number;
  gradients: Map<string, F32Data>;
  /** Of the ten steps; the norms are before clipping to 1. */
  losses: Float32Array;
  gradientNorms: Float32Array;
  finalParameters: Map<string, F32Data>;
}

export const torchOptimizer = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  /** On parameters of two dimensions or more. */
  weightDecay: 0.1,
  maxNorm: 1,
};

export function loadTorchFixture(architecture: string): TorchFixture {
  const folder = join(recordings, architecture);
  const load = (weights: string) => readModelFiles(folder, weights).parameters as Map<string, F32Data>;
  using record = SafetensorsFile.open(join(folder, 'record.safetensors'));
  const [steps = 0, batch = 0, length = 0] = record.read('tokens').shape;
  const split = (name: string) => {
    const { data } = record.read(name) as Extract<TensorData, { dtype: 'i32' }>;
    const size = batch * length;
    return Array.from({ length: steps }, (_, i) => data.slice(i * size, (i + 1) * size));
  };
  const floats = (name: string) => record.read(name).data as Float32Array;
  return {
    folder,
    config: readDescription(folder).config,
    parameters: load('model.safetensors'),
    steps,
    batch,
    length,
    tokens: split('tokens'),
    targets: split('targets'),
    logits: floats('logits'),
    loss: floats('loss')[0]!,
    gradients: load('gradients.safetensors'),
    losses: floats('losses'),
    gradientNorms: floats('grad_norms'),
    finalParameters: load('final.safetensors'),
  };
}
