/** The form below an answer: a rating with tags and a reason, and a better answer. */
import { ApiFailure } from './api.ts';
import type { GivenFeedback } from './conversation.ts';
import { el, icon } from './dom.ts';
import { IdempotencyKeys } from './idempotency.ts';

export interface FeedbackFormOptions {
  /** Distinguishes the fields of several forms. */
  id: string;
  /** What was given before. */
  given: GivenFeedback | undefined;
  rating: 1 | -1 | undefined;
  /** The answer; the correction begins with it. */
  text: string;
  isCorrection: boolean;
  /** Throws ApiFailure. */
  send(feedback: GivenFeedback, key: string): Promise<void>;
  cancel(): void;
}

const TAGS = {
  1: ['Correct', 'Clear', 'Complete', 'Well written'],
  '-1': ['Wrong', 'Ignores the question', 'Unclear', 'Too long', 'Unsafe', 'Refuses without reason'],
} as const;

export function feedbackForm(options: FeedbackFormOptions): HTMLFormElement {
  const { id, given, text, isCorrection } = options;
  const keys = new IdempotencyKeys();
  const tags = el('fieldset', { class: 'tags' });
  const reason = el('textarea', { id: `${id}-reason`, rows: 2, maxlength: 4000 });
  reason.value = given?.reason ?? '';
  const correction = el('textarea', { id: `${id}-correction`, rows: 5 });
  correction.value = given?.correction ?? text;
  const problem = el('p', { class: 'problem', role: 'alert' });
  const details = el(
    'details',
    { open: isCorrection },
    el('summary', {}, 'Write a better answer'),
    el('label', { for: correction.id, class: 'hint' }, 'The answer as it should have been'),
    correction,
  );
  const good = radio(id, 'Good', 'up', 1, options.rating);
  const bad = radio(id, 'Bad', 'down', -1, options.rating);
  const rating = () => (good.input.checked ? 1 : bad.input.checked ? -1 : undefined);
  const showTags = () => showTagsOf(tags, rating(), given?.tags ?? []);
  for (const { input } of [good, bad]) input.addEventListener('change', showTags);
  showTags();
  const send = el('button', { class: 'primary' }, 'Send');
  const form = el(
    'form',
    { class: 'feedback', 'aria-label': 'Feedback on this answer' },
    el('fieldset', { class: 'rating' }, el('legend', {}, 'How is this answer?'), good.label, bad.label),
    tags,
    el('label', { for: reason.id }, 'Why? ', el('span', { class: 'hint' }, 'optional')),
    reason,
    details,
    problem,
    el(
      'div',
      { class: 'row end' },
      el('button', { type: 'button', class: 'quiet', click: options.cancel }, 'Cancel'),
      send,
    ),
  );
  const read = (): GivenFeedback => {
    const chosen = [...tags.querySelectorAll<HTMLInputElement>('input:checked')].map(({ value }) => value);
    const isBetter = details.open && correction.value.trim() !== '' && correction.value !== text;
    return {
      rating: rating(),
      reason: reason.value.trim() || undefined,
      tags: chosen.length > 0 ? chosen : undefined,
      correction: isBetter ? correction.value : undefined,
    };
  };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const feedback = read();
    if (feedback.rating === undefined && feedback.correction === undefined) {
      problem.textContent = 'Choose good or bad, or change the answer to a better one.';
      return;
    }
    problem.textContent = '';
    send.disabled = true;
    try {
      await options.send(feedback, keys.of(feedback));
    } catch (error) {
      send.disabled = false;
      problem.textContent = `It was not sent: ${messageOf(error)}`;
    }
  });
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    options.cancel();
  });
  return form;
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiFailure && error.retryAfter !== undefined) {
    return `${error.message} Try again in ${error.retryAfter} seconds.`;
  }
  return error instanceof Error ? error.message : String(error);
}

function radio(id: string, label: string, drawing: string, value: 1 | -1, rating: 1 | -1 | undefined) {
  const input = el('input', { type: 'radio', name: `${id}-rating`, value, checked: rating === value });
  return { input, label: el('label', { class: 'chip' }, input, icon(drawing), label) };
}

/** The tags that go with a rating; the chosen ones stay chosen. */
function showTagsOf(
  fieldset: HTMLFieldSetElement,
  rating: 1 | -1 | undefined,
  given: readonly string[],
): void {
  fieldset.hidden = rating === undefined;
  if (rating === undefined) return;
  const chips = TAGS[rating].map((tag) => {
    const value = tag.toLowerCase();
    const input = el('input', { type: 'checkbox', value, checked: given.includes(value) });
    return el('label', { class: 'chip' }, input, tag);
  });
  fieldset.replaceChildren(el('legend', { class: 'unseen' }, 'What applies?'), ...chips);
}
