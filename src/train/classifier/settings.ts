import { type EpochSettings, epochDefaults } from '../loop/settings.ts';

/** The settings of a classifier. */
export interface ClassifierSettings extends EpochSettings {
  /** The class to learn, where labels are names of classes. */
  category?: string | undefined;
  /** Rows have a `score` in place of a label, and those of at least this one are of the class. */
  minScore?: number | undefined;
  /** Share of the rows outside of the class that may pass the threshold. */
  falsePositiveRate: number;
}

/** The defaults of ClassifierSettings. */
export const classifierDefaults = {
  ...epochDefaults,
  epochs: 2,
  batchSize: 32,
  validationSplit: 0.2,
  falsePositiveRate: 0.01,
} as const satisfies Partial<ClassifierSettings>;
