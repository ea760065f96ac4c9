/** How many processes `dataParallel` stands for on a machine. */

/** `off`: this process alone; `auto`: one for each GPU; or so many. */
export type DataParallel = 'off' | 'auto' | number;

/** What a machine has to compute with. */
export interface MachineGpus {
  /** The GPUs of the machine. */
  gpus: number;
  /** The device that the engine would use. */
  device: 'cpu' | 'cuda';
}

/** The number of processes, and a line for the user where `auto` comes to one. */
export interface ProcessCount {
  processes: number;
  note?: string;
}

/**
 * One process for each GPU that CUDA shows to this process; one process where the engine computes
 * on the CPU.
 */
export function gpuProcesses(
  { gpus, device }: MachineGpus,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ProcessCount {
  const one = (why: string): ProcessCount => ({ processes: 1, note: `${why}, so one process trains` });
  if (device === 'cpu') return one('no GPU is used');
  if (env.ATHANOR_CUDA_DEVICE) return one(`ATHANOR_CUDA_DEVICE chooses GPU ${env.ATHANOR_CUDA_DEVICE}`);
  const processes = visibleGpus(gpus, env.CUDA_VISIBLE_DEVICES);
  return processes > 1 ? { processes } : one('this machine has one GPU');
}

/**
 * CUDA shows the devices of the list up to the first that does not exist; without a list, all.
 * Devices may be numbers or identifiers such as GPU-3b5c.
 */
function visibleGpus(gpus: number, list: string | undefined): number {
  if (list === undefined) return gpus;
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.findIndex(
    (name) => !/^(GPU|MIG)-/.test(name) && !(/^\d+$/.test(name) && +name < gpus),
  );
  return unknown < 0 ? names.length : unknown;
}
