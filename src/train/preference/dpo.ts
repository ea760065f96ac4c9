/**
 * DPO as a function: from an assistant and comparisons to an assistant that prefers
 * the better answers.
 */
import { parameterCount } from '../../nn/config.ts';
import { preferenceData } from '../../scoring/encoded-comparisons.ts';
import { checkEpochSettings } from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunHooks,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import type { StageOptions } from '../loop/settings.ts';
import { referenceInputs } from '../loop/start-inputs.ts';
import { type DpoBatch, DpoStage, referencePairs } from './dpo-stage.ts';
import { referencedPolicy } from './referenced-policy.ts';
import { dpoRules } from './rules.ts';
import { type DpoSettings, dpoDefaults } from './settings.ts';

/** The settings of dpo(); those with a default may be left out. */
export type DpoOptions = StageOptions<DpoSettings>;

/**
 * Trains an assistant on comparisons directly, without a reward model. Rows of `data` are those of
 * `reward`. Throws as runStage.
 */
export function dpo(options: DpoOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'dpo',
      defaults: dpoDefaults,
      rules: dpoRules,
      check: checkEpochSettings,
      inputs: referenceInputs,
      prepare,
    },
    options,
    hooks,
  );
}

async function prepare(settings: DpoSettings, stageContext: StageContext): Promise<PreparedStage<DpoBatch>> {
  const start = await referencedPolicy(settings, stageContext, preferenceData, referencePairs);
  const { policy, context, train, validation, notes } = start;
  const { communicator } = stageContext;
  const stage = new DpoStage(policy, { ...settings, kind: settings.loss, train, validation, communicator });
  const parameters = parameterCount(policy.model.config);
  return {
    stage,
    title: `DPO of ${settings.model} on ${settings.data}`,
    parameters,
    config: {
      pairs: train.length,
      validation_pairs: validation.length,
      loss: settings.loss,
      beta: settings.beta,
      label_smoothing: settings.labelSmoothing,
      epochs: settings.epochs,
    },
    budget: settings.steps === undefined ? { passes: settings.epochs } : { steps: settings.steps },
    derived: { lr: stageLearningRate('rl', parameters, settings.loraRank), context },
    fields: [
      ['accuracy', 'accuracy', 3],
      ['margin', 'margin', 3],
    ],
    notes,
  };
}
