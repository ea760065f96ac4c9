import { type CommonSettings, commonDefaults } from '../loop/settings.ts';

/** The settings of pretraining. */
export interface PretrainSettings extends CommonSettings {
  /** Training tokens in all; one of `steps`, `tokens` and `time` is given. */
  tokens?: number | undefined;
  /** Seconds to train for. */
  time?: number | undefined;
  /** Sequences in a batch. */
  batchSize: number;
  /** Tokens in a sequence; the model's context where it is not given. */
  context?: number | undefined;
  /** Vocabulary of the tokenizer that is trained where `data` is text. */
  vocabSize: number;
  /** Whether a token attends to its own document only. */
  documentMask: boolean;
  /** AdamW's second beta. */
  beta2: number;
  /** Validation tokens that an evaluation reads at most. */
  evalTokens: number;
  /** Texts to continue as samples. */
  samplePrompt: readonly string[];
  /** New tokens in a sample. */
  sampleTokens: number;
}

/** The defaults of PretrainSettings. */
export const pretrainDefaults = {
  ...commonDefaults,
  model: 'nano',
  batchSize: 8,
  vocabSize: 4096,
  documentMask: true,
  beta2: 0.95,
  evalTokens: 65536,
  samplePrompt: [],
  sampleTokens: 64,
} as const satisfies Partial<PretrainSettings>;
