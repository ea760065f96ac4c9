/** The files of a run, to compare it with another one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointStore } from '../../src/checkpoint/store.ts';

/** Names of metrics that differ between runs. */
export const timed = /seconds|_per_second/;
const plain = (text: string) =>
  JSON.parse(text, (key, value: unknown) => (timed.test(key) ? 0 : value)) as unknown;
const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** What a run leaves behind that has to be equal. */
export function leftIn(out: string) {
  const { path } = new CheckpointStore(out).latest()!;
  return {
    model: hash(join(out, 'model.safetensors')),
    tensors: hash(join(path, 'training.safetensors')),
    state: plain(readFileSync(join(path, 'state.json'), 'utf8')),
    metrics: readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').map(plain),
  };
}
