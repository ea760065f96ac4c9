#!/usr/bin/env node
// The tables of docs/scale.md: training on 8 to 1,024 GPUs, on paper.
//   node scripts/gpu-scale.mjs [--gpus 8,64,1024] [--overlap 0.7] [--sums direct|machine]
// The options are the assumptions; the page says where each comes from.
import { parseArgs } from 'node:util';
import {
  activations,
  flopsPerToken,
  gpus,
  held,
  machine,
  models,
  predict,
  sent,
} from './lib/scale-model.mjs';

const { values } = parseArgs({
  options: {
    gpus: { type: 'string', default: '8,64,1024' },
    overlap: { type: 'string', default: '0.7' },
    efficiency: { type: 'string', default: '0.8' },
    room: { type: 'string', default: '0.9' },
    kernels: { type: 'string', default: '40' },
    launch: { type: 'string', default: '4e-6' },
    message: { type: 'string', default: '1e-6' },
    bucket: { type: 'string', default: String(2 ** 25) },
    sums: { type: 'string', default: 'direct' },
  },
});
const { gpus: counts, sums, ...numbers } = values;
const assumed = { sums, ...Object.fromEntries(Object.entries(numbers).map(([key, v]) => [key, Number(v)])) };
const sizes = counts.split(',').map(Number);
const all = Object.entries(models);

const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const table = (title, ...head) => {
  console.log(`\n${title}\n`);
  row(...head);
  row(...head.map(() => '---'));
};
const digits = (value, count = 2) => String(Number(value.toPrecision(count)));
const gb = (bytes) => digits(bytes / 1e9);
const ms = (seconds) => digits(seconds * 1000);
const whole = (value) => Math.round(value).toLocaleString('en-US');
const three = (value) => whole(Number(value.toPrecision(3)));

table('Hardware', 'GPU', 'dense bf16', 'memory', 'bandwidth', 'NVLink, one way', 'network, one way');
for (const [name, { flops, memory, memoryRate, nvlink }] of Object.entries(gpus)) {
  const rate = (bytes) => `${whole(bytes / 1e9)} GB/s`;
  row(
    name,
    `${flops / 1e12} TFLOP/s`,
    `${memory / 1e9} GB`,
    rate(memoryRate),
    rate(nvlink),
    rate(machine.network),
  );
}

table('Work', 'model', 'parameters', 'context', 'FLOPs per token', 'tokens per update', 'share of the peak');
for (const [name, model] of all) {
  const flops = `${digits(flopsPerToken(model) / 1e9, 3)} G`;
  row(
    `${name} (${model.name})`,
    whole(model.parameters),
    model.context,
    flops,
    whole(model.batch),
    model.mfu,
  );
}

table(
  'GB sent by each GPU in an update of P passes, 64 GPUs',
  'model',
  'gradients',
  'weights',
  ...[0, 1, 2, 3].map((stage) => `ZeRO-${stage}, P = 1`),
  'ZeRO-2, P = 4',
  'ZeRO-3, P = 4',
);
for (const [name, model] of all) {
  const total = (stage, passes) => Object.values(sent(model, 64, stage, passes)).reduce((a, b) => a + b);
  const { gradients, weights } = sent(model, 64, 1, 1);
  const once = [0, 1, 2, 3].map((stage) => gb(total(stage, 1)));
  row(name, gb(gradients), gb(weights), ...once, gb(total(2, 4)), gb(total(3, 4)));
}

table(
  'GB held by each GPU',
  'model',
  'GPUs',
  ...[0, 1, 2, 3].map((stage) => `ZeRO-${stage}`),
  'a sequence',
  'the same, recomputed',
);
for (const [name, model] of all) {
  for (const ranks of sizes) {
    const state = [0, 1, 2, 3].map((stage) =>
      gb(Object.values(held(model, ranks, stage)).reduce((a, b) => a + b)),
    );
    row(name, whole(ranks), ...state, gb(activations(model, false)), gb(activations(model, true)));
  }
}

const planText = ({ stage, recomputed }) => `ZeRO-${stage}${recomputed ? ', recomputed' : ''}`;
const timed = ['computing', 'sums', 'weights', 'not hidden'];
const heads = ['model', 'GPUs', 'GPU', 'plan', 'sequences', ...timed, 'tokens/s per GPU', 'of one GPU'];
table('Milliseconds of an update', ...heads);
for (const [name, model] of all) {
  for (const ranks of sizes) {
    for (const [kind, gpu] of Object.entries(gpus)) {
      const one = predict(model, gpu, ranks, assumed);
      const times = [one.computing, one.sums, one.gather, one.waiting].map(ms);
      const sequences = `${one.passes} × ${one.each / one.passes}`;
      const share = `${digits(100 * one.share)} %`;
      row(name, whole(ranks), kind, planText(one), sequences, ...times, three(one.rate), share);
    }
  }
}

table('Where it stops, H100', 'model', 'sums', 'at least 80 % up to', '50 % up to', 'sequences end at');
for (const [name, model] of all) {
  for (const how of ['direct', 'machine']) {
    const upTo = (share) => {
      const good = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096].filter((ranks) => {
        const one = predict(model, gpus.H100, ranks, { ...assumed, sums: how });
        return ranks <= model.batch / model.context && one.share >= share;
      });
      return good.length > 0 ? whole(good.at(-1)) : 'less than 8';
    };
    const kind = { direct: 'each rank to each', machine: 'in a machine first' }[how];
    row(name, kind, upTo(0.8), upTo(0.5), whole(model.batch / model.context));
  }
}

console.log('\nCommands\n\n```sh');
for (const [name, model] of all) {
  for (const ranks of sizes) {
    const { each, passes, stage, recomputed } = predict(model, gpus.H100, ranks, assumed);
    const nodes = `-N ${ranks / machine.gpus} --ntasks-per-node=${machine.gpus}`;
    const start = ranks <= machine.gpus ? `npx athanor launch -n ${ranks} --` : `srun ${nodes} npx athanor`;
    const shape = `--context ${model.context} --batch-size ${each / passes} --grad-accum ${ranks * passes}`;
    const more = `${stage === 1 ? '' : ` --zero ${stage}`}${recomputed ? ' --gradient-checkpointing' : ''}`;
    console.log(`# ${name} on ${whole(ranks)} GPUs`);
    console.log(`${start} pretrain --model ${model.name} --data shards --out run \\`);
    console.log(`  --steps 50 ${shape}${more}`);
  }
}
console.log('```');
