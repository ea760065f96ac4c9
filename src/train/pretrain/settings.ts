import type { MixPhase } from '../../data/shards/mix.ts';
import { type CommonSettings, commonDefaults } from '../loop/settings.ts';

/** The most tokens of a vocabulary. */
export const MAX_VOCABULARY = 1 << 24;

/** The settings of pretraining. */
export interface PretrainSettings extends CommonSettings {
  /** Number of training tokens. Exactly one of `steps`, `tokens` and `time` is given. */
  tokens?: number | undefined;
  /** Training time in seconds. */
  time?: number | undefined;
  /** Sequences per batch. */
  batchSize: number;
  /** Tokens per sequence. Default: the model's context. */
  context?: number | undefined;
  /** Vocabulary of the tokenizer, which is trained when `data` is text. */
  vocabSize: number;
  /** Whether tokens attend only to their own document. */
  documentMask: boolean;
  /**
   * In which proportions the sources of shards are read: `web=0.6,books=0.4`, or amounts such as
   * `web=1epochs,books=300Mtokens`, or phases of the run. `natural`: as much as there is of each.
   * Default: the mix of the shards' recipe.
   */
  mix?: string | readonly MixPhase[] | undefined;
  /** AdamW's second beta. */
  beta2: number;
  /** Largest number of validation tokens per evaluation. */
  evalTokens: number;
  /** Texts that samples continue. */
  samplePrompt: readonly string[];
  /** New tokens per sample. */
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
