/** After a run with LoRA, `OUT/adapter` has the adapter alone, next to the merged model. */
import { join, resolve } from 'node:path';
import { isWithin } from '../../base/files/same-file.ts';
import { cacheFolder } from '../../base/machine.ts';
import { modelConfigOf } from '../../checkpoint/gpt-folder.ts';
import { ModelFolder } from '../../checkpoint/load-model.ts';
import { writeAdapter } from '../../checkpoint/peft/write-adapter.ts';
import { SafetensorsFile } from '../../checkpoint/safetensors.ts';
import type { ParameterData } from '../../checkpoint/tensor-data.ts';
import type { RunConsole } from '../../comm/run-context.ts';
import type { LoraSettings } from './settings.ts';

/** Where saved adapters are in a checkpoint: averages before the last weights. */
const PREFIXES = ['stage/ema/', 'stage/trained/'];

/**
 * Writes the adapter of a checkpoint. Nothing is written, with a note, where the model has more
 * rows of tokens than its base, since peft could not put the adapter on that, and where the base
 * was merged from an adapter for this run, since nobody else has it.
 * @param out the folder of the run, with the merged model of the checkpoint
 */
export async function exportAdapter(
  checkpoint: string,
  out: string,
  settings: Partial<LoraSettings> & { model?: string },
  console: RunConsole,
): Promise<void> {
  const { model: base, loraRank: rank = 0, loraAlpha: alpha = rank, baseDtype } = settings;
  if (rank === 0 || base === undefined) return;
  if (isWithin(base, join(cacheFolder(), 'merged'))) {
    console.note(
      'no adapter is written, because its base was merged from another adapter for this run and lies in the cache: merge that adapter first with athanor convert, and train on the result',
    );
    return;
  }
  if (baseDtype !== undefined) {
    console.note(
      `the adapter was trained on weights in ${baseDtype}; it is merged into the weights of ${base} as they are`,
    );
  }
  using model = ModelFolder.open(out);
  const { description } = model;
  if (modelConfigOf(base, 'any-model').vocabSize !== description.config.vocabSize) {
    console.note('no adapter is written, because the vocabulary grew: the model itself has all weights');
    return;
  }
  using file = SafetensorsFile.open(join(checkpoint, 'training.safetensors'));
  const names = [...file.tensors.keys()];
  const prefix = PREFIXES.find((start) => names.some((name) => name.startsWith(start)));
  if (prefix === undefined) return;
  const tensors = new Map<string, ParameterData>();
  for (const name of names) {
    if (!name.startsWith(prefix) || !/\.lora_[ab]$/.test(name)) continue;
    tensors.set(name.slice(prefix.length), file.read(name) as ParameterData);
  }
  for (const name of ['score.weight', 'score.bias']) {
    if (model.stores(name)) tensors.set(name, model.read(name));
  }
  const contents = { model: description, base: resolve(base), rank, alpha, tensors };
  await writeAdapter(join(out, 'adapter'), contents);
}
