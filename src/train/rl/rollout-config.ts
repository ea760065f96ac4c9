/** Settings of a reinforcement learning run that the report shows. */
import type { JsonValue } from '../../base/json.ts';
import type { RolloutSettings } from './settings.ts';

/** @param prompts number of prompts for training */
export function rolloutConfig(settings: RolloutSettings, prompts: number): Record<string, JsonValue> {
  return {
    prompts,
    responses_per_rollout: settings.rolloutSize,
    responses_per_prompt: settings.numGenerations,
    minibatch: settings.batchSize * settings.gradAccum,
    epochs: settings.epochs,
    temperature: settings.temperature,
    kl_coef: settings.klCoef,
    clip: `${settings.clipLow}, ${settings.clipHigh}`,
  };
}

/** The name of the reward source, for people. */
export function rewardName({ reward, rewardFn }: RolloutSettings): string {
  return reward ?? (typeof rewardFn === 'string' ? rewardFn : 'a function');
}
