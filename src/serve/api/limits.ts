/** What one request may ask for. */
export interface RequestLimits {
  /** Bytes of a body. */
  maxBodyBytes: number;
  /** Messages of a chat. */
  maxMessages: number;
  /** Prompts of a completion request. */
  maxPrompts: number;
  /** Choices per prompt. */
  maxChoices: number;
}

/** Stop strings of a request. */
export const MAX_STOPS = 16;
/** Characters of a stop string. */
export const MAX_STOP_LENGTH = 256;
/** Likeliest tokens per place. */
export const MAX_TOP = 20;
/** Entries of `logit_bias`. */
export const MAX_BIASES = 1024;
/** Nesting of a body: whoever walks through it may use recursion. */
export const MAX_DEPTH = 32;
/** Functions that a request may give as tools. */
export const MAX_TOOLS = 128;
/** Names of functions and schemas. */
export const NAME_PATTERN = /^[a-zA-Z0-9_-]{1,64}$/;
