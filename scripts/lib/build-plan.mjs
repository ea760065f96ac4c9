// What a build of the engine has before it, and how long that takes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.mjs';

// Seconds of one core of a Zen 4 server (2.6 GHz) for one object, by the end of its path: the first that fits.
const costs = [
  [/athanor_cuda\.dir.*\.cu\.o$/, 6],
  [/athanor_cpu_\w+\.dir.*linear\.cpp\.o$/, 6],
  [/athanor_cpu_\w+\.dir/, 1.4],
  [/athanor_binding\.dir.*unity_\d+_cxx\.cxx\.o$/, 3.6],
  [/\.o$/, 1],
];

/** Seconds of the reference machine's core for objects. */
export function costOf(objects) {
  let total = 0;
  for (const path of objects) total += costs.find(([pattern]) => pattern.test(path))?.[1] ?? 0;
  return total;
}

/** The objects that a dry run of ninja or make (`cmake --build FOLDER -- -n`) says are out of date. */
export function plannedObjects(output) {
  return [...output.matchAll(/Building (?:CXX|CUDA) object ([^\s"']+\.o)/g)].map(([, path]) => path);
}

/** The objects of a build from nothing; `parts` as in machine.mjs. An estimate's worth: CMakeLists.txt decides. */
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

// The estimate counts like this many seconds of measurement, so that the first objects do not throw it about.
const priorSeconds = 8;

/** Counts objects as they are built, and says what is left. */
export class BuildProgress {
  #planned;
  #total;
  #done = 0;
  #cost = 0;
  #jobs;
  #slowness;

  /** `slowness` is the machine's, by estimate; what is measured then corrects it. */
  constructor(objects, jobs, slowness) {
    this.#planned = objects.length;
    this.#total = costOf(objects);
    this.#jobs = jobs;
    this.#slowness = slowness;
  }

  /** Takes a line of ninja's or make's output; true when it is about an object. */
  take(line) {
    const [object] = plannedObjects(line);
    if (object === undefined) return false;
    this.#done++;
    this.#cost += costOf([object]);
    return true;
  }

  /** Seconds that are left after `elapsed` seconds. */
  secondsLeft(elapsed) {
    const measured = elapsed * this.#jobs;
    const slowness = (measured + priorSeconds * this.#slowness) / (this.#cost + priorSeconds);
    return (Math.max(0, this.#total - this.#cost) * slowness) / this.#jobs;
  }

  text(elapsed) {
    return `${this.#done} of ${this.#planned} files, ${about(this.secondsLeft(elapsed))} left`;
  }
}
