/** Applies --device, --dtype and --threads. The engine is imported here and not before, so that --help works without it. */
import { AthanorError } from '../base/errors.ts';
import { hasGpu } from '../base/machine.ts';

export interface EngineChoice {
  readonly device: 'auto' | 'cpu' | 'cuda';
  readonly dtype: 'auto' | 'f32' | 'bf16';
  readonly threads: number | undefined;
  /** Of a training command: a run that goes on keeps its dtype. */
  readonly resume?: boolean;
  readonly out?: string;
}
export interface Engine {
  readonly device: 'cpu' | 'cuda';
  readonly dtype: 'f32' | 'bf16';
  readonly threads: number;
}

/**
 * What `--device` comes to: `auto` takes a GPU where there is one to use, and where a machine has one that cannot be
 * used it says so in one line on stderr. Throws ERR_CUDA_UNAVAILABLE for `cuda` where there is none, ERR_OPTION for `cuda`
 * with a dtype that its attention does not take.
 */
export async function chooseDevice(
  device: EngineChoice['device'],
  dtype: EngineChoice['dtype'] = 'auto',
): Promise<Engine['device']> {
  if (device === 'cpu') return 'cpu';
  const { native } = await import('../native/addon.ts');
  const [available, detail] = native.cudaStatus();
  if (available && dtype !== 'f32') return 'cuda';
  if (available) {
    const reason = 'attention on a GPU takes bf16 and not f32';
    if (device === 'cuda') {
      const remedy = 'begin with --dtype bf16 for a GPU, or give --device cpu';
      throw new AthanorError('ERR_OPTION', `--device cuda for a run in f32: ${reason}`, remedy);
    }
    process.stderr.write(`running on the CPU: ${reason}\n`);
    return 'cpu';
  }
  if (device === 'cuda') {
    const remedy = 'leave --device out or give --device cpu to run without a GPU';
    throw new AthanorError('ERR_CUDA_UNAVAILABLE', `--device cuda: ${detail}`, remedy);
  }
  if (hasGpu()) process.stderr.write(`running on the CPU: ${detail}\n`);
  return 'cpu';
}

async function dtypeOfRun(out: string): Promise<'f32' | 'bf16' | undefined> {
  const { savedDtype } = await import('../train/loop/run-file.ts');
  return savedDtype(out);
}

/** Loads the engine, sets its threads and resolves `auto`. Throws ERR_NATIVE_LOAD, ERR_CUDA_UNAVAILABLE, ERR_OPTION. */
export async function prepareEngine(choice: EngineChoice): Promise<Engine> {
  const wanted =
    (choice.resume && choice.out !== undefined && (await dtypeOfRun(choice.out))) || choice.dtype;
  const device = await chooseDevice(choice.device, wanted);
  const { native } = await import('../native/addon.ts');
  native.setDevice(device);
  if (choice.threads !== undefined) native.setNumThreads(choice.threads);
  // Every GPU that the kernels take (sm_80 and later) multiplies bf16.
  const hasBf16 = device === 'cuda' || native.activeIsa() === 'avx512bf16';
  const dtype = wanted === 'auto' ? (hasBf16 ? 'bf16' : 'f32') : wanted;
  return { device, dtype, threads: native.numThreads() };
}
