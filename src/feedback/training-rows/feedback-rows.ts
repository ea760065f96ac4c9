/**
 * Turns the records of a feedback store into rows that the stages read. Every record that does not
 * become a part of a row is counted with the reason.
 */
import type { JsonObject } from '../../base/json.ts';
import type { SafetyEvent } from '../records.ts';
import {
  type Ballot,
  comparisonBallot,
  correctionBallot,
  ratingBallot,
  withoutContradictions,
} from './ballots.ts';
import { Conversations } from './conversations.ts';
import { Funnel } from './funnel.ts';
import { NearDuplicates } from './near-duplicates.ts';
import { labelRows, ratedPairRows, voteRows } from './preference-rows.ts';
import { message } from './row.ts';
import { type SafetyPrompt, safetyPrompts } from './safety-events.ts';
import { withoutFloods, withoutUnreliable } from './senders.ts';
import type { FeedbackRowSettings } from './settings.ts';
import { type Side, Sides } from './sides.ts';
import { answerKey, type FeedbackSource } from './source.ts';
import { originOf, verdicts } from './tally.ts';

/** Rows by file. */
export interface FeedbackRows {
  files: Record<string, JsonObject[]>;
  funnel: Funnel;
}

/**
 * The rows of all files that have any. Files of rows that are held out are below `held-out/`, and
 * prompts for evaluating safety below `evaluation/`. The same records give the same rows.
 * @param harmful corrections that a check found harmful
 */
export function feedbackRows(
  source: FeedbackSource,
  settings: FeedbackRowSettings,
  harmful: ReadonlySet<string> = new Set(),
): FeedbackRows {
  const funnel = new Funnel();
  const records = readRecords(source, settings, funnel);
  const safety = safetyPrompts(records.events, records.conversations, settings.seed, funnel);
  const ballots = cleaned(withoutHarm(records.ballots, safety.harmful, harmful, funnel), settings, funnel);
  const sides = new Sides(ballots, settings);
  const bySide: Record<Side, Ballot[]> = { train: [], heldOut: [] };
  for (const ballot of ballots) {
    const side = sides.of(ballot);
    if (side) bySide[side].push(ballot);
    else funnel.drop(ballot.kind, 'mixed_sides');
  }
  const refused = new Map(safety.overRefusals.map((one) => [one.prompt.key, one]));
  const train = sideRows(bySide.train, refused, settings, funnel);
  const held = sideRows(bySide.heldOut, refused, settings, funnel);
  const files: Record<string, JsonObject[]> = {
    ...train,
    'sft/safety.jsonl': [...refusalRows(safety.jailbreaks, settings.refusal), ...train['sft/safety.jsonl']],
    ...Object.fromEntries(Object.entries(held).map(([name, rows]) => [`held-out/${name}`, rows])),
    'evaluation/red-team.jsonl': promptRows(safety.jailbreaks),
    'evaluation/over-refusals.jsonl': promptRows(safety.overRefusals),
  };
  for (const [name, rows] of Object.entries(files)) {
    if (rows.length === 0) delete files[name];
    else funnel.written[name] = rows.length;
  }
  return { files, funnel };
}

interface Records {
  conversations: Conversations;
  ballots: Ballot[];
  events: SafetyEvent[];
}

/** Only answers that something was said of are kept in memory. */
function readRecords(
  source: FeedbackSource,
  { nearDuplicate }: FeedbackRowSettings,
  funnel: Funnel,
): Records {
  const [feedback, comparisons, events] = [
    [...source.feedback()],
    [...source.comparisons()],
    [...source.safetyEvents()],
  ];
  const wanted = new Set([
    ...feedback.map(({ answer }) => answerKey(answer)),
    ...comparisons.flatMap(({ first, second }) => [answerKey(first), answerKey(second)]),
    ...events.flatMap(({ answer }) => (answer ? [answerKey(answer)] : [])),
  ]);
  const conversations = new Conversations(nearDuplicate);
  for (const answer of source.answers()) {
    funnel.count('answer');
    if (wanted.has(answerKey(answer))) conversations.add(answer);
  }
  const ballots: Ballot[] = [];
  for (const record of comparisons) {
    funnel.count('comparison');
    const ballot = comparisonBallot(record, conversations);
    if (typeof ballot === 'string') funnel.drop('comparison', ballot);
    else ballots.push(ballot);
  }
  for (const record of feedback) {
    const exchange = conversations.of(record.answer);
    if (record.rating !== null) {
      funnel.count('rating');
      if (typeof exchange === 'string') funnel.drop('rating', exchange);
      else ballots.push(ratingBallot(record, exchange));
    }
    if (record.correction !== null) {
      funnel.count('correction');
      const ballot = typeof exchange === 'string' ? exchange : correctionBallot(record, exchange);
      if (typeof ballot === 'string') funnel.drop('correction', ballot);
      else ballots.push(ballot);
    }
  }
  for (const _ of events) funnel.count('safety event');
  return { conversations, ballots, events };
}

/** Leaves out what is about harmful answers, by their keys, and harmful corrections. */
function withoutHarm(
  ballots: readonly Ballot[],
  answers: ReadonlySet<string>,
  corrections: ReadonlySet<string>,
  funnel: Funnel,
): Ballot[] {
  return ballots.filter(({ answers: own, kind, value }) => {
    const isHarmful =
      own.some((key) => answers.has(key)) || (kind === 'correction' && corrections.has(value));
    if (isHarmful) funnel.drop(kind, 'moderated');
    return !isHarmful;
  });
}

function cleaned(ballots: readonly Ballot[], settings: FeedbackRowSettings, funnel: Funnel): Ballot[] {
  const consistent = withoutContradictions(ballots, funnel);
  const reliable = withoutUnreliable(consistent, settings, funnel);
  return withoutFloods(reliable, settings, funnel);
}

/** The files of one side. */
function sideRows(
  ballots: readonly Ballot[],
  refused: ReadonlyMap<string, SafetyPrompt>,
  { agreement, nearDuplicate }: FeedbackRowSettings,
  funnel: Funnel,
) {
  const of = (kind: Ballot['kind']) => ballots.filter((ballot) => ballot.kind === kind);
  const ratings = verdicts(of('rating'), agreement, funnel);
  const pairs = new NearDuplicates(nearDuplicate);
  const corrections = of('correction').filter(({ prompt }) => {
    if (!refused.get(prompt.key)?.forEvaluation) return true;
    funnel.drop('correction', 'for_evaluation');
    return false;
  });
  const answered = correctionRows(corrections, new NearDuplicates(nearDuplicate), funnel);
  const isRefused = ({ prompt }: Ballot) => refused.has(prompt.key);
  return {
    'sft/corrections.jsonl': answered.filter(({ ballot }) => !isRefused(ballot)).map(({ row }) => row),
    'sft/safety.jsonl': answered.filter(({ ballot }) => isRefused(ballot)).map(({ row }) => row),
    'comparisons/votes.jsonl': voteRows(verdicts(of('comparison'), agreement, funnel), pairs, funnel),
    'comparisons/ratings.jsonl': ratedPairRows(ratings, pairs),
    'unpaired/ratings.jsonl': labelRows(ratings, new NearDuplicates(nearDuplicate), funnel),
    'prompts/prompts.jsonl': distinctPrompts(ballots),
  };
}

/** Rows of `prompt` and `completion`. */
function correctionRows(
  corrections: readonly Ballot[],
  seen: NearDuplicates,
  funnel: Funnel,
): { ballot: Ballot; row: JsonObject }[] {
  return corrections.flatMap((ballot) => {
    const { prompt, texts } = ballot;
    if (!seen.place([prompt.text, texts[1]!]).isNew) {
      funnel.drop('correction', 'near_duplicate');
      return [];
    }
    const completion = [message(texts[1]!)];
    return [{ ballot, row: { prompt: prompt.messages, completion, origin: originOf([ballot]) } }];
  });
}

/** Refusals of those prompts that are not for evaluation. */
function refusalRows(jailbreaks: readonly SafetyPrompt[], refusal: string): JsonObject[] {
  return jailbreaks
    .filter(({ forEvaluation }) => !forEvaluation)
    .map(({ prompt, origin }) => ({ prompt: prompt.messages, completion: [message(refusal)], origin }));
}

function promptRows(prompts: readonly SafetyPrompt[]): JsonObject[] {
  return prompts
    .filter(({ forEvaluation }) => forEvaluation)
    .map(({ prompt, origin }) => ({ prompt: prompt.messages, origin }));
}

/** Each prompt once, with all that was said of its answers. */
function distinctPrompts(ballots: readonly Ballot[]): JsonObject[] {
  const prompts = new Map<string, Ballot[]>();
  for (const ballot of ballots) {
    const group = prompts.get(ballot.prompt.key);
    if (group) group.push(ballot);
    else prompts.set(ballot.prompt.key, [ballot]);
  }
  return [...prompts.values()].map((group) => ({
    prompt: group[0]!.prompt.messages,
    origin: originOf(group),
  }));
}
