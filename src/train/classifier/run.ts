/** Classifiers as a function: from a model and labelled rows to a folder that classifies. */
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { readCarriedFields } from '../../checkpoint/carried-fields.ts';
import { loadScoringModel } from '../../checkpoint/gpt-folder.ts';
import { encodeRows } from '../../data/rows/encoded-rows.ts';
import { contentMessages, type LabelledRow, readLabelled } from '../../data/rows/labelled.ts';
import { holdOutPrompts, splitByPrompt } from '../../data/rows/row-split.ts';
import type { RowCounts } from '../../data/rows/rows.ts';
import { parameterCount } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { decisionMetrics, rocAuc, thresholdFor } from '../../scoring/binary-metrics.ts';
import { CLASSIFIER_NAME, type ClassifierInput, ClassifierReader } from '../../scoring/classifier.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { chatTokenizer, checkEpochSettings, checkedContext, scoringPad } from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunHooks,
  type RunStart,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { scoringStart } from '../loop/scoring-start.ts';
import { modelOptions, policyOptions, type StageOptions } from '../loop/settings.ts';
import { startInputs } from '../loop/start-inputs.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { classifierRules } from './rules.ts';
import { type ClassifierSettings, classifierDefaults } from './settings.ts';
import { type ClassifierBatch, ClassifierStage, classified, type LabelledSequence } from './stage.ts';

/** The settings of classifier(); those with a default may be left out. */
export type ClassifierOptions = StageOptions<ClassifierSettings>;

/**
 * Trains a model that gives each text the probability to be of a class. Rows of `data` hold `text`
 * or `messages`, and `label`. The threshold for `falsePositiveRate` is chosen on one half of the
 * held-out rows and measured on the other; both are in the folder's classifier.json. Throws as
 * runStage.
 */
export function classifier(options: ClassifierOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'classifier',
      defaults: classifierDefaults,
      rules: classifierRules,
      check,
      inputs: startInputs,
      prepare,
    },
    options,
    hooks,
  );
}

function check(settings: ClassifierSettings, start: RunStart): void {
  checkEpochSettings(settings, start);
  if (settings.category === undefined || settings.minScore === undefined) return;
  const what = '`category` is for rows with labels, and `minScore` for rows with scores';
  throw new AthanorError('ERR_OPTION', what, 'give one of them');
}

async function prepare(
  settings: ClassifierSettings,
  { out, checkpoint, communicator }: StageContext,
): Promise<PreparedStage<ClassifierBatch>> {
  const { seed, batchSize, gradAccum } = settings;
  const { rows, counts } = await readLabelled(settings.data, settings);
  const reads = inputOf(rows, settings.data);
  const source = tokenizerOf(reads, settings.model, out);
  const start = startFolder(settings.model, checkpoint, settings);
  const scoring = scoringStart(start, source.tokenizer, policyOptions(settings));
  scoring.reading = { token: 'last', padTokenId: source.pad };
  const model = new TrainableModel<ScoringModel>(scoring, {
    ...settings,
    tokenizerFolder: source.folder,
    configFields: readCarriedFields(start).config,
  });
  const context = checkedContext(settings.context, model.model, settings.model);
  const encoder = new RowEncoder(source.reader, context, settings, counts);
  const split = splitByPrompt(rows, contentMessages, settings.validationSplit, seed);
  const train = encoder.encode(split.train);
  requireBothLabels(train, settings.data);
  const chosen = holdOutPrompts(
    split.validation,
    contentMessages,
    Math.ceil(split.validation.length / 2),
    seed + 1,
  );
  const calibration = encoder.encode(chosen.train);
  const measured = encoder.encode(chosen.validation);
  const validation = [...calibration, ...measured];
  const stage = new ClassifierStage(model, {
    ...{ train, validation, batchSize, gradAccum, seed, communicator },
  });
  const { config } = model.model;
  return {
    stage,
    title: `Classifier from ${settings.model} on ${settings.data}`,
    parameters: parameterCount(config, 'score'),
    config: {
      rows: train.length,
      of_the_class: train.filter(({ label }) => label).length,
      validation_rows: validation.length,
      reads,
      ...(settings.category !== undefined && { category: settings.category }),
      ...(settings.minScore !== undefined && { min_score: settings.minScore }),
      epochs: settings.epochs,
    },
    budget: settings.steps === undefined ? { passes: settings.epochs } : { steps: settings.steps },
    derived: { lr: stageLearningRate('reward', parameterCount(config), settings.loraRank), context },
    finish: async () => writeThreshold(out, settings, reads, { calibration, measured }),
    fields: [['accuracy', 'accuracy', 3]],
    notes: [counts.describe(), encoder.describe()].filter((note) => note !== ''),
  };
}

/** Whether rows hold texts or dialogues. Throws ERR_FORMAT for both in one file. */
function inputOf(rows: readonly LabelledRow[], data: string): ClassifierInput {
  const texts = rows.filter(({ text }) => text !== undefined).length;
  if (texts === rows.length) return 'text';
  if (texts === 0) return 'messages';
  throw new AthanorError(
    'ERR_FORMAT',
    `${data} has ${texts} rows with text and ${rows.length - texts} with messages`,
    'give rows of one kind: a classifier reads either',
  );
}

interface TokenSource {
  tokenizer: Tokenizer;
  folder: string;
  reader: ClassifierReader;
  pad: number | undefined;
}

/** Plain texts need no chat template. */
function tokenizerOf(reads: ClassifierInput, model: string, out: string): TokenSource {
  if (reads === 'messages') {
    const chat = chatTokenizer(model, out);
    const { tokenizer, folder, template } = chat;
    return { tokenizer, folder, reader: new ClassifierReader(tokenizer, template), pad: scoringPad(chat) };
  }
  const tokenizer = Tokenizer.load(model);
  const pad = tokenizer.padId === tokenizer.eosId ? undefined : tokenizer.padId;
  return { tokenizer, folder: model, reader: new ClassifierReader(tokenizer, undefined), pad };
}

class RowEncoder {
  readonly #reader: ClassifierReader;
  readonly #context: number;
  readonly #options: { onBadLine: 'skip' | 'fail'; counts: RowCounts };
  #cut = 0;

  constructor(
    reader: ClassifierReader,
    context: number,
    { onBadLine }: ClassifierSettings,
    counts: RowCounts,
  ) {
    this.#reader = reader;
    this.#context = context;
    this.#options = { onBadLine, counts };
  }

  /** A row that is longer than the context is cut to its beginning and its last token. */
  encode(rows: readonly LabelledRow[]): LabelledSequence[] {
    const one = ({ id, text, messages, label }: LabelledRow) => {
      const tokens = messages ? this.#reader.messages(messages, id) : this.#reader.text(text!);
      if (tokens.length > this.#context) ++this.#cut;
      return { tokens: this.#reader.windows(tokens, this.#context)[0]!, label };
    };
    const { encoded, refusal } = encodeRows(rows, one, this.#options);
    if (encoded.length === 0 && refusal) throw refusal;
    return encoded;
  }

  describe(): string {
    return this.#cut > 0 ? `${this.#cut} rows cut to the context of ${this.#context} tokens` : '';
  }
}

function requireBothLabels(rows: readonly LabelledSequence[], data: string): void {
  const own = rows.filter(({ label }) => label).length;
  if (own > 0 && own < rows.length) return;
  const all = own === 0 ? 'outside of the class' : 'of the class';
  throw new AthanorError(
    'ERR_ARGUMENT',
    `all ${rows.length} rows of ${data} to train on are ${all}`,
    'a classifier learns from rows of both kinds; is `category` the name in the labels?',
  );
}

/** Chooses the threshold of the model in the run's folder, and writes classifier.json. */
function writeThreshold(
  out: string,
  settings: ClassifierSettings,
  reads: ClassifierInput,
  rows: { calibration: readonly LabelledSequence[]; measured: readonly LabelledSequence[] },
): Record<string, number> {
  const model = loadScoringModel(out, modelOptions(settings));
  try {
    const calibration = classified(model, rows.calibration);
    const measured = classified(model, rows.measured);
    const threshold = thresholdFor(calibration, settings.falsePositiveRate);
    const report: JsonObject = {
      asked_false_positive_rate: settings.falsePositiveRate,
      calibration_rows: calibration.length,
      ...(measured.length > 0 && { held_out: heldOut(measured, threshold) }),
    };
    const content = { reads, category: settings.category ?? null, threshold, ...report };
    replaceFile(join(out, CLASSIFIER_NAME), `${JSON.stringify(content, undefined, 2)}\n`);
    return { threshold, ...(measured.length > 0 && figures(measured, threshold)) };
  } finally {
    model.dispose();
  }
}

type Measured = Parameters<typeof decisionMetrics>[0];

/** The numbers that the command prints. */
function figures(rows: Measured, threshold: number): Record<string, number> {
  const { precision, recall, falsePositiveRate } = decisionMetrics(rows, threshold);
  const all = { precision, recall, false_positive_rate: falsePositiveRate };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => !Number.isNaN(value)));
}

/** What the threshold gives on rows that neither trained the model nor chose the threshold. */
function heldOut(rows: Measured, threshold: number): JsonObject {
  const metrics = decisionMetrics(rows, threshold);
  const auc = rocAuc(rows);
  const { low, high } = metrics.precisionInterval;
  return {
    rows: rows.length,
    of_the_class: rows.filter(({ label }) => label).length,
    ...figures(rows, threshold),
    precision_interval: [low, high],
    recall_interval: [metrics.recallInterval.low, metrics.recallInterval.high],
    ...(!Number.isNaN(auc) && { roc_auc: auc }),
  };
}
