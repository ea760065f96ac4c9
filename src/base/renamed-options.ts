/** Old names of options. An old name is refused, and the error gives the new one. */
export const renamedOptions: Readonly<Record<string, string>> = {
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
  prompt: 'prompt-tokens',
  special: 'special-token',
};

/** The new name of an option, if the command with these options has it; else undefined. */
export function newNameOf(old: string, options: Iterable<string>): string | undefined {
  const name = Object.hasOwn(renamedOptions, old) ? renamedOptions[old] : undefined;
  return name !== undefined && [...options].includes(name) ? name : undefined;
}

/** The new key of a renamed setting, if `keys` has it: `warmupSteps` for `warmup`. */
export function newKeyOf(old: string, keys: Iterable<string>): string | undefined {
  const option = old.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-');
  const name = Object.hasOwn(renamedOptions, option) ? renamedOptions[option]! : '';
  const key = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [...keys].includes(key) ? key : undefined;
}
