/** A rank of `athanor bench scaling`: `scaling-worker.js CASE`. Rank 0 prints the timing. */
import { GradientBuckets } from '../comm/buckets.ts';
import { joinRanks } from '../comm/join.ts';
import { TokenBatch } from '../data/token-batch.ts';
import { native } from '../native/addon.ts';
import { setThreads } from '../native/engine.ts';
import { Gpt } from '../nn/gpt.ts';
import { presetConfig } from '../nn/presets.ts';
import { backward } from '../tensor/autograd.ts';
import { scope } from '../tensor/tensor.ts';
import { Optimizers } from '../train/loop/optimizers.ts';
import type { ScalingCase, ScalingTiming } from './scaling-bench.ts';
import { randomBatch } from './train-bench.ts';

const given = JSON.parse(process.argv[2]!) as ScalingCase;
const { model: preset, vocabSize, batchSize, context, dtype, batches, steps, threads, zero, overlap } = given;
setThreads(threads);
const communicator = await joinRanks();
const config = presetConfig(preset, { contextLength: context, ...(vocabSize && { vocabSize }) });
const model = new Gpt(config, { dtype, seed: 1 });
const parameters = model.parameters();
const buckets = new GradientBuckets([...parameters.values()], communicator, {
  ...{ batches, overlap, zero },
});
const optimizers = new Optimizers([{ name: '', parameters }], { seed: 0 }, { buckets, communicator });
const packed = randomBatch(config.vocabSize, batchSize, context);
const scale = 1 / (batches * batchSize * context);

async function step(): Promise<void> {
  for (const _ of buckets.batches) {
    scope(() => {
      buckets.beginPass();
      const { input, targets } = new TokenBatch(packed);
      const { loss } = model.loss(input, targets, { scale });
      backward(loss, { onGradient: (parameter) => buckets.ready(parameter) });
      buckets.endPass();
    });
  }
  await buckets.finish();
  await optimizers.step(1e-4, await optimizers.gradNorms(), 1);
  buckets.release();
}

buckets.weights?.shareOut();
// The first step packs weights and touches all memory for the first time.
await step();
native.resetPeakMemory();
const waitedBefore = buckets.waitedSeconds;
const seconds: number[] = [];
for (let i = 0; i < steps; ++i) {
  await communicator.barrier();
  const startedAt = performance.now();
  await step();
  seconds.push((performance.now() - startedAt) / 1000);
}
const waited = (buckets.waitedSeconds - waitedBefore) / steps;
const own = [waited, optimizers.held.moments, native.memoryStats()[1], ...seconds];
const all = await communicator.gather(own);
const largest = own.map((_, i) => Math.max(...all.map((rank) => rank[i]!)));
await communicator.close();
if (communicator.rank === 0) {
  const [waitedSeconds, momentBytes, peakBytes, ...slowest] = largest as [number, number, number];
  const timing: ScalingTiming = { seconds: Math.min(...slowest), waitedSeconds, momentBytes, peakBytes };
  process.stdout.write(JSON.stringify(timing));
}
