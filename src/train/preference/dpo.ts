/** DPO as a function: an assistant and comparisons in, an assistant that prefers the better answers out. */
import { parameterCount } from '../../nn/config.ts';
import { formatCount } from '../../report/format.ts';
import { preferenceData } from '../../scoring/encoded-comparisons.ts';
import type { DpoKind } from '../../tensor/ops/preference.ts';
import { chatTokenizer, checkedContext, generationConfig, loadChatModel } from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type CommonSettings,
  type PreparedStage,
  type RunPlace,
  runStage,
  type StageOptions,
  type StageReport,
} from '../loop/run-stage.ts';
import { type LoraSettings, startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { DpoStage, type PreferencePair, referencePairs } from './dpo-stage.ts';

export interface DpoSettings extends CommonSettings, LoraSettings {
  epochs: number;
  batchSize: number;
  context?: number | undefined;
  beta: number;
  loss: DpoKind;
  labelSmoothing: number;
  validation: number;
  patience: number;
  onBadLine: 'skip' | 'stop';
}

/** `data` is comparisons as JSONL (readComparisons). Throws as runStage. */
export function runDpo(options: StageOptions<DpoSettings>): Promise<StageReport> {
  return runStage<DpoSettings, PreferencePair[]>({ name: 'dpo', prepare }, options);
}

async function prepare(
  settings: DpoSettings,
  { out }: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<PreferencePair[]>> {
  const { seed, batchSize, gradAccum } = settings;
  const { tokenizer, template, folder } = chatTokenizer(settings.model, out);
  // The reference's log-probabilities never change, so they are computed once and the reference is let go.
  const reference = loadChatModel(settings.model, tokenizer, settings);
  const context = checkedContext(settings.context, reference, settings.model);
  const data = await preferenceData(settings, template, context);
  const train = referencePairs(reference, data.train);
  const validation = referencePairs(reference, data.validation);
  reference.dispose();
  const model = loadChatModel(startFolder(settings.model, checkpoint, settings), tokenizer, settings);
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: folder,
    generationConfig: generationConfig(template),
  });
  const stage = new DpoStage(policy, { ...settings, kind: settings.loss, train, validation });
  const stepsPerEpoch = Math.max(1, Math.floor(train.length / (batchSize * gradAccum)));
  return {
    stage,
    title: `DPO of ${settings.model} on ${settings.data}`,
    config: {
      parameters: formatCount(parameterCount(model.config)),
      trained: settings.loraRank > 0 ? `LoRA of rank ${settings.loraRank}` : 'all weights',
      pairs: train.length,
      validation_pairs: validation.length,
      loss: settings.loss,
      beta: settings.beta,
      label_smoothing: settings.labelSmoothing,
      epochs: settings.epochs,
      batch_size: batchSize,
      grad_accum: gradAccum,
      seed,
    },
    budget: { steps: settings.steps ?? Math.max(1, Math.round(settings.epochs * stepsPerEpoch)) },
    defaultLr: stageLearningRate('rl', parameterCount(model.config), settings.loraRank),
    optimizer: { beta2: 0.95 },
    sampleEvery: 0,
    patience: settings.patience,
    exports: settings.patience > 0 ? 'best' : 'last',
    fields: [
      ['accuracy', 'accuracy', 3],
      ['margin', 'margin', 3],
    ],
    notes: data.notes,
  };
}
