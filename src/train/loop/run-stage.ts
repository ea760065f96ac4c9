/**
 * Runs a stage from its settings to a model folder. Every training function calls it. It writes the
 * settings to disk first, and a resumed run takes them from there, so that no later setting can
 * change its course.
 */
import { existsSync, readdirSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { copyModel } from '../../checkpoint/save-model.ts';
import { CheckpointStore } from '../../checkpoint/store.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { createRunContext, isMainRank, type RunContext } from '../../comm/run-context.ts';
import { currentDevice, resolveDtype } from '../../native/engine.ts';
import type { AdamWOptions } from '../../optim/adamw.ts';
import { formatCount } from '../../report/format.ts';
import { type ReportOptions, writeReport } from '../../report/html-report.ts';
import type { BudgetOptions } from './budget.ts';
import type { TrainEvent } from './events.ts';
import type { MetricField, RunEvent } from './run-events.ts';
import { forgetRun, readRun, writeRun } from './run-file.ts';
import { checkInputs, hasInputs, type RunInput, recordInputs, refuseInputAsOutput } from './run-inputs.ts';
import type { CommonSettings, EpochSettings, LoraSettings, StageOptions } from './settings.ts';
import { parameterGroups, type TrainStage } from './stage.ts';
import { Trainer, type TrainerOptions, type TrainResult } from './trainer.ts';

/** Parts of a call beside the settings. They do not change the course of the run. */
export interface RunHooks {
  /** Once aborted, the run finishes its step, saves and ends with `interrupted`. */
  signal?: AbortSignal;
  /** Called on the main rank. terminalProgress() returns a listener for the terminal. */
  onEvent?: (event: RunEvent) => void;
  /** The other ranks. Default: none. */
  communicator?: Communicator;
}

/** The outcome of a run. */
export interface StageResult {
  /** Optimizer steps done, and tokens that the model read. */
  step: number;
  tokens: number;
  /** Loss of the last step; NaN when no step was done. */
  loss: number;
  /** The stage's own figures of the last step and of the end, named as in the metrics log. */
  metrics: Record<string, number>;
  /** Figures of the last evaluation. */
  evaluation: Record<string, number> | undefined;
  /** Number of trained parameters. */
  parameters: number;
  tokensPerSecond: number;
  seconds: number;
  /** Whether the signal ended the run before its budget was used up. */
  interrupted: boolean;
  /**
   * Updates of the whole run that had nothing to learn from: equal rewards, no gradient. Many in a
   * row, or nothing else, also give a warning.
   */
  idleUpdates: number;
  /** Folder of the model, its checkpoints, metrics and report. */
  out: string;
}

/** What a stage's `prepare` gets: the context of the run, and the checkpoint to continue from. */
export interface StageContext extends RunContext {
  readonly out: string;
  readonly resume: boolean;
  /** Folder of the model to continue from; undefined for a new run. */
  readonly checkpoint: string | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

/** A stage that is ready to run. */
export interface PreparedStage<Batch> {
  stage: TrainStage<Batch>;
  /** Model and data, for the status line and the report. */
  title: string;
  /** Number of the model's parameters. */
  parameters: number;
  /** Settings that the report shows for this stage, in addition to those of every stage. */
  config: Record<string, JsonValue>;
  budget: BudgetOptions;
  /** Peak learning rate when `lr` is not given. */
  defaultLr: number;
  optimizer?: AdamWOptions;
  /** Runs once after the last step. It writes the model into the run's folder again. */
  finish?: () => Promise<Record<string, number>>;
  /** The metrics of the stage that the status line shows. */
  fields?: readonly MetricField[];
  report?: Partial<ReportOptions>;
  /** Facts for the user before training starts: what was dropped, what was found. */
  notes?: readonly string[];
}

export interface StageKind<Settings extends CommonSettings, Batch> {
  name: string;
  defaults: Partial<Settings>;
  /** The files and folders that a run with these settings reads. */
  inputs(settings: NoInfer<Settings>, place: Pick<RunPlace, 'out'>): readonly RunInput[];
  prepare(settings: Settings, context: StageContext): Promise<PreparedStage<Batch>>;
}

/**
 * Trains until the budget is used up or the signal is aborted. Leaves the model, its checkpoints,
 * metrics and report in `out`. Throws ERR_OPTION, ERR_ARGUMENT, ERR_MISMATCH and ERR_CONFIG before
 * any training, ERR_INTERRUPTED when the signal is aborted before the first step, and the errors of
 * reading and writing.
 */
export async function runStage<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  { out, resume = false, ...given }: StageOptions<Settings>,
  hooks: RunHooks = {},
): Promise<StageResult> {
  const before = filesIn(out);
  const settings = begin(kind, given as Partial<Settings>, { out, resume });
  try {
    return await train(kind, settings, { out, resume }, hooks);
  } catch (error) {
    // A run that failed before its first checkpoint cannot be resumed and must not block a new one.
    if (!resume && !new CheckpointStore(out).latest()) forgetRun(out, before);
    throw error;
  } finally {
    hooks.onEvent?.({ type: 'end' });
  }
}

function filesIn(out: string): string[] {
  if (out === '') throw new AthanorError('ERR_OPTION', '`out` is empty', 'name a folder for the run');
  try {
    return existsSync(out) ? readdirSync(out) : [];
  } catch (error) {
    throw fileError(error, out, 'use');
  }
}

interface RunPlace {
  out: string;
  resume: boolean;
}

/** The settings of the run to continue; or those of a new run, after writing them to run.json. */
function begin<Settings extends CommonSettings, Batch>(
  { name, defaults, inputs }: StageKind<Settings, Batch>,
  given: Partial<Settings>,
  { out, resume }: RunPlace,
): Settings {
  if (resume) return withFunctions(readRun(out, name).settings, given) as unknown as Settings;
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const settings = { ...defaults, ...known } as Partial<Settings>;
  for (const key of ['data', 'model'] as const) {
    if (settings[key] === undefined) {
      throw new AthanorError('ERR_OPTION', `\`${key}\` is missing`, `see athanor ${name} --help`);
    }
  }
  const dtype = resolveDtype(settings.dtype ?? 'auto');
  if (settings.paramDtype === 'bf16' && dtype !== 'bf16') {
    throw new AthanorError(
      'ERR_OPTION',
      `\`paramDtype\` bf16 needs activations in bf16, but \`dtype\` is ${dtype}`,
      'choose `dtype` bf16, or leave `paramDtype` out',
    );
  }
  const complete = { ...settings, dtype };
  refuseInputAsOutput(out, inputs(complete as Settings, { out }));
  writeRun(out, { stage: name, settings: storable(complete) });
  return complete as Settings;
}

/** Stands in run.json for a setting that is a function of the caller's program. */
const FUNCTION = '[function]';

function storable(settings: object): JsonObject {
  const entries = Object.entries(settings).map(([key, value]) => [
    key,
    typeof value === 'function' ? FUNCTION : value,
  ]);
  return Object.fromEntries(entries) as JsonObject;
}

/** The saved settings, with functions from the caller's settings. */
function withFunctions(saved: JsonObject, given: object): JsonObject {
  const entries = Object.entries(saved).map(([key, value]) => {
    if (value !== FUNCTION) return [key, value];
    const again = (given as Record<string, unknown>)[key];
    if (typeof again === 'function') return [key, again];
    throw new AthanorError(
      'ERR_OPTION',
      `the run was started with a function of the program as \`${key}\``,
      'resume it from that program, with the function',
    );
  });
  return Object.fromEntries(entries) as JsonObject;
}

async function train<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  settings: Settings,
  { out, resume }: RunPlace,
  hooks: RunHooks,
): Promise<StageResult> {
  const emit = (event: RunEvent) => hooks.onEvent?.(event);
  const context = createRunContext({
    communicator: hooks.communicator,
    device: currentDevice(),
    dtype: settings.dtype,
    seed: settings.seed,
    out,
    signal: hooks.signal,
    console: {
      note: (text) => emit({ type: 'note', text }),
      warn: (text) => emit({ type: 'warning', text }),
    },
  });
  const store = new CheckpointStore(out, { keepLast: settings.keepCheckpoints });
  const resumed = resume && store.latest() ? store.load() : undefined;
  const inputs = kind.inputs(settings, { out });
  if (resumed) for (const warning of await checkInputs(out, inputs)) context.console.warn(warning);
  const place = { out, resume, checkpoint: resumed?.path, onEvent: emit };
  const prepared = await kind.prepare(settings, { ...context, ...place });
  if (!(resumed && hasInputs(out)) && isMainRank(context)) await recordInputs(out, inputs);
  const { stage, notes = [] } = prepared;
  const report = new LiveReport(out, reportOf(settings, prepared));
  emit({ type: 'start', stage: kind.name, title: prepared.title, fields: prepared.fields ?? [] });
  for (const note of notes) context.console.note(note);
  const trainer = new Trainer(stage, {
    ...trainerOptions(settings, prepared),
    ...context,
    onEvent: (event) => {
      emit(event);
      report.observe(event);
    },
  });
  try {
    if (resumed) trainer.resume(resumed);
    else if (context.signal.aborted) {
      throw new AthanorError('ERR_INTERRUPTED', 'stopped before the first step', 'start the run again');
    }
    const result = await trainer.run();
    const finished = isMainRank(context) ? await exportModel(store, settings, result, prepared, out) : {};
    return { ...summary(result, stage, out), metrics: { ...result.metrics, ...finished } };
  } finally {
    resumed?.close();
    trainer.dispose();
    stage.dispose?.();
    if (isMainRank(context)) report.write();
  }
}

/** Time between two writings of the report during a run. */
const REPORT_MS = 20_000;

/** `report.html`: written after the first step and updated during the run. */
class LiveReport {
  readonly #out: string;
  readonly #options: ReportOptions;
  #writtenAt = Number.NEGATIVE_INFINITY;

  constructor(out: string, options: ReportOptions) {
    this.#out = out;
    this.#options = options;
  }

  observe({ type }: TrainEvent): void {
    const isDue = type === 'step' && performance.now() - this.#writtenAt > REPORT_MS;
    if (isDue || type === 'evaluation') this.write();
  }

  write(): void {
    writeReport(this.#out, this.#options);
    this.#writtenAt = performance.now();
  }
}

/**
 * Puts the model of the right checkpoint into the run's folder: the best one when training stopped
 * early, else the last one.
 */
async function exportModel<Batch>(
  store: CheckpointStore,
  settings: CommonSettings & Partial<EpochSettings>,
  result: TrainResult,
  { finish }: PreparedStage<Batch>,
  out: string,
): Promise<Record<string, number>> {
  const isEarly = (settings.patience ?? 0) > 0;
  await copyModel(((isEarly && store.best()) || store.latest()!).path, out);
  return result.interrupted ? {} : ((await finish?.()) ?? {});
}

function trainerOptions<Batch>(
  settings: CommonSettings & Partial<EpochSettings>,
  { budget, defaultLr, optimizer }: PreparedStage<Batch>,
): TrainerOptions {
  return {
    ...budget,
    lr: settings.lr ?? defaultLr,
    schedule: settings.schedule,
    warmupSteps: settings.warmupSteps,
    minLrRatio: settings.minLrRatio,
    decayRatio: settings.decayRatio,
    optimizer: { weightDecay: settings.weightDecay, ...optimizer },
    gradAccum: settings.gradAccum,
    maxGradNorm: settings.maxGradNorm,
    onSpike: settings.onSpike,
    spikeThreshold: settings.spikeThreshold,
    evalEvery: settings.evalEvery,
    sampleEvery: settings.sampleEvery,
    saveEvery: settings.saveEvery,
    patience: settings.patience ?? 0,
    keepCheckpoints: settings.keepCheckpoints,
  };
}

/** The report's head: what every stage has, then the stage's own. */
function reportOf<Batch>(
  settings: CommonSettings & Partial<LoraSettings> & { batchSize?: number },
  { title, parameters, config, defaultLr, notes = [], report }: PreparedStage<Batch>,
): ReportOptions {
  const { loraRank = 0 } = settings;
  return {
    title,
    config: {
      parameters: formatCount(parameters),
      trained: loraRank > 0 ? `LoRA of rank ${loraRank}` : 'all weights',
      ...config,
      dtype: settings.dtype,
      param_dtype: settings.paramDtype,
      ...(settings.batchSize !== undefined && { batch_size: settings.batchSize }),
      grad_accum: settings.gradAccum,
      lr: settings.lr ?? defaultLr,
      schedule: settings.schedule,
      weight_decay: settings.weightDecay,
      max_grad_norm: settings.maxGradNorm,
      seed: settings.seed,
    },
    notes,
    ...report,
  };
}

function summary<Batch>(result: TrainResult, stage: TrainStage<Batch>, out: string): StageResult {
  const trained = parameterGroups(stage).flatMap(({ parameters }) => [...parameters.values()]);
  return {
    step: result.step,
    tokens: result.tokens,
    loss: result.loss,
    metrics: result.metrics,
    evaluation: result.evaluation,
    parameters: trained.reduce((count, parameter) => count + parameter.size, 0),
    tokensPerSecond: result.tokensPerSecond,
    seconds: result.seconds,
    interrupted: result.interrupted,
    idleUpdates: result.idleUpdates,
    out,
  };
}
