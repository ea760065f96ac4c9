/** The shape of the pipeline's models and of a batch of pretraining. */

/** A GPT-2 with 4 layers and 256 channels: 4.3M parameters. */
export const MODEL = 'micro';
export const CONTEXT = 256;
export const VOCABULARY = 4096;
/**
 * Sequences per batch of pretraining. Few, because a short run needs many steps more
 * than exact ones.
 */
export const BATCH = 4;
