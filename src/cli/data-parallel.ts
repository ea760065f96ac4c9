/** `--data-parallel`: a training command that starts its own ranks on this machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { AthanorError } from '../base/errors.ts';
import { readLaunch } from '../comm/launcher.ts';
import { type DataParallel, gpuProcesses, type MachineGpus } from '../launch/process-count.ts';
import { startRanks } from './start-ranks.ts';

/** The values of a training command that say how many processes it is. */
export interface ParallelChoice {
  readonly dataParallel: DataParallel;
  readonly device: 'auto' | 'cpu' | 'cuda';
  readonly out: string;
  readonly gradAccum?: number;
  readonly resume?: boolean;
}

/** Whether the values are those of a training command. */
export function isParallel(values: object): values is ParallelChoice {
  return 'dataParallel' in values;
}

/**
 * Runs the command as ranks where its options say so. Returns false where this process is to train
 * itself. Throws ERR_OPTION in a process that is a rank already, and as launch.
 * @param argv the words of the command line
 */
export async function ranAsRanks(choice: ParallelChoice, argv: readonly string[]): Promise<boolean> {
  if (choice.dataParallel === 'off') return false;
  refuseInLauncher();
  const ranks = choice.dataParallel === 'auto' ? await autoProcesses(choice) : choice.dataParallel;
  if (ranks === 1) return false;
  // A resumed run may have its own number.
  const { gradAccum, resume } = choice;
  if (gradAccum !== undefined && !resume) {
    const { checkBatches } = await import('../comm/batch-sums.ts');
    checkBatches(gradAccum, ranks);
  }
  // The last word counts, so a rank starts no ranks of its own, whatever a config file says.
  const command = [...argv, '--data-parallel', 'off'];
  const logDir = undefined;
  await startRanks({ command, ranks, out: choice.out, logDir, maxRestarts: 0, elastic: false });
  return true;
}

function refuseInLauncher(): void {
  const place = readLaunch();
  if (!place || place.size === 1) return;
  throw new AthanorError(
    'ERR_OPTION',
    `\`dataParallel\` starts processes, and this is one of ${place.size} that ${place.launcher} started`,
    'leave it out, or start the command without a launcher',
  );
}

async function autoProcesses({ device }: ParallelChoice): Promise<number> {
  const { processes, note } = gpuProcesses(await machineGpus(device));
  if (note) process.stderr.write(`${note}\n`);
  return processes;
}

/** Asked in a process of its own, because looking at a GPU takes memory of it until the end. */
async function machineGpus(device: ParallelChoice['device']): Promise<MachineGpus> {
  if (device === 'cpu') return { gpus: 0, device };
  const words = [...process.execArgv, process.argv[1]!, 'info', '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const found = JSON.parse(stdout) as { device: MachineGpus['device'] | null; gpus: unknown[] };
  return { gpus: found.gpus.length, device: found.device ?? 'cpu' };
}
