import { type EpochSettings, epochDefaults } from '../loop/settings.ts';

/** The settings of SFT. */
export interface SftSettings extends EpochSettings {
  /** Rows of `context` tokens in a batch; without packing, examples. */
  batchSize: number;
  /** Whether rows are filled with several examples. */
  packing: boolean;
  /** What to do with an example longer than the context. */
  overLong: 'truncate' | 'drop';
  /** Noise on embeddings, 5 to 15 (Jain et al., 2023); 0 adds none. */
  neftuneAlpha: number;
  /** User messages to answer as samples. */
  samplePrompt: readonly string[];
  /** New tokens in a sample. */
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
