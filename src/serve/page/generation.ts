/** One request for an answer, or for two, while it runs. */
import { type Api, ApiFailure, type ChatChunk } from './api.ts';
import { type AnswerTurn, type Conversation, newId } from './conversation.ts';

export interface GenerationOptions {
  conversation: Conversation;
  /** Id of the message that is answered. */
  parent: string;
  count: number;
  model: string | undefined;
}

export class Generation {
  readonly conversation: Conversation;
  readonly turns: readonly AnswerTurn[];
  readonly #abort = new AbortController();
  readonly #refused = new Set<AnswerTurn>();

  constructor({ conversation, parent, count, model }: GenerationOptions) {
    this.conversation = conversation;
    const now = Date.now();
    this.turns = Array.from({ length: count }, (_, i): AnswerTurn => {
      const { system } = conversation;
      return { kind: 'answer', id: newId(), parent, text: '', createdAt: now + i, model, system };
    });
    const [first, second] = this.turns;
    if (first && second) {
      first.pair = second.id;
      second.pair = first.id;
    }
  }

  stop(): void {
    this.#abort.abort();
  }

  /**
   * Writes the answers into the turns, and calls back after each chunk. Every turn has its finish
   * afterwards. Returns what went wrong; undefined also when it was stopped.
   */
  async run(api: Api, body: object, onChunk: () => void): Promise<ApiFailure | undefined> {
    let failure: ApiFailure | undefined;
    try {
      for await (const chunk of api.chat(body, this.#abort.signal)) {
        this.#take(chunk);
        onChunk();
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) failure = failureOf(error);
    }
    for (const turn of this.turns) turn.finish ??= this.#abort.signal.aborted ? 'stopped' : 'lost';
    return failure;
  }

  /** A refusal behind text that was sent already is a paragraph of its own. */
  #refuse(turn: AnswerTurn, text: string): void {
    if (turn.text !== '' && !this.#refused.has(turn)) turn.text += '\n\n';
    this.#refused.add(turn);
    turn.text += text;
  }

  #take({ id, model, choices }: ChatChunk): void {
    for (const { index, delta, logprobs, finish_reason: finish } of choices) {
      const turn = this.turns[index];
      if (!turn) continue;
      turn.answer = { id, choice: index };
      turn.model = model;
      turn.text += delta.content ?? '';
      if (delta.refusal) this.#refuse(turn, delta.refusal);
      if (logprobs?.content) {
        turn.tokens ??= [];
        turn.tokens.push(...logprobs.content);
      }
      if (finish) turn.finish = finish;
    }
  }
}

function failureOf(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure(500, 'page', error instanceof Error ? error.message : String(error));
}
