/** What a training run has left in its folder. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointStore } from '../../src/checkpoint/store.ts';

/** Digests of model and moments, and the metrics without what a clock measured. */
export function leftIn(out: string) {
  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  const { path } = new CheckpointStore(out, { readOnly: true }).latest()!;
  const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return {
    model: hash(join(out, 'model.safetensors')),
    moments: hash(join(path, 'training.safetensors')),
    metrics: metrics.map((line) =>
      JSON.parse(line, (key, value: unknown) => (/seconds|_per_second/.test(key) ? 0 : value)),
    ),
  };
}
