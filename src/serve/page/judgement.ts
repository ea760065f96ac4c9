/** Feedback and votes on their way to the server, which may record none. */
import { type Api, ApiFailure } from './api.ts';
import type { AnswerTurn, GivenFeedback, Pair } from './conversation.ts';
import type { Verdict } from './pair-view.ts';

/** The first answer's side of a comparison for each choice, and the second's. */
const VOTES = {
  first: ['better', 'worse'],
  second: ['worse', 'better'],
  tie: ['tie', 'tie'],
  neither: ['neither', 'neither'],
} as const;

export class Judgement {
  /** Whether the server records any; undefined until it is known. */
  isRecorded: boolean | undefined;
  readonly #api: Api;
  readonly #user: () => string;

  /** @param user the name that is sent along; can be empty */
  constructor(api: Api, user: () => string) {
    this.#api = api;
    this.#user = user;
  }

  /** Asks whether the server records any. */
  async learn(): Promise<void> {
    this.isRecorded ??= await this.#api.takesFeedback();
  }

  /** Sends feedback on an answer, and notes it there. Throws ApiFailure. */
  async rate(turn: AnswerTurn, feedback: GivenFeedback, key: string): Promise<void> {
    const { id, choice } = turn.answer!;
    const body = { response_id: id, choice, ...feedback, ...this.#sender(key) };
    await this.#send(() => this.#api.feedback(body));
    turn.feedback = feedback;
  }

  /** Sends a vote, and notes it at both answers. Throws ApiFailure. */
  async compare([first, second]: Pair, { choice, reason }: Verdict, key: string): Promise<void> {
    const body = {
      first: { response_id: first.answer?.id, choice: first.answer?.choice },
      second: { response_id: second.answer?.id, choice: second.answer?.choice },
      preferred: choice,
      ...(reason !== '' && { reason }),
      ...this.#sender(key),
    };
    await this.#send(() => this.#api.comparison(body));
    [first.vote, second.vote] = VOTES[choice];
  }

  #sender(key: string): object {
    const user = this.#user();
    return { ...(user !== '' && { user }), idempotency_key: key };
  }

  async #send(send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      if (error instanceof ApiFailure && error.code === 'feedback_off') this.isRecorded = false;
      throw error;
    }
  }
}
