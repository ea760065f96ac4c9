/** Records of a feedback store. */
import type { AnswerRecord, SafetyEvent } from '../../src/feedback/records.ts';
import type { NewComparison, NewFeedback } from '../../src/feedback/store.ts';

export function answerRecord(id: string, more: Partial<AnswerRecord> = {}): AnswerRecord {
  return {
    ...{ id, choice: 0, client: null, user: null, createdAt: 1000 },
    messages: [{ role: 'user', content: 'Name a colour.' }],
    promptIds: [1, 2, 300_000],
    answerIds: [7, 8],
    logProbs: [Math.fround(-0.1), Math.fround(-2.345678)],
    ...{ text: 'Blue.', finish: 'stop', sampling: { temperature: 1, seed: 5, stream: 0 } },
    ...{ modelHash: 'a'.repeat(64), tokenizerHash: 'b'.repeat(64) },
    ...more,
  };
}

export function newFeedback(id: string, more: Partial<NewFeedback> = {}): NewFeedback {
  return {
    answer: { id, choice: 0 },
    ...{ client: null, user: null, rating: 1, reason: null, tags: [], correction: null },
    idempotencyKey: null,
    ...more,
  };
}

export function newComparison(
  first: string,
  second: string,
  more: Partial<NewComparison> = {},
): NewComparison {
  return {
    first: { id: first, choice: 0 },
    second: { id: second, choice: 0 },
    ...{ preferred: 'first', client: null, user: null, reason: null, idempotencyKey: null },
    ...more,
  };
}

export function safetyEvent(id: string, more: Partial<SafetyEvent> = {}): SafetyEvent {
  return {
    ...{ id, answer: null, client: null, user: null, createdAt: 1000 },
    ...{ promptHarmful: true, responseRefused: true, responseHarmful: null },
    checks: [{ name: 'words', on: 'prompt', value: 1, threshold: 0.5 }],
    messages: [{ role: 'user', content: 'something bad' }],
    modelHash: 'a'.repeat(64),
    ...more,
  };
}
