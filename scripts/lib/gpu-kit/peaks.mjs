// Prints the measured peaks of the GPU as JSON.
import { createRequire } from 'node:module';

const native = createRequire(import.meta.url)('./build/Release/athanor.node');
native.setDevice('cuda');
const best = (measure) => Math.max(...Array.from({ length: 5 }, measure));
const figures = {
  bf16_flops_per_second: best(() => native.measurePeakFlops('bf16')),
  f32_flops_per_second: best(() => native.measurePeakFlops('f32')),
  copy_bytes_per_second: best(() => native.measureCopyBandwidth()),
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
