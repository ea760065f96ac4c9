/**
 * The device and the number of threads of the engine. Both hold for the whole process and its
 * worker threads. Set them before you make the first tensor.
 */
import { AthanorError } from '../base/errors.ts';
import { hasGpu } from '../base/machine.ts';
import { native } from './addon.ts';

/** Where tensors live and operations run. */
export type Device = 'cpu' | 'cuda';
/** Dtype of activations. */
export type Precision = 'f32' | 'bf16';

/** Options of setDevice. */
export interface DeviceOptions {
  /** Dtype of the coming activations, since attention on a GPU takes bf16 only. Default auto. */
  dtype?: Precision | 'auto';
  /** Receives one line that says why a GPU of the machine is not used. */
  onNote?: (text: string) => void;
}

/**
 * Chooses the device of new tensors and returns it. `auto` takes a GPU if one can be used, and
 * otherwise the CPU. Throws ERR_CUDA_UNAVAILABLE for `cuda` without a usable GPU, and ERR_OPTION
 * for `cuda` with f32.
 */
export function setDevice(
  device: Device | 'auto' = 'auto',
  { dtype = 'auto', onNote }: DeviceOptions = {},
): Device {
  const chosen = usableDevice(device, dtype, onNote);
  native.setDevice(chosen);
  return chosen;
}

/** The device that new tensors live on. */
export function currentDevice(): Device {
  return native.device();
}

/**
 * Sets the number of threads of the CPU kernels. The default is one per core. Results do not depend
 * on it. Throws ERR_ARGUMENT unless `count` is from 0 to 1024; 0 restores the default.
 */
export function setThreads(count: number): void {
  native.setNumThreads(count);
}

/**
 * The precision that `auto` means on the current device: bf16 where the hardware multiplies
 * bf16, else f32.
 */
export function resolveDtype(dtype: Precision | 'auto' = 'auto'): Precision {
  if (dtype !== 'auto') return dtype;
  // Every GPU that the kernels take (sm_80 and later) multiplies bf16.
  return native.device() === 'cuda' || native.activeIsa() === 'avx512bf16' ? 'bf16' : 'f32';
}

function usableDevice(
  device: Device | 'auto',
  dtype: Precision | 'auto',
  onNote: ((text: string) => void) | undefined,
): Device {
  if (device === 'cpu') return 'cpu';
  const [available, detail] = native.cudaStatus();
  if (available && dtype !== 'f32') return 'cuda';
  if (available) {
    const reason = 'attention on a GPU takes bf16 and not f32';
    if (device === 'cuda') {
      const remedy = 'start with `dtype` bf16 for a GPU, or choose `device` cpu';
      throw new AthanorError('ERR_OPTION', `\`device\` cuda for a run in f32: ${reason}`, remedy);
    }
    onNote?.(`running on the CPU: ${reason}`);
    return 'cpu';
  }
  if (device === 'cuda') {
    const remedy = 'leave `device` out or choose cpu to run without a GPU';
    throw new AthanorError('ERR_CUDA_UNAVAILABLE', `\`device\` cuda: ${detail}`, remedy);
  }
  if (hasGpu()) onNote?.(`running on the CPU: ${detail}`);
  return 'cpu';
}
