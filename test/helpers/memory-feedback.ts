/** A feedback store in memory, filled by short calls. */
import type { JsonValue } from '../../src/base/json.ts';
import type {
  AnswerRecord,
  ComparisonRecord,
  FeedbackRecord,
  SafetyEvent,
} from '../../src/feedback/records.ts';
import type { FeedbackSource } from '../../src/feedback/training-rows/source.ts';

type Events = Pick<SafetyEvent, 'promptHarmful' | 'responseRefused' | 'responseHarmful'>;

export class MemoryFeedback implements FeedbackSource {
  readonly #answers: AnswerRecord[] = [];
  readonly #feedback: FeedbackRecord[] = [];
  readonly #comparisons: ComparisonRecord[] = [];
  readonly #events: SafetyEvent[] = [];
  #ids = 0;

  answers = () => this.#answers;
  feedback = () => this.#feedback;
  comparisons = () => this.#comparisons;
  safetyEvents = () => this.#events;

  /** Records an answer and returns its id. A text is a message of the user. */
  answer(prompt: string | JsonValue[] | null, text: string): string {
    const id = this.#next('chat');
    const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
    const tokens = { promptIds: [1], answerIds: [2], logProbs: [-1] };
    const hashes = { modelHash: 'm', tokenizerHash: 't' };
    const base = { id, choice: 0, client: null, user: null, createdAt: this.#ids, messages, text };
    this.#answers.push({ ...base, ...tokens, ...hashes, finish: 'stop', sampling: {} });
    return id;
  }

  /** A vote for the first of two answers, by their ids. */
  vote(
    user: string,
    better: string,
    worse: string,
    preferred: ComparisonRecord['preferred'] = 'first',
  ): string {
    const id = this.#next('cmp');
    const [first, second] = [better, worse].map((answer) => ({ id: answer, choice: 0 }));
    const sender = senderOf(user);
    this.#comparisons.push({
      ...{ id, first: first!, second: second!, preferred, ...sender, createdAt: this.#ids, reason: null },
    });
    return id;
  }

  rate(user: string, answer: string, rating: 1 | -1): string {
    return this.#say(user, answer, { rating, correction: null });
  }

  correct(user: string, answer: string, correction: string): string {
    return this.#say(user, answer, { rating: null, correction });
  }

  event(answer: string | null, found: Partial<Events>, messages: JsonValue[] | null = null): string {
    const id = this.#next('safety');
    const none = { promptHarmful: null, responseRefused: null, responseHarmful: null };
    const ref = answer === null ? null : { id: answer, choice: 0 };
    const rest = { client: null, user: null, createdAt: this.#ids, checks: [], modelHash: 'm' };
    this.#events.push({ id, answer: ref, messages, ...none, ...found, ...rest });
    return id;
  }

  /** Removes all that a user sent. */
  deleteUser(user: string): void {
    const keep = (record: { user: string | null }) => record.user !== user;
    for (const list of [this.#feedback, this.#comparisons] as { user: string | null }[][]) {
      list.splice(0, list.length, ...list.filter(keep));
    }
  }

  #say(user: string, answer: string, said: Pick<FeedbackRecord, 'rating' | 'correction'>): string {
    const id = this.#next('fb');
    const ref = { id: answer, choice: 0 };
    const rest = { createdAt: this.#ids, reason: null, tags: [] };
    this.#feedback.push({ id, answer: ref, ...senderOf(user), ...rest, ...said });
    return id;
  }

  #next(kind: string): string {
    return `${kind}-${++this.#ids}`;
  }
}

/** `key:ann` is the user ann of the client key. */
function senderOf(name: string): { client: string | null; user: string | null } {
  const [first = '', second] = name.split(':');
  return second === undefined ? { client: null, user: first } : { client: first, user: second || null };
}
