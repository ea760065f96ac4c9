/** The options of turning feedback into rows, with the defaults of the library. */
import type { FeedbackRowSettings } from '../feedback/training-rows/settings.ts';
import { feedbackRowDefaults as defaults } from '../feedback/training-rows/settings.ts';
import { inGroup, integer, list, number, text } from './options.ts';

/** @param heldOut default share of senders and prompts that are held out */
export function feedbackRowOptions(heldOut: number) {
  return inGroup('Data', {
    heldOut: number('share of senders and of prompts that are held out for evaluation', {
      default: heldOut,
      min: 0,
      max: 0.9,
    }),
    agreement: number('share of the votes on a pair or an answer that the winning side needs', {
      default: defaults.agreement,
      min: 0.5,
      max: 1,
    }),
    floodLeast: integer('votes that every sender may have', { default: defaults.floodLeast, min: 1 }),
    floodFactor: number("votes of a sender that count, in multiples of the median sender's", {
      default: defaults.floodFactor,
      min: 1,
    }),
    floodShare: number('share of all votes that one sender may have', {
      default: defaults.floodShare,
      min: 0,
      max: 0.9,
    }),
    trust: list(text('client whose number of votes has no limit', { placeholder: '<name>' })),
    unreliableLeast: integer('votes shared with others before a sender can be found unreliable', {
      default: defaults.unreliableLeast,
      min: 1,
    }),
    nearDuplicate: number('similarity from which two rows count as the same; 1: equal texts', {
      default: defaults.nearDuplicate,
      min: 0.5,
      max: 1,
    }),
    refusal: text('answer that safety rows teach for prompts that broke through', {
      default: defaults.refusal,
    }),
  });
}

/** The settings of the rows among options. */
export function rowSettingsOf(options: Omit<FeedbackRowSettings, 'seed'>): Omit<FeedbackRowSettings, 'seed'> {
  const { heldOut, agreement, floodLeast, floodFactor, floodShare } = options;
  const { trust, unreliableLeast, nearDuplicate, refusal } = options;
  const senders = { floodLeast, floodFactor, floodShare, trust, unreliableLeast };
  return { heldOut, agreement, ...senders, nearDuplicate, refusal };
}
