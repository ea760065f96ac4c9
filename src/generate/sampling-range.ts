/** The ranges of sampling settings, for the library and for the options of commands. */

/** Smallest temperature but 0: below it, a logit divided by it could overflow. */
export const MIN_TEMPERATURE = 1e-6;

/** A logit times or divided by the repetition penalty must stay a number. */
export const MIN_REPETITION_PENALTY = 1e-6;
export const MAX_REPETITION_PENALTY = 1e6;
