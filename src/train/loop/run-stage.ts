/**
 * A stage from options to a model folder: what every training command does around its stage. Settings are written down
 * first and a resumed run takes those, so that nothing on a later command line can change its course.
 */
import { existsSync, readdirSync } from 'node:fs';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { copyModel } from '../../checkpoint/save-model.ts';
import { CheckpointStore } from '../../checkpoint/store.ts';
import type { DType } from '../../native/binding.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import type { AdamWOptions } from '../../optim/adamw.ts';
import type { ScheduleName } from '../../optim/schedule.ts';
import type { ReportOptions } from '../../report/html-report.ts';
import type { BudgetOptions } from './budget.ts';
import { Interrupt } from './interrupt.ts';
import { forgetRun, readRun, writeRun } from './run-file.ts';
import { parameterGroups, type TrainStage } from './stage.ts';
import { type MetricField, TrainConsole } from './train-console.ts';
import { Trainer, type TrainResult } from './trainer.ts';

/** Settings of every stage; they decide a run's course and are saved with it. */
export interface CommonSettings {
  /** What to train on. */
  data: string;
  /** Preset or model folder. */
  model: string;
  dtype: DType;
  /** What matrices are kept in: f32 masters (the default), or bf16 alone, rounded stochastically. */
  weights?: WeightDType | undefined;
  seed: number;
  steps?: number | undefined;
  gradAccum: number;
  lr?: number | undefined;
  schedule: ScheduleName;
  warmup: number;
  finalLr: number;
  decay: number;
  weightDecay: number;
  clip: number;
  onSpike: 'warn' | 'skip' | 'stop';
  spikeThreshold: number;
  evalEvery: number;
  saveEvery: number;
  keep: number;
  checkpointActivations: boolean;
}

/** Where a run lives, and whether it goes on with what is there. */
export interface RunPlace {
  out: string;
  resume: boolean;
}

/** What a caller gives: the settings and the place; a resumed run may leave out what it starts from. */
export type StageOptions<Settings extends CommonSettings> = StartOptional<Settings> & RunPlace;

type StartOptional<Settings> = Omit<Settings, 'data' | 'model'> & {
  data?: string | undefined;
  model?: string | undefined;
};

/** A stage made ready to run. */
export interface PreparedStage<Batch> {
  stage: TrainStage<Batch>;
  /** Of the status line and the report. */
  title: string;
  config: Record<string, JsonValue>;
  budget: BudgetOptions;
  /** Peak learning rate where --lr is not given. */
  defaultLr: number;
  optimizer: AdamWOptions;
  sampleEvery: number;
  patience: number;
  /** Which checkpoint becomes the model in the run's folder. */
  exports: 'last' | 'best';
  /** After the last step and only then: writes the model anew into the run's folder. */
  finish?: () => Promise<Record<string, number>>;
  /** Of the stage's metrics, those on the status line. */
  fields?: readonly MetricField[];
  report?: Partial<ReportOptions>;
  /** Notes for the user before training starts: what was dropped, what was found. */
  notes?: readonly string[];
}

/** The last step's metrics and the last evaluation's by their names, and what every stage has. */
export interface StageReport {
  [key: string]: number | string | boolean | null;
  step: number;
  tokens: number;
  loss: number;
  val_loss: number | null;
  bits_per_byte: number | null;
  /** Trained numbers. */
  parameters: number;
  tokens_per_second: number;
  seconds: number;
  interrupted: boolean;
  out: string;
}

export interface StageKind<Settings extends CommonSettings, Batch> {
  name: string;
  /** @param checkpoint folder of the model to go on from, where a run is resumed */
  prepare(settings: Settings, place: RunPlace, checkpoint: string | undefined): Promise<PreparedStage<Batch>>;
}

/**
 * Trains until the budget is used or a signal asks to stop, and leaves the model, its checkpoints, metrics and report in
 * `out`. Throws ERR_ARGUMENT, ERR_MISMATCH and ERR_CONFIG before any training, and whatever reading and writing throw.
 */
export async function runStage<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  { out, resume, ...given }: StageOptions<Settings>,
): Promise<StageReport> {
  const before = existsSync(out) ? readdirSync(out) : [];
  const settings = begin<Settings>(kind.name, given as unknown as StartOptional<Settings>, { out, resume });
  try {
    return await train(kind, settings, { out, resume });
  } catch (error) {
    // A run that failed before its first checkpoint has nothing to resume and must not block another try.
    if (!resume && !new CheckpointStore(out).latest()) forgetRun(out, before);
    throw error;
  }
}

/** The settings of the run to continue, or those of a new one, written down. */
function begin<Settings extends CommonSettings>(
  stage: string,
  given: StartOptional<Settings>,
  { out, resume }: RunPlace,
): Settings {
  if (resume) return readRun(out, stage).settings as unknown as Settings;
  for (const name of ['data', 'model'] as const) {
    if (given[name] === undefined) {
      throw new AthanorError('ERR_OPTION', `--${name} is missing`, `see athanor ${stage} --help`);
    }
  }
  if (given.weights === 'bf16' && given.dtype !== 'bf16') {
    throw new AthanorError(
      'ERR_OPTION',
      `--weights bf16 is for activations in bf16, and these would be ${given.dtype}`,
      'add --dtype bf16, or leave --weights out',
    );
  }
  const plain = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  writeRun(out, { stage, settings: plain as JsonObject });
  return plain as unknown as Settings;
}

async function train<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  settings: Settings,
  place: RunPlace,
): Promise<StageReport> {
  const { out, resume } = place;
  const store = new CheckpointStore(out, { keepLast: settings.keep });
  const resumed = resume && store.latest() ? store.load() : undefined;
  const prepared = await kind.prepare(settings, place, resumed?.path);
  const { stage } = prepared;
  const screen = new TrainConsole({
    label: kind.name,
    out,
    fields: prepared.fields ?? [],
    report: {
      title: prepared.title,
      config: prepared.config,
      notes: prepared.notes ?? [],
      ...prepared.report,
    },
  });
  for (const note of prepared.notes ?? []) screen.note(note);
  const abort = new AbortController();
  const interrupt = new Interrupt((signal) => {
    screen.warn(`${signal}: finishing the step, then saving`);
    abort.abort();
  });
  const trainer = new Trainer(stage, {
    ...trainerOptions(settings, prepared),
    out,
    seed: settings.seed,
    signal: abort.signal,
    onEvent: (event) => screen.handle(event),
  });
  try {
    if (resumed) trainer.resume(resumed);
    const result = await trainer.run();
    const exported = (prepared.exports === 'best' && store.best()) || store.latest()!;
    await copyModel(exported.path, out);
    const finished = result.interrupted ? {} : await prepared.finish?.();
    return { ...report(result, stage, out), ...finished };
  } finally {
    resumed?.close();
    interrupt.dispose();
    screen.finish();
    trainer.dispose();
    stage.dispose?.();
  }
}

function trainerOptions<Batch>(settings: CommonSettings, prepared: PreparedStage<Batch>) {
  return {
    ...prepared.budget,
    lr: settings.lr ?? prepared.defaultLr,
    schedule: settings.schedule,
    warmupSteps: settings.warmup,
    minLrRatio: settings.finalLr,
    decayRatio: settings.decay,
    optimizer: { weightDecay: settings.weightDecay, ...prepared.optimizer },
    gradAccum: settings.gradAccum,
    maxGradNorm: settings.clip,
    onSpike: settings.onSpike,
    spikeThreshold: settings.spikeThreshold,
    evalEvery: settings.evalEvery,
    sampleEvery: prepared.sampleEvery,
    saveEvery: settings.saveEvery,
    patience: prepared.patience,
    keepCheckpoints: settings.keep,
  };
}

function report<Batch>(result: TrainResult, stage: TrainStage<Batch>, out: string): StageReport {
  const trained = parameterGroups(stage).flatMap(({ parameters }) => [...parameters.values()]);
  return {
    val_loss: null,
    bits_per_byte: null,
    step: result.step,
    tokens: result.tokens,
    loss: result.loss,
    ...result.metrics,
    ...result.evaluation,
    parameters: trained.reduce((count, parameter) => count + parameter.size, 0),
    tokens_per_second: result.tokensPerSecond,
    seconds: result.seconds,
    interrupted: result.interrupted,
    out,
  };
}
