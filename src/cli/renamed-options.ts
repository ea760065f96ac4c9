/** Names that options had before 0.2: each is refused with the name that it has now. */
const renamed: Readonly<Record<string, string>> = {
  weights: 'param-dtype',
  'checkpoint-activations': 'gradient-checkpointing',
  clip: 'max-grad-norm',
  warmup: 'warmup-steps',
  'final-lr': 'min-lr-ratio',
  decay: 'decay-ratio',
  keep: 'keep-checkpoints',
  validation: 'validation-split',
  neftune: 'neftune-alpha',
  rollout: 'rollout-size',
  rollouts: 'iterations',
  group: 'num-generations',
  'max-prompt': 'max-prompt-length',
  'max-response': 'max-response-length',
  'decode-batch': 'decode-batch-size',
  ema: 'ema-decay',
  value: 'value-init',
  'value-lr': 'value-lr-scale',
  ptx: 'ptx-data',
  'ptx-batch': 'ptx-batch-size',
};

/**
 * What the option of this old name is called in a command that has these options; undefined where
 * it has none such.
 */
export function newNameOf(old: string, options: Iterable<string>): string | undefined {
  const name = Object.hasOwn(renamed, old) ? renamed[old] : undefined;
  return name !== undefined && [...options].includes(name) ? name : undefined;
}
