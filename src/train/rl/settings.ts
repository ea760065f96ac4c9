/** Settings that PPO and GRPO share. */

import type { CommonSettings } from '../loop/run-stage.ts';
import type { LoraSettings } from '../loop/trainable-model.ts';

export interface RolloutSettings extends CommonSettings, LoraSettings {
  /** Reward model folder, or else a file that exports a function. */
  reward?: string | undefined;
  rewardFn?: string | undefined;
  /** Rollouts in all; `steps` are what they come to. */
  rollouts: number;
  /** Responses of a rollout. */
  rollout: number;
  batchSize: number;
  epochs: number;
  maxPrompt: number;
  maxResponse: number;
  temperature: number;
  decodeBatch: number;
  missingEos: 'score' | 'penalty' | 'none';
  missingEosValue: number;
  rewardClip: number;
  klCoef: number;
  entropyCoef: number;
  clipLow: number;
  clipHigh: number;
  dualClip?: number | undefined;
  maxApproxKl?: number | undefined;
  ema: number;
  /** Prompts of an evaluation, kept out of training. */
  evalPrompts: number;
  adamEps: number;
  adamEpsPlacement: 'torch' | 'tensorflow';
  onBadLine: 'skip' | 'stop';
  sampleEvery: number;
}

/** Optimizer steps that the rollouts come to. */
export function stepsOf(settings: RolloutSettings): number {
  const { rollouts, rollout, batchSize, gradAccum, epochs, steps } = settings;
  return steps ?? Math.max(1, Math.floor((rollouts * epochs * rollout) / (batchSize * gradAccum)));
}
