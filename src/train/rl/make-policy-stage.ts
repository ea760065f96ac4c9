/**
 * The stage of a PPO or GRPO run, put together from its settings and from what
 * prepareRollouts() made ready.
 */
import type { Communicator } from '../../comm/communicator.ts';
import { native } from '../../native/addon.ts';
import type { AdvantageEstimator } from './advantage-estimator.ts';
import type { KlController } from './kl-controller.ts';
import type { LossAggregation } from './loss-aggregation.ts';
import type { ImportanceSamplingLevel } from './policy-loss.ts';
import { PolicyStage } from './policy-stage.ts';
import type { PreparedRollouts } from './prepare-rollouts.ts';
import type { PretrainingMix } from './pretraining-mix.ts';
import { ratioTolerance } from './ratio-check.ts';
import type { RolloutSettings } from './settings.ts';

/** What differs between the two. */
export interface Algorithm {
  name: 'ppo' | 'grpo';
  estimator: AdvantageEstimator;
  kl: KlController;
  loss: LossAggregation;
  importanceSamplingLevel: ImportanceSamplingLevel;
  ptx?: PretrainingMix | undefined;
  communicator: Communicator;
}

/**
 * The stage owns the models of `ready` and the estimator. Throws ERR_OPTION for sizes that
 * do not divide.
 */
export function makePolicyStage(
  { models, sampler, scorer, prompts }: PreparedRollouts,
  settings: RolloutSettings,
  { name, estimator, kl, loss, importanceSamplingLevel, ptx, communicator }: Algorithm,
): PolicyStage {
  return new PolicyStage({ communicator, models, sampler, scorer, estimator, kl, ptx }, prompts, {
    name,
    loss,
    importanceSamplingLevel,
    batchSize: settings.batchSize,
    gradAccum: settings.gradAccum,
    epochs: settings.epochs,
    clipLow: settings.clipLow,
    clipHigh: settings.clipHigh,
    dualClip: settings.dualClip,
    entropyCoef: settings.entropyCoef,
    maxApproxKl: settings.maxApproxKl,
    emaDecay: settings.emaDecay,
    seed: settings.seed,
    ratioTolerance: ratioTolerance(native.device(), settings.dtype),
  });
}
