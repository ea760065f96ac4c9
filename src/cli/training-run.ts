/** Runs a stage for a command: shows progress on stderr and stops after Ctrl-C. */
import { availableParallelism } from 'node:os';
import { cpuInfo } from '../base/machine.ts';
import { type Launch, readLaunch } from '../comm/launcher.ts';
import { placementNotes } from '../comm/placement.ts';
import { endWithLauncher, LAUNCHED } from '../launch/launched.ts';
import type { RunHooks, StageResult } from '../train/loop/run-stage.ts';
import type { TrainingRecord } from '../train/loop/training-record.ts';
import type { CommandContext } from './command.ts';
import { type EngineChoice, prepareEngine } from './engine.ts';
import { engineOptions, optionName, sharedOptions } from './options.ts';

/** What a training command is given beside the settings of its stage. */
interface TrainingOptions extends EngineChoice {
  readonly out: string;
  readonly resume: boolean;
}

/**
 * Calls the function of a stage with the options that the user gave; those left out have the
 * defaults of the stage, or on resuming the values of the run. The first signal finishes the step
 * and saves; a second one ends the process.
 */
export async function runTraining<Options extends { out: string }>(
  command: string,
  load: () => Promise<(options: Options, hooks: RunHooks) => Promise<StageResult>>,
  options: TrainingOptions,
  { given, spell, mute }: Pick<CommandContext, 'given' | 'spell' | 'mute'>,
): Promise<TrainingRecord> {
  endWithLauncher();
  const place = readLaunch();
  // Read when CUDA starts, which is before the ranks join: each takes a GPU of its own.
  if (place) process.env.ATHANOR_CUDA_DEVICE ??= String(place.localRank);
  const { threads } = await prepareEngine(
    { ...options, threads: options.threads ?? threadsOf(place) },
    given,
  );
  const { joinRanks } = await import('../comm/join.ts');
  const communicator = await joinRanks({ launch: place });
  if (communicator.rank > 0) mute();
  const { Interrupt } = await import('./interrupt.ts');
  const { terminalProgress } = await import('../train/loop/terminal-progress.ts');
  const { trainingRecord } = await import('../train/loop/training-record.ts');
  const stage = await load();
  const progress = terminalProgress({ spell });
  if (place && communicator.rank === 0) {
    const { cores: all, usableCores: allowed } = cpuInfo();
    for (const text of placementNotes(place, { all, allowed, threads })) progress({ type: 'note', text });
  }
  const resumeLine = resumingCommand(command, options, { given, ranks: communicator.size });
  const interrupt = new Interrupt(
    (signal) => progress({ type: 'warning', text: `${signal}: finishing the step, then saving` }),
    () =>
      progress({
        type: 'warning',
        text: `stopped at once; steps since the last checkpoint are lost. Continue with: ${resumeLine}`,
      }),
  );
  try {
    const result = await stage(givenSettings<Options>(options, given), {
      signal: interrupt.signal,
      onEvent: progress,
      communicator,
    });
    await communicator.close();
    if (result.interrupted && communicator.rank === 0)
      progress({ type: 'note', text: stoppedText(result, resumeLine) });
    return trainingRecord(result);
  } finally {
    interrupt.dispose();
  }
}

/** An equal share of the cores for each rank on a machine; undefined for a process alone. */
function threadsOf(place: Launch | undefined): number | undefined {
  if (!place?.localSize || place.localSize === 1) return undefined;
  return Math.max(1, Math.floor(availableParallelism() / place.localSize));
}

/** The settings among the given options. */
function givenSettings<Options extends { out: string }>(
  options: TrainingOptions,
  given: ReadonlySet<string>,
): Options {
  const { device, threads } = engineOptions;
  const others = ['dataParallel', ...Object.keys({ ...sharedOptions, device, threads })];
  const settings = Object.entries(options).filter(([key]) => given.has(key) && !others.includes(key));
  return Object.fromEntries(settings) as Options;
}

function stoppedText({ step, totalSteps }: StageResult, resumeLine: string): string {
  const end = totalSteps === undefined ? '' : ` of ${totalSteps}`;
  return `stopped after step ${step}${end}; all of it is saved. Continue with: ${resumeLine}`;
}

/** The command line that continues the run, from the folder where this one was typed. */
function resumingCommand(
  command: string,
  options: TrainingOptions,
  { given, ranks }: { given: ReadonlySet<string>; ranks: number },
): string {
  const started = process.env[LAUNCHED] ? ['launch', '-n', ranks, '--', command] : [command];
  const engine = (['device', 'threads'] as const).filter((key) => given.has(key));
  const flags = engine.map((key) => `--${optionName(key)} ${options[key]}`);
  return ['npx athanor', ...started, '--resume', '--out', quoted(options.out), ...flags].join(' ');
}

/** A path as a word of a POSIX shell. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** The last loss for the line of results. A run that was at its end already has none. */
export function lossText(loss: number): string {
  return Number.isNaN(loss) ? '' : `, loss ${loss.toFixed(3)}`;
}

/** For the line of results: how many updates had nothing to learn from, if any. */
export function idleText({ idle_updates: idle, step }: TrainingRecord): string {
  return idle > 0 ? `, ${idle} of ${step} updates without anything to learn from` : '';
}
