/** Rows from votes and ratings: pairs of a better and a worse answer, and answers with a label. */
import type { JsonObject } from '../../base/json.ts';
import type { Funnel } from './funnel.ts';
import type { NearDuplicates } from './near-duplicates.ts';
import { message } from './row.ts';
import { originOf, type Verdict } from './tally.ts';

/** Rows of `prompt`, `chosen` and `rejected` from votes on pairs. */
export function voteRows(pairs: readonly Verdict[], seen: NearDuplicates, funnel: Funnel): JsonObject[] {
  return pairs.flatMap(({ prompt, texts, value, ballots }) => {
    const chosen = texts[Number(value)]!;
    const rejected = texts[1 - Number(value)]!;
    if (!seen.place([prompt.text, chosen, rejected]).isNew) {
      funnel.drop('comparison', 'near_duplicate', ballots.length);
      return [];
    }
    return [pairRow(prompt.messages, chosen, rejected, originOf(ballots))];
  });
}

/**
 * Rows of `prompt`, `chosen` and `rejected` from an answer that was rated up and one to the same
 * prompt that was rated down. Every such answer is in a row at least; there are no more rows than
 * answers of the larger side.
 */
export function ratedPairRows(ratings: readonly Verdict[], seen: NearDuplicates): JsonObject[] {
  return [...byPrompt(ratings).values()].flatMap((group) => {
    const up = group.filter(({ value }) => value === 'up');
    const down = group.filter(({ value }) => value === 'down');
    if (up.length === 0 || down.length === 0) return [];
    return Array.from({ length: Math.max(up.length, down.length) }, (_, i) => i).flatMap((i) => {
      const [better, worse] = [up[i % up.length]!, down[i % down.length]!];
      const { prompt } = better;
      const [chosen, rejected] = [better.texts[0]!, worse.texts[0]!];
      if (!seen.place([prompt.text, chosen, rejected]).isNew) return [];
      return [pairRow(prompt.messages, chosen, rejected, originOf([...better.ballots, ...worse.ballots]))];
    });
  });
}

/**
 * Rows of `prompt`, `completion` and `label`, as TRL's KTOTrainer reads them. `paired` says whether
 * the answer is in a pair too.
 */
export function labelRows(ratings: readonly Verdict[], seen: NearDuplicates, funnel: Funnel): JsonObject[] {
  const groups = byPrompt(ratings);
  return ratings.flatMap(({ prompt, texts, value, ballots }) => {
    if (!seen.place([prompt.text, texts[0]!]).isNew) {
      funnel.drop('rating', 'near_duplicate', ballots.length);
      return [];
    }
    const paired = groups.get(prompt.key)!.some((other) => other.value !== value);
    const completion = [message(texts[0]!)];
    return [
      { prompt: prompt.messages, completion, label: value === 'up', paired, origin: originOf(ballots) },
    ];
  });
}

function pairRow(
  prompt: JsonObject['messages'] & unknown[],
  chosen: string,
  rejected: string,
  origin: JsonObject,
): JsonObject {
  return { prompt, chosen: [message(chosen)], rejected: [message(rejected)], origin };
}

function byPrompt(ratings: readonly Verdict[]): Map<string, Verdict[]> {
  const groups = new Map<string, Verdict[]>();
  for (const rating of ratings) {
    const group = groups.get(rating.prompt.key);
    if (group) group.push(rating);
    else groups.set(rating.prompt.key, [rating]);
  }
  return groups;
}
