// Finds out which parts of the engine this machine can use, without the engine.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/** Best first; the rules are those of native/cpu/host/isa.cpp. */
const instructionSets = [
  ['avx512bf16', ['avx512_bf16', 'avx512bw', 'avx512vl', 'avx512dq']],
  ['avx512', ['avx512f', 'avx512bw', 'avx512vl', 'avx512dq']],
  ['avx2', ['avx2', 'fma']],
];

/**
 * The best instruction set of a CPU with these features; `features` are the words of /proc/cpuinfo.
 */
export function bestInstructionSet(features) {
  const found = instructionSets.find(([, needed]) => needed.every((name) => features.includes(name)));
  return found?.[0] ?? 'portable';
}

function cpuFeatures() {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].trim().split(/\s+/) ?? [];
  } catch {
    return [];
  }
}

/**
 * Whether there is an NVIDIA driver: its own files, or the device through which WSL passes it on.
 */
export function hasGpu() {
  return ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg'].some((path) => existsSync(path));
}

/** The parts of the engine that this machine runs: one instruction set and, with a GPU, cuda. */
export function machineParts() {
  return [bestInstructionSet(cpuFeatures()), ...(hasGpu() ? ['cuda'] : [])];
}

export function machineName() {
  const cores = availableParallelism();
  const gpu = hasGpu() ? 'an NVIDIA driver' : 'no NVIDIA driver';
  return `${cpus()[0]?.model.trim() || 'unknown CPU'}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${gpu}`;
}

// Seconds of the sort below on the machine for which build-plan.mjs has its times.
const referenceSeconds = 0.016;

/** How many times slower this machine is than the one of our measurements. Takes 0.1 s. */
export function slowness() {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    let state = 1;
    const numbers = Array.from({ length: 60_000 }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state;
    });
    const start = performance.now();
    numbers.sort((a, b) => a - b);
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best / referenceSeconds;
}
