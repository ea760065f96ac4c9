/** The shape of the pipeline's models and of a batch of pretraining. */

/** 4 layers, 256 wide: 4.3M parameters. */
export const MODEL = 'micro';
export const CONTEXT = 256;
export const VOCABULARY = 4096;
/** Sequences of a batch of pretraining. */
export const BATCH = 8;
