/** How to draw tokens, with one meaning in every command that generates. */
import { integer, number } from './options.ts';

export const samplingOptions = {
  temperature: number('0 always takes the likeliest token', { default: 0.8, min: 0 }),
  topK: integer('keep the k likeliest tokens (0: all)', { default: 0, min: 0 }),
  topP: number('keep the likeliest tokens that together reach this probability', {
    default: 0.95,
    min: 0,
    max: 1,
  }),
  minP: number('keep tokens at least this fraction as likely as the likeliest', {
    default: 0,
    min: 0,
    max: 1,
  }),
  repetitionPenalty: number('above 1: makes tokens that are there already less likely', {
    default: 1,
    min: 0,
    exclusive: true,
  }),
};
