/** The options that say how tokens are drawn, shared by every command that generates. */
import {
  MAX_REPETITION_PENALTY,
  MIN_REPETITION_PENALTY,
  MIN_TEMPERATURE,
} from '../generate/sampling-range.ts';
import { inGroup, integer, number } from './options.ts';

export const samplingOptions = inGroup('Sampling', {
  temperature: number('temperature of sampling; 0 always takes the likeliest token', {
    default: 0.8,
    min: MIN_TEMPERATURE,
    orZero: true,
  }),
  topK: integer('sample from the k likeliest tokens (0: all)', { default: 0, min: 0 }),
  topP: number('sample from the likeliest tokens that together reach this probability (0: the likeliest)', {
    default: 0.95,
    min: 0,
    max: 1,
  }),
  minP: number('sample from tokens whose probability is at least this share of the largest one', {
    default: 0,
    min: 0,
    max: 1,
  }),
  repetitionPenalty: number('values above 1 make tokens that already occurred less likely', {
    default: 1,
    min: MIN_REPETITION_PENALTY,
    max: MAX_REPETITION_PENALTY,
  }),
  frequencyPenalty: number('subtracted from the logit of a token for each time that it was drawn', {
    default: 0,
  }),
  presencePenalty: number('subtracted from the logits of all tokens that were drawn', { default: 0 }),
});
