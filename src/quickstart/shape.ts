/** The shape of the pipeline's models and of a batch of pretraining. */

/** A Llama with 4 layers and 256 channels: 4.2M parameters. */
export const MODEL = 'llama-micro';
export const CONTEXT = 256;
export const VOCABULARY = 4096;
/**
 * Sequences per batch of pretraining. Few, because a short run needs many steps more
 * than exact ones.
 */
export const BATCH = 4;
