/** The inputs that stages after pretraining have in common. */
import { hasOwnTokenizer } from './chat-model.ts';
import type { RunInput } from './run-inputs.ts';
import type { TuningSettings } from './settings.ts';

type StartSettings = Pick<TuningSettings, 'data' | 'model' | 'loraRank'>;

/**
 * Data and starting model. A resumed run reads the model again where it trains adapters; otherwise
 * its tokenizer, unless the run has its own.
 */
export function startInputs({ data, model, loraRank }: StartSettings, { out }: { out: string }): RunInput[] {
  const again = loraRank > 0 ? 'model' : hasOwnTokenizer(out) ? undefined : 'tokenizer';
  return [
    { setting: 'data', path: data, again: 'rows' },
    { setting: 'model', path: model, again },
  ];
}

/** Data and a starting model that is the reference too, so that every resumed run reads it. */
export function referenceInputs({ data, model }: StartSettings): RunInput[] {
  return [
    { setting: 'data', path: data, again: 'rows' },
    { setting: 'model', path: model, again: 'model' },
  ];
}
