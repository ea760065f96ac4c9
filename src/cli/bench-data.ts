/** `athanor bench data`: how fast the steps of preparing a corpus are. */
import { defineCommand } from './command.ts';
import { prepareEngine } from './engine.ts';
import { choice, count, engineOptions, inGroup, integer } from './options.ts';

const megabytes = (rate: number) => `${(rate / 1e6).toFixed(1)} MB/s`;

export const data = defineCommand({
  description:
    'Times MinHash signatures, near duplicates, decontamination and repeated parts on text in memory. The rate per core is by the time that the process worked, so other work on the machine does not count.',
  arguments: { '[sources...]': 'files, folders or names of packaged corpora (default: made-up prose)' },
  options: {
    ...inGroup('Run', {
      repeats: integer('runs per step', { default: 5, min: 1 }),
      peer: choice('also time the signatures of datatrove', ['none', 'datatrove'], { default: 'none' }),
    }),
    ...inGroup('Data', { bytes: count('bytes of text', { default: 16 << 20, min: 1 << 16 }) }),
    threads: engineOptions.threads,
  },
  example: 'bench data docs --peer datatrove',
  async run({ repeats, peer, bytes: wanted, threads }, { args }) {
    await prepareEngine({ device: 'cpu', dtype: 'f32', threads });
    const { benchData } = await import('../bench/data-bench.ts');
    const options = { sources: args, bytes: wanted, repeats, datatrove: peer === 'datatrove' };
    const { rates, bytes } = await benchData(options);
    const ours = rates.find(({ step }) => step === 'minhash signatures');
    const theirs = rates.find(({ step }) => step === 'datatrove signatures');
    return {
      bytes,
      steps: rates.map((rate) => ({
        step: rate.step,
        threads: rate.threads,
        bytes_per_second: rate.bytesPerSecond,
        bytes_per_cpu_second: rate.bytesPerCpuSecond,
      })),
      ratio_to_datatrove: ours && theirs ? ours.bytesPerCpuSecond / theirs.bytesPerCpuSecond : null,
    };
  },
  render: ({ steps, ratio_to_datatrove }) =>
    [
      ...steps.map(
        ({ step, threads, bytes_per_second, bytes_per_cpu_second }) =>
          `${step.padEnd(22)} ${threads} ${threads === 1 ? 'thread ' : 'threads'} ${megabytes(bytes_per_second).padStart(12)} ${megabytes(bytes_per_cpu_second).padStart(12)} per core`,
      ),
      ...(ratio_to_datatrove === null
        ? []
        : [`signatures per core: ${ratio_to_datatrove.toFixed(0)} times datatrove`]),
    ].join('\n'),
});
