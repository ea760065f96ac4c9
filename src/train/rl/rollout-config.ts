/** What the report says of a run that learns from its own responses. */
import type { JsonValue } from '../../base/json.ts';
import type { RolloutSettings } from './settings.ts';

/** @param prompts how many there are to train on */
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

/** What scores the responses, for people. */
export function rewardName({ reward, rewardFn }: RolloutSettings): string {
  return reward ?? (typeof rewardFn === 'string' ? rewardFn : 'a function');
}
