/** The mix of a run of pretraining: from its settings, or from the recipe of the shards. */
import { AthanorError } from '../../base/errors.ts';
import { type Mix, parseMix } from '../../data/shards/mix.ts';
import { MixedLoader, mixTokens } from '../../data/shards/mixed-loader.ts';
import type { TokenDataset } from '../../data/shards/token-dataset.ts';
import type { TokenLoaderOptions } from '../../data/shards/token-loader.ts';
import type { BudgetOptions } from '../loop/budget.ts';
import type { PretrainSettings } from './settings.ts';

/** Passes through a source beyond which another one teaches less (Muennighoff et al. 2023). */
const MOST_EPOCHS = 4;

/** The mix of the settings, else the recipe's; undefined: sources as much as there is of each. */
export function mixOfRun({ mix }: Pick<PretrainSettings, 'mix'>, recipe: Mix | undefined): Mix | undefined {
  if (mix === undefined) return recipe;
  if (mix === 'natural') return undefined;
  return typeof mix === 'string' ? parseMix(mix) : { schedule: [...mix] };
}

/**
 * Throws ERR_OPTION unless the settings, or amounts of the mix, say how long the run is, and for a
 * schedule of a run whose length is a time.
 */
export function checkLength(settings: PretrainSettings, mix: Mix | undefined): void {
  const { steps, tokens, time } = settings;
  const given = [steps, tokens, time].filter((value) => value !== undefined).length;
  const isKnown = given === 0 && mix !== undefined && 'amounts' in mix;
  if (given !== 1 && !isKnown) {
    throw new AthanorError(
      'ERR_OPTION',
      'expected exactly one of `steps`, `tokens` and `time`',
      'such as `steps` 1000',
    );
  }
  if (time === undefined || mix === undefined || !('schedule' in mix) || mix.schedule.length === 1) return;
  const remedy = 'give `steps` or `tokens`';
  throw new AthanorError(
    'ERR_OPTION',
    'phases of a mix are shares of a run, and `time` has no known end',
    remedy,
  );
}

/** The length of the run. */
export function budgetOf(
  settings: PretrainSettings,
  dataset: TokenDataset,
  mix: Mix | undefined,
): BudgetOptions {
  const { steps, tokens, time } = settings;
  if (steps !== undefined) return { steps };
  if (time !== undefined) return { seconds: time };
  const all = tokens ?? (mix && mixTokens(dataset, mix));
  return { ...(all !== undefined && { tokens: all }) };
}

/** The loader of a mix, and what the user should know about it. */
export function mixedLoader(
  settings: PretrainSettings,
  dataset: TokenDataset,
  options: TokenLoaderOptions,
  mix: Mix,
): { loader: MixedLoader; notes: string[] } {
  const { steps, tokens } = budgetOf(settings, dataset, mix);
  const { batchSize, context } = options;
  const perStep = batchSize * settings.gradAccum;
  const windows = steps === undefined ? tokens && Math.ceil(tokens / context) : steps * perStep;
  const loader = new MixedLoader(dataset, { ...options, mix, windows });
  const planned = windows === undefined ? [] : loader.plannedEpochs(windows);
  const read = planned.map(({ name, epochs }) => `${name} ${Number(epochs.toFixed(2))} times`);
  const often = planned.filter(({ epochs }) => epochs > MOST_EPOCHS).map(({ name }) => name);
  return {
    loader,
    notes: [
      ...(read.length > 0 ? [`the run reads ${read.join(', ')}`] : []),
      ...(often.length > 0
        ? [
            `${often.join(', ')}: after ${MOST_EPOCHS} passes another one teaches less and less (Muennighoff et al. 2023)`,
          ]
        : []),
    ],
  };
}
