import { type EpochSettings, epochDefaults } from '../loop/settings.ts';

/** The settings of SFT. */
export interface SftSettings extends EpochSettings {
  /** Rows of `context` tokens per batch; without packing, examples per batch. */
  batchSize: number;
  /** Whether a row is filled with several examples. */
  packing: boolean;
  /** What to do with an example longer than the context. */
  overLong: 'truncate' | 'drop';
  /** Noise on embeddings (NEFTune, Jain et al., 2023); usual values are 5 to 15, 0: none. */
  neftuneAlpha: number;
  /** User messages that samples answer. */
  samplePrompt: readonly string[];
  /** New tokens per sample. */
  sampleTokens: number;
}

/** The defaults of SftSettings. */
export const sftDefaults = {
  ...epochDefaults,
  epochs: 3,
  batchSize: 8,
  packing: true,
  overLong: 'truncate',
  neftuneAlpha: 0,
  samplePrompt: [],
  sampleTokens: 64,
} as const satisfies Partial<SftSettings>;
