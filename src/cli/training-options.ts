/** Options that every training stage has, with one meaning and one default. */
import { choice, flag, integer, number } from './options.ts';

export const trainingOptions = {
  steps: integer('optimizer steps in all', { min: 1 }),
  gradAccum: integer('batches summed into one update', { default: 1, min: 1 }),
  lr: number('peak learning rate (default: by model size)', { min: 0, exclusive: true }),
  schedule: choice('course of the learning rate', ['cosine', 'wsd', 'linear', 'constant'], {
    default: 'cosine',
  }),
  warmup: integer('steps of linear warm-up', { default: 50, min: 0 }),
  finalLr: number('learning rate at the end, as a share of the peak', { default: 0.1, min: 0, max: 1 }),
  decay: number('wsd: share of the run in which the rate decays', { default: 0.2, min: 0, max: 1 }),
  weightDecay: number('decoupled weight decay of matrices', { default: 0.1, min: 0 }),
  clip: number('largest gradient norm (0: no clipping)', { default: 1, min: 0 }),
  onSpike: choice('what to do when loss or gradient norm jumps', ['warn', 'skip', 'stop'], {
    default: 'warn',
  }),
  spikeThreshold: number('standard deviations that count as a jump', { default: 6, min: 0, exclusive: true }),
  evalEvery: integer('steps between evaluations (0: at the end only)', { default: 250, min: 0 }),
  saveEvery: integer('steps between checkpoints (0: with evaluations only)', { default: 250, min: 0 }),
  keep: integer('checkpoints to keep beside the best', { default: 2, min: 1 }),
  checkpointActivations: flag('recompute activations in the backward pass to save memory'),
  resume: flag('continue the run in --out'),
};
