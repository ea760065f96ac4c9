// The objects that a build of the engine compiles, and how long that takes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.mjs';

// Seconds per object on one core of a Zen 4 server (2.6 GHz). The first entry that matches the end
// of the path counts.
const costs = [
  [/athanor_cuda\.dir.*\.cu\.o$/, 6],
  [/athanor_cpu_\w+\.dir.*linear\.cpp\.o$/, 6],
  [/athanor_cpu_\w+\.dir/, 1.4],
  [/athanor_binding\.dir.*unity_\d+_cxx\.cxx\.o$/, 3.6],
  [/\.o$/, 1],
];

/** Seconds for these objects on one core of the reference machine. */
export function costOf(objects) {
  let total = 0;
  for (const path of objects) total += costs.find(([pattern]) => pattern.test(path))?.[1] ?? 0;
  return total;
}

/**
 * The objects that are out of date, by a dry run of ninja or make (`cmake --build FOLDER -- -n`).
 */
export function plannedObjects(output) {
  return [...output.matchAll(/Building (?:CXX|CUDA) object ([^\s"']+\.o)/g)].map(([, path]) => path);
}

/**
 * The objects of a first build, for an estimate (CMakeLists.txt decides). `parts`
 * as in machine.mjs.
 */
export function freshObjects(parts) {
  const files = (folder, extension) =>
    readdirSync(join(root, 'native', folder)).filter((name) => name.endsWith(extension));
  const compiled = (target, folder, extension = '.cpp') =>
    files(folder, extension).map((name) => `${target}.dir/${folder}/${name}.o`);
  const engine = ['core', 'cpu/host', 'ops', 'text', 'comm'].flatMap((folder) => {
    try {
      return compiled('athanor_engine', folder);
    } catch {
      return [];
    }
  });
  const bindings = Math.ceil(files('binding', '.cpp').length / 6);
  const binding = Array.from(
    { length: bindings },
    (_, i) => `athanor_binding.dir/Unity/unity_${i}_cxx.cxx.o`,
  );
  const kernels = parts.flatMap((part) =>
    part === 'cuda'
      ? ['cuda', 'cuda/attention', 'cuda/gemm', 'cuda/runtime'].flatMap((folder) =>
          compiled('athanor_cuda', folder, '.cu'),
        )
      : compiled(`athanor_cpu_${part}`, 'cpu'),
  );
  return [...engine, ...kernels, ...binding];
}

/** "about 40 s", "about 3 min". */
export function about(seconds) {
  if (seconds < 10) return 'a few seconds';
  if (seconds < 90) return `about ${Math.ceil(seconds / 5) * 5} s`;
  return `about ${Math.round(seconds / 60)} min`;
}

// The estimate counts as much as this many seconds of measurement, so that the first objects do not
// change it too much.
const priorSeconds = 8;

/** Counts objects as they are built, and estimates the time left. */
export class BuildProgress {
  #planned;
  #total;
  #done = 0;
  #cost = 0;
  #jobs;
  #slowness;

  /** `slowness` is an estimate for this machine; measurements then correct it. */
  constructor(objects, jobs, slowness) {
    this.#planned = objects.length;
    this.#total = costOf(objects);
    this.#jobs = jobs;
    this.#slowness = slowness;
  }

  /** Takes a line of ninja's or make's output. Returns true if it is about an object. */
  take(line) {
    const [object] = plannedObjects(line);
    if (object === undefined) return false;
    this.#done++;
    this.#cost += costOf([object]);
    return true;
  }

  /** Seconds left after `elapsed` seconds. */
  secondsLeft(elapsed) {
    const measured = elapsed * this.#jobs;
    const slowness = (measured + priorSeconds * this.#slowness) / (this.#cost + priorSeconds);
    return (Math.max(0, this.#total - this.#cost) * slowness) / this.#jobs;
  }

  text(elapsed) {
    return `${this.#done} of ${this.#planned} files, ${about(this.secondsLeft(elapsed))} left`;
  }
}
