/** Facts about this machine from the operating system. Nothing here loads the engine. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, homedir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** An NVIDIA GPU. A fact that is unknown is null. */
export interface Gpu {
  readonly name: string;
  readonly memoryBytes: number | null;
  readonly driver: string | null;
}

/**
 * Shared libraries by their common names. They are searched only where the dynamic linker searches.
 */
const systemLibraries = { 'CUDA driver': 'libcuda.so.1', MPI: 'libmpi.so' } as const;

// CPU features on which the choice of kernels depends. A CPU reports about two hundred in all.
const kernelFeatures =
  /^(sse4_2|avx|avx2|fma|f16c|bmi2|avx512f|avx512bw|avx512vl|avx512dq|avx512_bf16|avx512_vnni|avx512_fp16|avx_vnni|amx_tile|amx_bf16|amx_int8|asimd|asimdhp|bf16|i8mm|sve|sve2)$/;

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}

/** `cores` counts all logical cores, `usableCores` those that this process may use. */
export function cpuInfo(): { model: string; cores: number; usableCores: number; features: string[] } {
  const text = readOr('/proc/cpuinfo', '');
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1] ?? '';
  const features = flags.split(/\s+/).filter((name) => kernelFeatures.test(name));
  const all = cpus();
  const model = all[0]?.model.trim() || 'unknown';
  return { model, cores: all.length, usableCores: availableParallelism(), features };
}

/**
 * Memory in bytes. `limit` is the limit of the container for this process, or null where there is
 * none below `total`.
 */
export function memoryInfo(): { total: number; free: number; limit: number | null } {
  const available = /^MemAvailable:\s*(\d+) kB$/m.exec(readOr('/proc/meminfo', ''))?.[1];
  const total = totalmem();
  const limit = process.constrainedMemory();
  return {
    total,
    free: available === undefined ? freemem() : Number(available) * 1024,
    limit: limit > 0 && limit < total ? limit : null,
  };
}

/**
 * Whether the files of the NVIDIA driver exist. Unlike a call of nvidia-smi, this takes no time.
 */
export function hasGpu(): boolean {
  return existsSync('/proc/driver/nvidia/version');
}

/**
 * The NVIDIA GPUs of this machine, from nvidia-smi or, where that is not installed, from the files
 * of the driver.
 */
export async function findGpus(): Promise<Gpu[]> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await execute('nvidia-smi', query, { timeout: 10_000 });
    return stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [name, mebibytes, driver] = line.split(',').map((part) => part.trim());
        const memory = Number(mebibytes);
        return {
          name: name!,
          memoryBytes: Number.isFinite(memory) ? memory * 2 ** 20 : null,
          driver: driver ?? null,
        };
      });
  } catch {
    const folder = '/proc/driver/nvidia/gpus';
    if (!existsSync(folder)) return [];
    return readdirSync(folder).map((slot) => {
      const name = /^Model:\s*(.*)$/m.exec(readOr(join(folder, slot, 'information'), ''))?.[1];
      return { name: name ?? slot, memoryBytes: null, driver: null };
    });
  }
}

/** The path at which the dynamic linker finds each system library, or null where it finds none. */
export async function findSystemLibraries(): Promise<Record<string, string | null>> {
  let listing = '';
  for (const program of ['/sbin/ldconfig', 'ldconfig']) {
    try {
      listing = (await execute(program, ['-p'], { timeout: 10_000, maxBuffer: 1 << 25 })).stdout;
      break;
    } catch {}
  }
  const entries = [...listing.matchAll(/^\s*(\S+) \(.*\) => (\S+)$/gm)];
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean);
  const found: Record<string, string | null> = {};
  for (const [name, file] of Object.entries(systemLibraries)) {
    const near = folders.map((folder) => join(folder, file)).find((path) => existsSync(path));
    found[name] = near ?? entries.find(([, entry]) => entry!.startsWith(file))?.[2] ?? null;
  }
  return found;
}

/**
 * The folder for downloads: $ATHANOR_CACHE if it is set, else athanor/ in the user's cache folder.
 */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return process.env.ATHANOR_CACHE || join(base, 'athanor');
}
