/** The arithmetic of docs/scale.md: memory, bytes and time of an update on many GPUs. */

/**
 * NVIDIA's data sheets of the H100 and H200 Tensor Core GPU, SXM: dense bf16, memory, and half of
 * NVLink's 900 GB/s, which counts both ways.
 */
export const gpus = {
  H100: { flops: 989e12, memory: 80e9, memoryRate: 3.35e12, nvlink: 450e9 },
  H200: { flops: 989e12, memory: 141e9, memoryRate: 4.8e12, nvlink: 450e9 },
};

/** DGX H100: eight GPUs, and for each a network port of 400 Gb/s. */
export const machine = { gpus: 8, network: 50e9 };

/** Published shapes. `batch`: tokens of an update; `mfu`: the field's share of the peak. */
export const models = {
  '124M': {
    ...{ name: 'gpt2', layers: 12, hidden: 768, heads: 12, context: 1024, vocabulary: 50_257 },
    ...{ parameters: 124_439_808, batch: 2 ** 19, mfu: 0.38 },
  },
  '1.5B': {
    ...{ name: 'gpt2-xl', layers: 48, hidden: 1600, heads: 25, context: 1024, vocabulary: 50_257 },
    ...{ parameters: 1_557_611_200, batch: 2 ** 20, mfu: 0.5 },
  },
  '8B': {
    ...{ name: 'Llama-3.1-8B', layers: 32, hidden: 4096, heads: 32, context: 8192, vocabulary: 128_256 },
    ...{ keyValueSize: 1024, intermediate: 14_336 },
    ...{ parameters: 8_030_261_248, batch: 2 ** 22, mfu: 0.4 },
  },
};

/** Elements of the matrices that a token is multiplied with, the output head's among them. */
function multiplied({ layers, hidden, vocabulary, keyValueSize, intermediate }) {
  const block = keyValueSize
    ? 2 * hidden * hidden + 2 * hidden * keyValueSize + 3 * hidden * intermediate
    : 12 * hidden * hidden;
  return layers * block + vocabulary * hidden;
}

/** Floating-point operations of a training step per token, as `athanor` counts them. */
export function flopsPerToken(model) {
  const { layers, hidden, context } = model;
  return 6 * multiplied(model) + 6 * layers * hidden * (context + 1);
}

/** Bytes of an element: gradients and weights are f32, and so are both moments. */
const F32 = 4;

/** What each rank holds, in bytes. Stage 3 also has the weights of two layers at a time. */
export function held({ parameters, layers }, ranks, stage) {
  const all = F32 * parameters;
  const share = all / ranks;
  const layer = all / layers;
  return {
    weights: stage < 3 ? all : share + 2 * layer,
    // The sums of this rank, and the summands that came from the others.
    gradients: stage < 2 ? 2 * all : share + 2 * layer,
    moments: stage < 1 ? 2 * all : 2 * share,
  };
}

/**
 * Bytes that a rank sends in an update of so many passes: gradients for the sums, and weights
 * (stage 0: sums). From stage 2 each pass is summed at once.
 */
export function sent({ parameters }, ranks, stage, passes) {
  const once = (F32 * parameters * (ranks - 1)) / ranks;
  return {
    gradients: stage < 2 ? once : once * passes,
    weights: stage < 3 ? once : 2 * once * passes,
  };
}

/** Bytes of activations of a sequence (Korthikanti et al., 2022, without the attention matrix). */
export function activations({ layers, hidden, context }, recomputed) {
  const layer = 34 * hidden * context;
  return recomputed ? layers * 2 * hidden * context + layer : layers * layer;
}

/** The ways in which a GPU has room for a sequence: stage, and whether layers are recomputed. */
function plans(model, gpu, ranks, room) {
  const ways = [false, true].flatMap((recomputed) => [1, 2, 3].map((stage) => ({ stage, recomputed })));
  return ways.flatMap((way) => {
    const state = Object.values(held(model, ranks, way.stage)).reduce((a, b) => a + b);
    const sequences = Math.floor((gpu.memory * room - state) / activations(model, way.recomputed));
    return sequences < 1 ? [] : [{ ...way, sequences }];
  });
}

/**
 * Seconds in which every rank sends each other one its part.
 * @param sums `direct`, or `machine`: ranks of a machine add up first, and one part leaves it
 */
function partsTime(bytes, ranks, gpu, { sums, efficiency, bucket, message }) {
  const local = Math.min(ranks, machine.gpus);
  const inside = (bytes * (local - 1)) / local / (gpu.nvlink * efficiency);
  const leaving = (bytes * (ranks - local)) / ranks / (sums === 'machine' ? machine.gpus : 1);
  const peers = sums === 'machine' ? local + ranks / local - 2 : ranks - 1;
  const starts = Math.ceil(bytes / bucket) * peers * message;
  const direct = Math.max((inside * local) / ranks, leaving / (machine.network * efficiency));
  if (sums === 'direct' || ranks === local) return direct + starts;
  return inside + leaving / (machine.network * efficiency) + starts;
}

/** Seconds in which all ranks get all parts, around a ring on all ports of a machine. */
function gatherTime(bytes, ranks, gpu, { efficiency, bucket, message }) {
  const rate = ranks > machine.gpus ? machine.gpus * machine.network : gpu.nvlink;
  const starts = Math.ceil(bytes / bucket) * Math.log2(ranks) * message;
  return (bytes * (ranks - 1)) / ranks / (rate * efficiency) + starts;
}

/** Seconds of an exchange that computation does not hide. */
const exposed = (exchange, computing, overlap) => Math.max(exchange - computing, (1 - overlap) * exchange);

/** The plainest way to train that is within 3 % of the fastest, with the seconds of an update. */
export function predict(model, gpu, ranks, assumed) {
  const times = plans(model, gpu, ranks, assumed.room).map((plan) => time(plan, model, gpu, ranks, assumed));
  const best = Math.max(...times.map(({ rate }) => rate));
  return times.find(({ rate }) => rate >= 0.97 * best);
}

function time(plan, model, gpu, ranks, assumed) {
  // Each rank has a sequence at least, so the batch grows where it has fewer.
  const each = Math.max(model.batch / model.context / ranks, 1);
  // A power of two, so that all passes of a batch of that size are equal.
  const passes = 2 ** Math.ceil(Math.log2(each / Math.min(each, plan.sequences)));
  const work = (each * model.context * flopsPerToken(model)) / (gpu.flops * model.mfu);
  const launches = passes * model.layers * assumed.kernels * assumed.launch;
  const forward = Math.max(work, launches) / 3;
  const backward = (plan.recomputed ? 3 : 2) * forward;
  const all = F32 * model.parameters;
  const sums = partsTime(all, ranks, gpu, assumed);
  const gather = gatherTime(all, ranks, gpu, assumed);
  const [ahead, behind] = [forward / passes, backward / passes];
  const rounds = plan.stage < 2 ? 1 : passes;
  const waiting =
    plan.stage < 3
      ? rounds * exposed(sums, behind, assumed.overlap) + gather
      : passes * (exposed(gather, ahead, assumed.overlap) + exposed(gather + sums, behind, assumed.overlap));
  // AdamW reads gradient, weight and moments, and writes weight and moments.
  const optimizer = (7 * all) / ranks / gpu.memoryRate;
  const seconds = forward + backward + waiting + optimizer;
  return {
    ...plan,
    passes,
    each,
    computing: forward + backward,
    sums: rounds * sums,
    gather: plan.stage < 3 ? gather : 2 * passes * gather,
    waiting,
    rate: (each * model.context) / seconds,
    // Of the rate without an exchange and without recomputation.
    share: Math.max(work, launches) / seconds,
  };
}
