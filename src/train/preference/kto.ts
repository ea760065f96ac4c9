/**
 * KTO as a function: from an assistant and rated answers to an assistant that gives more of the
 * good ones.
 */
import { parameterCount } from '../../nn/config.ts';
import { ratingData } from '../../scoring/encoded-ratings.ts';
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
import { type KtoBatch, KtoStage, type RatedAnswer, referenceRatings } from './kto-stage.ts';
import { referencedPolicy } from './referenced-policy.ts';
import { ktoRules } from './rules.ts';
import { type KtoSettings, ktoDefaults } from './settings.ts';

/** The settings of kto(); those with a default may be left out. */
export type KtoOptions = StageOptions<KtoSettings>;

/**
 * Trains an assistant on answers that are good or bad, each on its own. Rows of `data` are those of
 * readRatings. Throws as runStage.
 */
export function kto(options: KtoOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'kto',
      defaults: ktoDefaults,
      rules: ktoRules,
      check: checkEpochSettings,
      inputs: referenceInputs,
      prepare,
    },
    options,
    hooks,
  );
}

async function prepare(settings: KtoSettings, stageContext: StageContext): Promise<PreparedStage<KtoBatch>> {
  const start = await referencedPolicy(settings, stageContext, ratingData, referenceRatings);
  const { policy, context, train, validation, notes } = start;
  const { communicator } = stageContext;
  const stage = new KtoStage(policy, { ...settings, train, validation, communicator });
  const parameters = parameterCount(policy.model.config);
  return {
    stage,
    title: `KTO of ${settings.model} on ${settings.data}`,
    parameters,
    config: {
      ratings: train.length,
      good: train.filter(({ isGood }) => isGood).length,
      validation_ratings: validation.length,
      loss: settings.loss,
      beta: settings.beta,
      epochs: settings.epochs,
    },
    budget: settings.steps === undefined ? { passes: settings.epochs } : { steps: settings.steps },
    derived: { lr: stageLearningRate('rl', parameters, settings.loraRank), context },
    fields: [
      ['accuracy', 'accuracy', 3],
      ['kl', 'kl', 3],
    ],
    notes: [...notes, ...balanceNotes(settings, train)],
  };
}

/** The range of ratios, of good to bad, in which the authors found KTO to work. */
const [LEAST_RATIO, MOST_RATIO] = [1, 4 / 3];

/** Says which weights would balance good and bad answers (Ethayarajh et al., 2024, equation 9). */
function balanceNotes(
  { desirableWeight, undesirableWeight }: KtoSettings,
  ratings: readonly RatedAnswer[],
): string[] {
  const good = ratings.filter(({ isGood }) => isGood).length;
  const bad = ratings.length - good;
  const ratio = (desirableWeight * good) / (undesirableWeight * bad);
  if (ratio >= LEAST_RATIO && ratio <= MOST_RATIO) return [];
  if (good === 0 || bad === 0) {
    return [`all ${ratings.length} answers are ${good > 0 ? 'good' : 'bad'}; KTO learns from both kinds`];
  }
  const weight = (undesirableWeight * bad) / good;
  const range = `${weight.toFixed(2)} to ${(weight * MOST_RATIO).toFixed(2)}`;
  return [`${good} answers are good and ${bad} bad; a \`desirableWeight\` of ${range} would balance them`];
}
