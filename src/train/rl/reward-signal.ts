/** Whether the rewards of a rollout tell the policy which answers are better. */
import type { SampledResponses } from './sampled-responses.ts';

export interface SignalOptions {
  /** Responses that are compared with each other, side by side. */
  groupSize: number;
  missingEos: 'score' | 'penalty' | 'none';
  maxResponseLength: number;
}

/**
 * Why nothing can be learned from the rewards, and what to do; undefined if the rewards differ
 * within some group.
 */
export function withoutSignal(
  { scores, sequences }: Pick<SampledResponses, 'scores' | 'sequences'>,
  { groupSize, missingEos, maxResponseLength }: SignalOptions,
): string | undefined {
  for (let first = 0; first < scores.length; first += groupSize) {
    const group = scores.subarray(first, first + groupSize);
    if (group.some((score) => score !== group[0])) return undefined;
  }
  if (missingEos === 'score' && sequences.every(({ finished }) => !finished)) {
    return `no answer ended within ${maxResponseLength} tokens, so all got the score of \`missingEosValue\`; raise \`maxResponseLength\`, or start from a model that ends its answers`;
  }
  if (scores.every((score) => score === scores[0])) {
    return `all ${scores.length} answers of a rollout got the same reward, ${scores[0]}; check the reward on a few answers`;
  }
  return `all ${groupSize} answers to each prompt got the same reward; raise \`temperature\` or \`numGenerations\`, or give prompts that the model answers well only sometimes`;
}
