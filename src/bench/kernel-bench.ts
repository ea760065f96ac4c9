/**
 * Times one kernel at a time, as a share of the peak of this machine: its measured FLOP/s or its
 * measured bandwidth. A kernel that the memory bounds finds nothing in a cache. Results of a GPU
 * are compared with those of the CPU before they are timed.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { DType, NativeTensor } from '../native/binding.ts';
import { bandwidthMeter, flopsMeter, type PeakMeter, timeRepeats } from './peak.ts';

export interface KernelResult {
  name: string;
  dtype: DType;
  shape: string;
  /** Seconds of the fastest repeat. */
  seconds: number;
  /** FLOP/s or bytes/s, depending on what bounds the kernel. */
  rate: number;
  unit: 'flop' | 'byte';
  /** The rate divided by the best measured peak; undefined where the machine was too restless. */
  share: number | undefined;
}

/** What bounds kernels. */
export interface PeakMeters {
  f32: PeakMeter;
  bf16: PeakMeter;
  bandwidth: PeakMeter;
}

export function peakMeters(): PeakMeters {
  return { f32: flopsMeter('f32'), bf16: flopsMeter('bf16'), bandwidth: bandwidthMeter() };
}

/** Numbers that drive everything else out of the caches: 128 MiB. */
const CACHE_SWEEP = 32 << 20;

interface Case {
  dtype: DType;
  shape: string;
  work: number;
  unit: KernelResult['unit'];
  /** Returns the tensors that it made. The caller disposes of them. */
  run: () => NativeTensor[];
}
type NamedCase = [name: string, make: () => Case];

/**
 * Allowed errors, relative to the largest number of a result. bf16 has 8 bits, and gradients of
 * attention are rounded twice.
 */
const tolerances: Partial<Record<DType, number>> = { f32: 1e-4, bf16: 2 ** -6 };

/**
 * Runs the cases whose name contains `filter` and measures the peak of each before and after it.
 * Throws ERR_INTERNAL when a GPU's result differs from the CPU's.
 */
export function benchKernels(meters: PeakMeters, repeats: number, filter = ''): KernelResult[] {
  for (const meter of Object.values(meters) as PeakMeter[]) meter.measure();
  const timed = [...cases(native.device())]
    .filter(([name]) => name.includes(filter))
    .map(([name, make]) => {
      const made = make();
      const seconds = timeCase(name, made, make, repeats);
      const { dtype, shape, work, unit } = made;
      const meter = unit === 'byte' ? meters.bandwidth : dtype === 'bf16' ? meters.bf16 : meters.f32;
      meter.measure();
      return { meter, name, dtype, shape, seconds, rate: work / seconds, unit };
    });
  // Against the best of all measurements, also of those that came later.
  return timed.map(({ meter, ...result }) => ({ ...result, share: meter.shareOf(result.rate).share }));
}

/** Seconds of the fastest repeat. */
function timeCase(
  name: string,
  { dtype, shape, unit, run }: Case,
  make: () => Case,
  repeats: number,
): number {
  const first = run();
  if (native.device() === 'cuda') checkAgainstCpu(`${name} ${dtype} ${shape}`, dtype, first, make);
  let made: NativeTensor[] = first;
  const sweeper = unit === 'byte' ? native.empty([CACHE_SWEEP], 'f32') : undefined;
  const between = () => {
    for (const tensor of made) tensor.dispose();
    if (sweeper) native.fillInto(sweeper, 0);
    native.synchronize();
  };
  const timed = () => {
    made = run();
    native.synchronize();
  };
  const seconds = timeRepeats(repeats, timed, between);
  sweeper?.dispose();
  return Math.min(...seconds);
}

function checkAgainstCpu(what: string, dtype: DType, made: NativeTensor[], make: () => Case): void {
  native.setDevice('cpu');
  try {
    make()
      .run()
      .forEach((tensor, i) => {
        const error = relativeError(floatsOf(made[i]!), floatsOf(tensor));
        tensor.dispose();
        if (error <= tolerances[dtype]!) return;
        const remedy = 'report it with what athanor info prints; npm run test:gpu names the kernel at fault';
        const found = `result ${i} of ${what} differs from the CPU's by ${error} of its largest number`;
        throw new AthanorError('ERR_INTERNAL', found, remedy);
      });
  } finally {
    native.setDevice('cuda');
  }
}

function floatsOf(tensor: NativeTensor): Float32Array {
  const wide = native.cast(tensor, 'f32');
  try {
    return native.read(wide) as Float32Array;
  } finally {
    wide.dispose();
  }
}

/**
 * The largest difference divided by the largest expected number. NaN if any number is NaN, which
 * no bound accepts.
 */
function relativeError(got: Float32Array, wanted: Float32Array): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < wanted.length; ++i) {
    const error = Math.abs(got[i]! - wanted[i]!);
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(worst)) return worst;
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return worst / largest;
}

const floats = ['f32', 'bf16'] as const;
const bytesOf = (dtype: DType) => (dtype === 'f32' ? 4 : 2);
const random = (shape: number[], dtype: DType, stream = 0): NativeTensor => {
  const out = native.empty(shape, 'f32');
  native.normalInto(out, 0, 1, 7, stream);
  return dtype === 'f32' ? out : native.cast(out, dtype);
};

/** Each case is made when it runs, so that the tensors of one case are freed before the next. */
function* cases(device: 'cpu' | 'cuda'): Generator<NamedCase> {
  for (const dtype of floats) {
    for (const size of [
      [256, 384, 384],
      [512, 512, 512],
      [1024, 1024, 1024],
      [2048, 1536, 384],
      [1024, 3072, 768],
      [1024, 768, 3072],
    ] as const) {
      for (const layout of ['nn', 'nt', 'tn'] as const)
        yield [`gemm_${layout}`, () => gemm(dtype, size, layout)];
      yield ['linear', () => linearForward(dtype, size)];
    }
    // Attention on a GPU takes bf16 only.
    if (device === 'cpu' || dtype === 'bf16') {
      for (const shape of [
        [8, 256, 6, 64],
        [2, 1024, 12, 64],
        [2, 1024, 6, 128],
        // Gemma 3 and Gemma 2.
        [2, 1024, 4, 256],
        [2, 1024, 4, 256, 50],
      ] as const) {
        yield ['attention_forward', () => attention(dtype, 'forward', shape)];
        yield ['attention_backward', () => attention(dtype, 'backward', shape)];
      }
    }
    yield ['layer_norm', () => layerNorm(dtype, 8192, 768)];
    yield ['gelu', () => geluForward(dtype, 8192, 3072)];
  }
  for (const dtype of floats) yield ['adamw', () => adamw(dtype, 32 << 20)];
  yield ['linear_decode', () => linearForward('bf16', [1, 50304, 768])];
  // int8 weights are for the CPU.
  if (device === 'cuda') return;
  for (const size of [
    [1, 50304, 768],
    [64, 3072, 768],
    [64, 768, 3072],
    [512, 3072, 768],
  ] as const) {
    yield ['quantized_linear', () => quantizedLinear('bf16', size)];
  }
}

function gemm(dtype: DType, [m, n, k]: readonly [number, number, number], layout: 'nn' | 'nt' | 'tn'): Case {
  const aTransposed = layout === 'tn';
  const bTransposed = layout === 'nt';
  const a = random(aTransposed ? [k, m] : [m, k], dtype);
  const b = random(bTransposed ? [n, k] : [k, n], dtype, 1);
  const run = () => [native.gemm(a, b, aTransposed, bTransposed, dtype)];
  return { dtype, shape: `${m}x${n}x${k}`, work: 2 * m * n * k, unit: 'flop', run };
}

function linearForward(dtype: DType, [m, n, k]: readonly [number, number, number]): Case {
  const x = random([m, k], dtype);
  const weight = random([n, k], 'f32', 1);
  const run = () => [native.linearForward({ x, weight, activation: 'none', savePreactivation: false })[0]];
  const shape = `${m}x${n}x${k}`;
  if (m === 1) return { dtype, shape, work: n * k * bytesOf(dtype), unit: 'byte', run };
  return { dtype, shape, work: 2 * m * n * k, unit: 'flop', run };
}

/** Rounds rows to 16 bits, so that it has as many operations as a product of bf16. */
function quantizedLinear(dtype: DType, [m, outputs, k]: readonly [number, number, number]): Case {
  const x = random([m, k], dtype);
  const wide = random([outputs, k], 'f32', 1);
  const weight = native.quantizeWeight(wide);
  wide.dispose();
  const run = () => [native.quantizedLinear({ x, weight, outputs, activation: 'none', dtype })];
  const shape = `${m}x${outputs}x${k}`;
  if (m === 1) return { dtype, shape, work: outputs * k, unit: 'byte', run };
  return { dtype, shape, work: 2 * m * outputs * k, unit: 'flop', run };
}

function attention(
  dtype: DType,
  pass: 'forward' | 'backward',
  [batch, t, heads, dim, softcap]: readonly [number, number, number, number, number?],
): Case {
  const qkv = random([batch * t, 3 * heads * dim], dtype);
  const cu = native.empty([batch + 1], 'i32');
  native.write(
    cu,
    Int32Array.from({ length: batch + 1 }, (_, i) => i * t),
  );
  const inputs = { qkv, cuSeqlens: cu, heads, kvHeads: heads, scale: 1 / Math.sqrt(dim), softcap };
  const [out, lse] = native.attentionForward(inputs);
  // Causal attention computes half of the square: 2 products forward and 5 backward.
  const work = batch * heads * t * (t + 1) * dim * (pass === 'forward' ? 2 : 5);
  const run = () =>
    pass === 'forward'
      ? [...native.attentionForward(inputs)]
      : [native.attentionBackward({ dout: out, out, lse, ...inputs })];
  return {
    dtype,
    shape: `${batch}x${t}, ${heads} heads of ${dim}${softcap === undefined ? '' : `, cap ${softcap}`}`,
    work,
    unit: 'flop',
    run,
  };
}

function layerNorm(dtype: DType, rows: number, width: number): Case {
  const x = random([rows, width], dtype);
  const weight = random([width], 'f32', 1);
  const run = () =>
    native
      .layerNormForward(x, undefined, weight, weight, 1e-5)
      .filter((made): made is NativeTensor => made !== undefined);
  return {
    dtype,
    shape: `${rows}x${width}`,
    work: 2 * rows * width * bytesOf(dtype),
    unit: 'byte',
    run,
  };
}

function geluForward(dtype: DType, rows: number, width: number): Case {
  const x = random([rows, width], dtype);
  const run = () => [native.geluForward(x)];
  return {
    dtype,
    shape: `${rows}x${width}`,
    work: 2 * rows * width * bytesOf(dtype),
    unit: 'byte',
    run,
  };
}

/** Reads four streams and writes three; a bf16 parameter is rounded stochastically. */
function adamw(dtype: DType, count: number): Case {
  const parameter = random([count], dtype);
  const [gradient, first, second] = [1, 2, 3].map((stream) => random([count], 'f32', stream)) as [
    NativeTensor,
    NativeTensor,
    NativeTensor,
  ];
  native.fillInto(second, 1);
  let step = 0;
  const run = () => {
    step += 1;
    native.adamwStep({
      parameters: [parameter],
      gradients: [gradient],
      first: [first],
      second: [second],
      weightDecay: [0.1],
      place: [0],
      begin: [0],
      lr: 1e-4,
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-8,
      step,
      gradientScale: 1,
      seed: 7,
    });
    return [native.slice(parameter, 0, 1 << 20)];
  };
  return { dtype, shape: `${count}`, work: (5 * 4 + 2 * bytesOf(dtype)) * count, unit: 'byte', run };
}
