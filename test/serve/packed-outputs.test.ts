import { expect, it } from 'vitest';
import type { JobOutput } from '../../src/serve/protocol/messages.ts';
import { packOutputs, unpackOutputs } from '../../src/serve/protocol/packed-outputs.ts';

it('keeps every output of a step, text alone or more, also after cloning', () => {
  const outputs: JobOutput[] = [
    { job: 7, text: 'a\0b' },
    { job: 2 ** 31 - 1, text: '' },
    { job: 3, text: 'end', finish: 'stop' },
    { job: 4, text: '\u{1f600} \ud83d' },
    { job: 5, text: 'x', promptText: 'prompt' },
    { job: 0, text: 'last' },
  ];
  const packed = packOutputs(outputs);
  expect(packed.others).toHaveLength(2);
  const byJob = (all: readonly JobOutput[]) => [...all].sort((a, b) => a.job - b.job);
  expect(byJob(unpackOutputs(structuredClone(packed)))).toEqual(byJob(outputs));
  expect(unpackOutputs(packOutputs([]))).toEqual([]);
});
