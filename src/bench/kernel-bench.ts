/** One kernel at a time, as a share of what this machine can do: its measured FLOP/s or its measured bandwidth. */
import { native } from '../native/addon.ts';
import type { DType, NativeTensor } from '../native/binding.ts';

export interface KernelResult {
  name: string;
  dtype: DType;
  shape: string;
  /** The fastest of the repeats. */
  seconds: number;
  /** FLOP/s or bytes/s, by what bounds the kernel. */
  rate: number;
  unit: 'flop' | 'byte';
  /** rate over the measured peak. */
  share: number;
}

export interface Peaks {
  f32: number;
  bf16: number;
  bandwidth: number;
}

export function measurePeaks(): Peaks {
  return {
    f32: native.measurePeakFlops('f32'),
    bf16: native.measurePeakFlops('bf16'),
    bandwidth: native.measureCopyBandwidth(),
  };
}

interface Case {
  name: string;
  dtype: DType;
  shape: string;
  work: number;
  unit: KernelResult['unit'];
  run: () => void;
}

/** Runs the cases whose name contains `filter`. */
export function* benchKernels(peaks: Peaks, repeats: number, filter = ''): Generator<KernelResult> {
  for (const make of cases()) {
    const { name, dtype, shape, work, unit, run } = make();
    if (!name.includes(filter)) continue;
    run();
    native.synchronize();
    let seconds = Number.POSITIVE_INFINITY;
    for (let i = 0; i < repeats; ++i) {
      const startedAt = performance.now();
      run();
      native.synchronize();
      seconds = Math.min(seconds, (performance.now() - startedAt) / 1000);
    }
    const peak = unit === 'byte' ? peaks.bandwidth : dtype === 'bf16' ? peaks.bf16 : peaks.f32;
    yield { name, dtype, shape, seconds, rate: work / seconds, unit, share: work / seconds / peak };
  }
}

const floats = ['f32', 'bf16'] as const;
const bytesOf = (dtype: DType) => (dtype === 'f32' ? 4 : 2);
const random = (shape: number[], dtype: DType, stream = 0): NativeTensor => {
  const out = native.empty(shape, 'f32');
  native.normalInto(out, 0, 1, 7, stream);
  return dtype === 'f32' ? out : native.cast(out, dtype);
};

/** Each case is made when its turn comes, so that one case's tensors are gone before the next one's. */
function* cases(): Generator<() => Case> {
  for (const dtype of floats) {
    for (const size of [
      [256, 384, 384],
      [512, 512, 512],
      [1024, 1024, 1024],
      [2048, 1536, 384],
      [1024, 3072, 768],
      [1024, 768, 3072],
    ] as const) {
      for (const layout of ['nn', 'nt', 'tn'] as const) yield () => gemm(dtype, size, layout);
      yield () => linearForward(dtype, size);
    }
    yield () => attention(dtype, 'forward', 8, 256, 6, 64);
    yield () => attention(dtype, 'backward', 8, 256, 6, 64);
    yield () => attention(dtype, 'forward', 2, 1024, 12, 64);
    yield () => attention(dtype, 'backward', 2, 1024, 12, 64);
    yield () => layerNorm(dtype, 8192, 768);
    yield () => geluForward(dtype, 8192, 3072);
  }
  yield () => adamw(32 << 20);
  yield () => linearForward('bf16', [1, 50304, 768]);
}

function gemm(dtype: DType, [m, n, k]: readonly [number, number, number], layout: 'nn' | 'nt' | 'tn'): Case {
  const aTransposed = layout === 'tn';
  const bTransposed = layout === 'nt';
  const a = random(aTransposed ? [k, m] : [m, k], dtype);
  const b = random(bTransposed ? [n, k] : [k, n], dtype, 1);
  const run = () => native.gemm(a, b, aTransposed, bTransposed, dtype).dispose();
  return { name: `gemm_${layout}`, dtype, shape: `${m}x${n}x${k}`, work: 2 * m * n * k, unit: 'flop', run };
}

function linearForward(dtype: DType, [m, n, k]: readonly [number, number, number]): Case {
  const x = random([m, k], dtype);
  const weight = random([n, k], 'f32', 1);
  const run = () => native.linearForward(x, weight, undefined, 0, false)[0].dispose();
  const shape = `${m}x${n}x${k}`;
  if (m === 1)
    return { name: 'linear_decode', dtype, shape, work: n * k * bytesOf(dtype), unit: 'byte', run };
  return { name: 'linear', dtype, shape, work: 2 * m * n * k, unit: 'flop', run };
}

function attention(
  dtype: DType,
  pass: 'forward' | 'backward',
  batch: number,
  t: number,
  heads: number,
  dim: number,
): Case {
  const qkv = random([batch * t, 3 * heads * dim], dtype);
  const cu = native.empty([batch + 1], 'i32');
  native.write(
    cu,
    Int32Array.from({ length: batch + 1 }, (_, i) => i * t),
  );
  const scale = 1 / Math.sqrt(dim);
  const [out, lse] = native.attentionForward(qkv, cu, heads, heads, scale);
  // Causal: half of the square, 2 products forward and 5 backward.
  const work = batch * heads * t * (t + 1) * dim * (pass === 'forward' ? 2 : 5);
  const run = () => {
    if (pass === 'forward') {
      for (const made of native.attentionForward(qkv, cu, heads, heads, scale)) made.dispose();
    } else {
      native.attentionBackward(out, qkv, out, lse, cu, heads, heads, scale).dispose();
    }
  };
  return {
    name: `attention_${pass}`,
    dtype,
    shape: `${batch}x${t}, ${heads} heads of ${dim}`,
    work,
    unit: 'flop',
    run,
  };
}

function layerNorm(dtype: DType, rows: number, width: number): Case {
  const x = random([rows, width], dtype);
  const weight = random([width], 'f32', 1);
  const run = () => {
    for (const made of native.layerNormForward(x, undefined, weight, weight, 1e-5)) made.dispose();
  };
  return {
    name: 'layer_norm',
    dtype,
    shape: `${rows}x${width}`,
    work: 2 * rows * width * bytesOf(dtype),
    unit: 'byte',
    run,
  };
}

function geluForward(dtype: DType, rows: number, width: number): Case {
  const x = random([rows, width], dtype);
  const run = () => native.geluForward(x).dispose();
  return {
    name: 'gelu',
    dtype,
    shape: `${rows}x${width}`,
    work: 2 * rows * width * bytesOf(dtype),
    unit: 'byte',
    run,
  };
}

/** Four streams read, three written. */
function adamw(count: number): Case {
  const [parameter, gradient, first, second] = [0, 1, 2, 3].map((stream) =>
    random([count], 'f32', stream),
  ) as [NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  native.fillInto(second, 1);
  let step = 0;
  const run = () => {
    step += 1;
    native.adamwStep([parameter], [gradient], [first], [second], [0.1], 1e-4, 0.9, 0.95, 1e-8, step, 1);
  };
  return { name: 'adamw', dtype: 'f32', shape: `${count}`, work: 7 * 4 * count, unit: 'byte', run };
}
