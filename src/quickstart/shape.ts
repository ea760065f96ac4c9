/** The shape of the pipeline's models and of a batch of pretraining. */

/** 4 layers, 256 wide, as Llama: 4.2M parameters. */
export const MODEL = 'llama-micro';
export const CONTEXT = 256;
export const VOCABULARY = 4096;
/**
 * Sequences of a batch of pretraining: few, for a short run needs many steps more than exact ones.
 */
export const BATCH = 4;
