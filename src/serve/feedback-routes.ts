/** The routes of feedback, and of those who look after the store. */
import type { JsonObject } from '../base/json.ts';
import type { SafetyEvent } from '../feedback/records.ts';
import type { Added } from '../feedback/store.ts';
import {
  comparisonFields,
  feedbackFields,
  readComparison,
  readFeedback,
  storedAnswer,
} from './api/feedback-request.ts';
import type { StoreHost } from './feedback/store-host.ts';
import { ApiError, badValue } from './protocol/api-error.ts';
import type { Answer, Route } from './routes.ts';

/** Safety events of each kind that GET /admin/safety lists. */
const LISTED_EVENTS = 100;

const OFF = { 404: 'The server collects no feedback, or there is no such answer.' };
const REUSED = { 409: 'The idempotency key was used for something else.' };

/** @param store undefined on a server that collects no feedback */
export function feedbackRoutes(store: StoreHost | undefined): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/feedback',
      summary: 'Rate or correct an answer.',
      fields: feedbackFields,
      required: ['response_id'],
      statuses: { ...OFF, ...REUSED },
      handle: async (call) => {
        const on = requireStore(store);
        const feedback = readFeedback(await call.body(), call.record.client);
        return added('feedback', await on.call('feedback', feedback), on);
      },
    },
    {
      method: 'POST',
      path: '/v1/comparisons',
      summary: 'Say which of two answers to one prompt is better.',
      fields: comparisonFields,
      required: ['first', 'second', 'preferred'],
      statuses: { ...OFF, ...REUSED },
      handle: async (call) => {
        const on = requireStore(store);
        const comparison = readComparison(await call.body(), call.record.client);
        return added('comparison', await on.call('comparison', comparison), on);
      },
    },
    {
      method: 'DELETE',
      path: '/admin/users/:user',
      summary: 'Delete the answers and the feedback of a user.',
      isAdmin: true,
      handle: async ({ params }) => {
        const deleted = await requireStore(store).call('deleteUser', params.user!);
        const { answers, feedback, comparisons, safetyEvents: safety_events } = deleted;
        const counts = { answers, feedback, comparisons, safety_events };
        return { json: { object: 'user.deleted', deleted: counts } };
      },
    },
    {
      method: 'GET',
      path: '/admin/safety',
      summary: `Count safety events, and list the last ${LISTED_EVENTS} jailbreaks and over-refusals.`,
      isAdmin: true,
      handle: async () => {
        const found = await requireStore(store).call('safety', LISTED_EVENTS);
        return {
          json: {
            object: 'safety',
            counts: {
              ...{ events: found.events, jailbreaks: found.jailbreaks },
              over_refusals: found.overRefusals,
            },
            jailbreaks: found.lastJailbreaks.map(eventJson),
            over_refusals: found.lastOverRefusals.map(eventJson),
          },
        };
      },
    },
  ];
}

function requireStore(store: StoreHost | undefined): StoreHost {
  if (store) return store;
  const problem = 'this server collects no feedback: it was started without a feedback store';
  throw new ApiError(404, 'feedback_off', problem);
}

function added(object: 'feedback' | 'comparison', result: Added, store: StoreHost): Answer {
  switch (result.outcome) {
    case 'stored':
      return { json: storedAnswer(object, result) };
    case 'unknown_answer': {
      const { id, choice } = result.answer;
      if (store.hasLost(id)) throw notRecorded(id);
      const problem = `the store has no answer ${JSON.stringify(id)} with the choice ${choice}`;
      throw new ApiError(404, 'answer_not_found', problem, { param: 'response_id' });
    }
    case 'key_reused': {
      const problem = 'this idempotency_key was used for something else';
      throw new ApiError(409, 'idempotency_key_reused', problem, { param: 'idempotency_key' });
    }
    case 'not_comparable':
      throw badValue('second', 'first and second must be two answers to the same prompt', 'not_comparable');
  }
}

/** It is no fault of the client, and another try does not help. */
function notRecorded(id: string): ApiError {
  const problem = `the answer ${id} could not be recorded, so there can be no feedback on it; the log of the server says why`;
  return new ApiError(503, 'answer_not_recorded', problem, { param: 'response_id' });
}

function eventJson(event: SafetyEvent): JsonObject {
  return {
    ...{ id: event.id, created: Math.floor(event.createdAt / 1000), client: event.client },
    ...{ user: event.user, response_id: event.answer?.id ?? null, choice: event.answer?.choice ?? null },
    ...{ prompt_harmful: event.promptHarmful, response_refused: event.responseRefused },
    ...{ response_harmful: event.responseHarmful, checks: event.checks.map((check) => ({ ...check })) },
    ...{ messages: event.messages, model_hash: event.modelHash },
  };
}
