/**
 * Runs a stage from its settings to a model folder. Every training function calls it. It checks all
 * settings, locks the folder and writes the settings to disk before any other work. A resumed run
 * takes them from there, with the changes that resume-settings.ts allows.
 */
import { existsSync, readdirSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { copyModel } from '../../checkpoint/save-model.ts';
import { CheckpointStore } from '../../checkpoint/store.ts';
import { checkBatches } from '../../comm/batch-sums.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { createRunContext, isMainRank, type RunContext } from '../../comm/run-context.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { mainFirst, together } from '../../comm/together.ts';
import { currentDevice } from '../../native/engine.ts';
import { FolderLock } from '../../native/folder-lock.ts';
import type { ModelConfig } from '../../nn/config.ts';
import type { AdamWOptions } from '../../optim/adamw.ts';
import { formatCount } from '../../report/format.ts';
import { type ReportOptions, writeReport } from '../../report/html-report.ts';
import { type BegunRun, begun, newSettings, resumed } from './begin-run.ts';
import type { BudgetOptions } from './budget.ts';
import { checkValues } from './check-settings.ts';
import type { TrainEvent } from './events.ts';
import { exportAdapter } from './export-adapter.ts';
import { changeTexts, historyOf, recordChanges, recordDerived } from './run-changes.ts';
import type { MetricField, RunEvent } from './run-events.ts';
import { forgetRun, readRun, writeRun } from './run-file.ts';
import { checkInputs, hasInputs, type RunInput, recordInputs } from './run-inputs.ts';
import { requireSameData, requireSameRun } from './same-run.ts';
import type { SettingRules } from './setting-rules.ts';
import {
  type CommonSettings,
  commonDefaults,
  type EpochSettings,
  type LoraSettings,
  type StageOptions,
} from './settings.ts';
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
  /** Steps at which the run ends; undefined while a time budget still measures. */
  totalSteps: number | undefined;
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
  /** Settings that the resumed run changes. */
  readonly changed: ReadonlySet<string>;
  /** Folder of the model to continue from; undefined for a new run. */
  readonly checkpoint: string | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

/** Settings whose defaults depend on the model. */
export type DerivedSettings = {
  lr: number;
  context?: number;
};

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
  /** The values of settings that were not given and depend on the model. */
  derived: DerivedSettings;
  optimizer?: AdamWOptions;
  /** Runs once after the last step. It writes the model into the run's folder again. */
  finish?: () => Promise<Record<string, number>>;
  /** The metrics of the stage that the status line shows. */
  fields?: readonly MetricField[];
  report?: Partial<ReportOptions>;
  /** Facts for the user before training starts: what was dropped, what was found. */
  notes?: readonly string[];
}

/** What is known of a run before any data is read. */
export interface RunStart extends RunPlace {
  /** Configuration of the model folder; undefined for a preset, and where the run is resumed. */
  readonly model: ModelConfig | undefined;
}

export interface StageKind<Settings extends CommonSettings, Batch> {
  name: string;
  defaults: Partial<Settings>;
  rules: SettingRules<Settings>;
  /** Checks settings that depend on each other, before any data is read. */
  check(settings: Settings, start: RunStart): void;
  /** The files and folders that a run with these settings reads. */
  inputs(settings: NoInfer<Settings>, place: Pick<RunPlace, 'out'>): readonly RunInput[];
  prepare(settings: Settings, context: StageContext): Promise<PreparedStage<Batch>>;
}

/**
 * Trains until the budget is used up or the signal is aborted. Leaves the model, its checkpoints,
 * metrics and report in `out`. Throws ERR_OPTION, ERR_ARGUMENT, ERR_MISMATCH and ERR_CONFIG before
 * any training, ERR_STATE when another process writes to `out`, ERR_INTERRUPTED when the signal is
 * aborted before the first step, and the errors of reading and writing.
 */
export async function runStage<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  { out, resume = false, ...rest }: StageOptions<Settings>,
  hooks: RunHooks = {},
): Promise<StageResult> {
  const { communicator = selfCommunicator, signal } = hooks;
  const isMain = communicator.rank === 0;
  const onEvent = isMain ? hooks.onEvent : undefined;
  const given = rest as Partial<Settings>;
  const { before, fresh } = await together(communicator, 'the settings', () => {
    const files = filesIn(out);
    checkValues(given, kind.rules);
    const settings = resume ? undefined : newSettings(kind, given, out);
    // Without a run there is no folder to lock.
    if (resume) readRun(out, kind.name);
    return { before: files, fresh: settings };
  });
  let lock: FolderLock | undefined;
  try {
    const run = await together(communicator, 'the folder of the run', () => {
      if (isMain) lock = FolderLock.take(out);
      return fresh ? begun(kind, fresh, out) : resumed(kind, given, out);
    });
    await requireSameRun(communicator, { stage: kind.name, out, resume, settings: run.settings });
    if (fresh && isMain) writeRun(out, run.file);
    try {
      return await train(kind, run, { out, resume }, { communicator, signal, onEvent });
    } catch (error) {
      // A run that failed before its first checkpoint cannot be resumed and must not block a new
      // one. Prepared data stays, and the next run uses it.
      if (isMain && !resume && !new CheckpointStore(out).latest()) forgetRun(out, before);
      throw error;
    }
  } finally {
    lock?.release();
    onEvent?.({ type: 'end' });
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

/** The ranks of a run, with the listener of the main one. */
interface RanksOfRun extends RunHooks {
  communicator: Communicator;
  signal: AbortSignal | undefined;
  onEvent: RunHooks['onEvent'] | undefined;
}

interface RunPlace {
  readonly out: string;
  readonly resume: boolean;
}

async function train<Settings extends CommonSettings, Batch>(
  kind: StageKind<Settings, Batch>,
  run: BegunRun<Settings>,
  { out, resume }: RunPlace,
  hooks: RanksOfRun,
): Promise<StageResult> {
  const { settings, changes } = run;
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
  const { communicator } = context;
  const isMain = isMainRank(context);
  // Before data is prepared, which may take hours.
  checkBatches(settings.gradAccum, communicator.size);
  const store = new CheckpointStore(out, { keepLast: settings.keepCheckpoints, readOnly: !isMain });
  const checkpoint = await mainFirst(communicator, 'the checkpoint', () =>
    resume && store.latest() ? store.load() : undefined,
  );
  const inputs = kind.inputs(settings, { out });
  if (checkpoint && isMain) {
    for (const warning of await checkInputs(out, inputs)) context.console.warn(warning);
  }
  const changed = new Set(changes.map(({ key }) => key));
  const place = { out, resume, changed, checkpoint: checkpoint?.path, onEvent: emit };
  const prepared = await mainFirst(communicator, 'the data', () =>
    kind.prepare(settings, { ...context, ...place }),
  );
  await requireSameData(communicator, prepared.stage.state?.() ?? null);
  if (isMain) {
    if (!(checkpoint && hasInputs(out))) await recordInputs(out, inputs);
    if (!checkpoint) recordDerived(run, prepared.derived, out);
  }
  const { stage, notes = [] } = prepared;
  const report = new LiveReport(out, reportOf(settings, prepared, historyOf(run, checkpoint?.step ?? 0)));
  emit({ type: 'start', stage: kind.name, title: prepared.title, fields: prepared.fields ?? [] });
  if (settings.zero > commonDefaults.zero && communicator.size === 1) {
    context.console.note(`\`zero\` ${settings.zero} has no effect on one rank, which has everything`);
  }
  const texts = changeTexts(changes);
  for (const note of [...notes, ...texts.notes]) context.console.note(note);
  for (const warning of texts.warnings) context.console.warn(warning);
  const trainer = new Trainer(stage, {
    ...trainerOptions(settings, prepared),
    ...context,
    isLocked: true,
    onEvent: (event) => {
      emit(event);
      report.observe(event);
    },
  });
  try {
    const { budget } = prepared;
    const isInWork = budget.passes !== undefined || budget.tokens !== undefined;
    const newLength = changes.some(({ kind, key }) => kind === 'length' || (isInWork && stepSizes.has(key)));
    const step = checkpoint ? trainer.resume(checkpoint, { newLength })! : 0;
    if (!checkpoint && context.signal.aborted) {
      throw new AthanorError('ERR_INTERRUPTED', 'stopped before the first step', 'start the run again');
    }
    if (isMain) recordChanges(run, step, out);
    const result = await trainer.run();
    const finished = isMain ? await exportModel(store, settings, result, prepared, { ...context, out }) : {};
    if (isMain) report.write();
    return { ...summary(result, stage, out), metrics: { ...result.metrics, ...finished } };
  } catch (error) {
    if (isMain) report.writeIfPossible();
    throw error;
  } finally {
    checkpoint?.close();
    trainer.dispose();
    stage.dispose?.();
  }
}

/** Settings that decide how much work a step does. */
const stepSizes: ReadonlySet<string> = new Set(['batchSize', 'gradAccum', 'rolloutSize', 'epochs']);

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

  /** For a run that failed: its error is told, and not that the report cannot be written. */
  writeIfPossible(): void {
    try {
      this.write();
    } catch {
      // The run may have ended before its log began, or for want of space on the disk.
    }
  }
}

/**
 * Puts the model of the right checkpoint into the run's folder: the best one when training stopped
 * early, else the last one.
 */
async function exportModel<Batch>(
  store: CheckpointStore,
  settings: CommonSettings & Partial<EpochSettings> & { model?: string },
  result: TrainResult,
  { finish }: PreparedStage<Batch>,
  { out, console }: RunContext & { out: string },
): Promise<Record<string, number>> {
  const isEarly = (settings.patience ?? 0) > 0;
  const { path } = (isEarly && store.best()) || store.latest()!;
  await copyModel(path, out);
  const finished = result.interrupted ? {} : ((await finish?.()) ?? {});
  await exportAdapter(path, out, settings, console);
  return finished;
}

function trainerOptions<Batch>(
  settings: CommonSettings & Partial<EpochSettings>,
  { budget, derived, optimizer }: PreparedStage<Batch>,
): TrainerOptions {
  return {
    ...budget,
    lr: settings.lr ?? derived.lr,
    schedule: settings.schedule,
    warmupSteps: settings.warmupSteps,
    minLrRatio: settings.minLrRatio,
    decayRatio: settings.decayRatio,
    optimizer: { weightDecay: settings.weightDecay, ...optimizer },
    gradAccum: settings.gradAccum,
    zero: settings.zero,
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
  { title, parameters, config, derived, notes = [], report }: PreparedStage<Batch>,
  history: readonly string[],
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
      ...(settings.baseDtype !== undefined && { base_dtype: settings.baseDtype }),
      ...(settings.batchSize !== undefined && { batch_size: settings.batchSize }),
      grad_accum: settings.gradAccum,
      lr: settings.lr ?? derived.lr,
      schedule: settings.schedule,
      weight_decay: settings.weightDecay,
      max_grad_norm: settings.maxGradNorm,
      seed: settings.seed,
    },
    notes: [...notes, ...history],
    ...report,
  };
}

function summary<Batch>(result: TrainResult, stage: TrainStage<Batch>, out: string): StageResult {
  const trained = parameterGroups(stage).flatMap(({ parameters }) => [...parameters.values()]);
  return {
    step: result.step,
    totalSteps: result.totalSteps,
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
