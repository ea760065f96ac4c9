/** Applies --device, --dtype and --threads. The engine is imported here and not before, so that --help works without it. */
import { AthanorError } from '../native/errors.ts';

export interface EngineChoice {
  readonly device: 'auto' | 'cpu' | 'cuda';
  readonly dtype: 'auto' | 'f32' | 'bf16';
  readonly threads: number | undefined;
}
export interface Engine {
  readonly device: 'cpu';
  readonly dtype: 'f32' | 'bf16';
  readonly threads: number;
}

/** Throws ERR_CUDA_UNAVAILABLE for a device that this build does not drive; `auto` takes what there is. */
export function chooseDevice(device: EngineChoice['device']): Engine['device'] {
  if (device === 'cuda') {
    const remedy = 'leave --device out or give --device cpu';
    throw new AthanorError('ERR_CUDA_UNAVAILABLE', '--device cuda: this build has no CUDA kernels', remedy);
  }
  return 'cpu';
}

/** Loads the engine, sets its threads and resolves `auto`. Throws ERR_NATIVE_LOAD, ERR_CUDA_UNAVAILABLE. */
export async function prepareEngine(choice: EngineChoice): Promise<Engine> {
  const device = chooseDevice(choice.device);
  const { native } = await import('../native/addon.ts');
  if (choice.threads !== undefined) native.setNumThreads(choice.threads);
  const dtype =
    choice.dtype === 'auto' ? (native.activeIsa() === 'avx512bf16' ? 'bf16' : 'f32') : choice.dtype;
  return { device, dtype, threads: native.numThreads() };
}
