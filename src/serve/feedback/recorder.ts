/** Gathers the answers of one request for the feedback store. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { Sender } from '../../feedback/records.ts';
import type { NewAnswer } from '../../feedback/rows.ts';
import type { Job, JobOutput, Origin, PromptInput } from '../protocol/messages.ts';

/** What all answers of a request have in common. */
export interface RecordedRequest extends Sender {
  /** The id that the client gets. */
  id: string;
  jobs: readonly Job[];
  prompts: readonly PromptInput[];
  /** Whether the client gets the text while it is generated. */
  isStreamed: boolean;
}

interface Choice {
  text: string;
  tokens: number[];
  logProbs: number[];
  origin: Origin | undefined;
  isDone: boolean;
}

export class AnswerRecorder {
  readonly #request: RecordedRequest;
  readonly #write: (answer: NewAnswer) => void;
  readonly #createdAt = Date.now();
  readonly #choices: Choice[];

  constructor(request: RecordedRequest, write: (answer: NewAnswer) => void) {
    this.#request = request;
    this.#write = write;
    this.#choices = request.jobs.map(() => ({
      ...{ text: '', tokens: [], logProbs: [], origin: undefined, isDone: false },
    }));
  }

  /** Takes what a step brought for a choice. The last output writes its answer. */
  take(index: number, { text, token, logProb, origin, finish }: JobOutput): void {
    const choice = this.#choices[index]!;
    choice.text += text;
    choice.tokens.push(token!);
    choice.logProbs.push(logProb!);
    choice.origin ??= origin;
    if (finish) this.#end(index, finish);
  }

  /** Writes what the model wrote of a choice until a safety check cut it. */
  cut(index: number): void {
    this.#end(index, 'content_filter');
  }

  /** Writes what a client has got of a stream that did not come to its end. */
  end(): void {
    if (!this.#request.isStreamed) return;
    for (const index of this.#choices.keys()) this.#end(index, 'cancelled');
  }

  #end(index: number, finish: string): void {
    const { text, tokens, logProbs, origin, isDone } = this.#choices[index]!;
    if (isDone || !origin) return;
    this.#choices[index]!.isDone = true;
    const { id, jobs, client, user } = this.#request;
    this.#write({
      ...{ id, choice: index, client, user, createdAt: this.#createdAt },
      messages: this.#messagesOf(index),
      ...{ promptIds: jobs[index]!.prompt, answerIds: tokens, logProbs, text, finish },
      sampling: samplingOf(jobs[index]!, origin),
      ...{ modelHash: origin.modelHash, tokenizerHash: origin.tokenizerHash },
    });
  }

  #messagesOf(index: number): JsonValue[] | null {
    const { prompts, jobs } = this.#request;
    const prompt = prompts[Math.floor(index / (jobs.length / prompts.length))]!;
    if (prompt.kind !== 'chat') return null;
    return prompt.messages.map(({ role, content, fields }) => ({ role, content, ...fields }));
  }
}

/** The settings by the names that generate() takes, and where the text stops. */
function samplingOf({ sampling, stopStrings, ends }: Job, { seed, stream }: Origin): JsonObject {
  const { logitBias, ...others } = sampling;
  return {
    ...(others as JsonObject),
    ...(logitBias && { logitBias: { ...logitBias } }),
    ...{ seed, stream, ends },
    ...(stopStrings.length > 0 && { stopStrings: [...stopStrings] }),
  };
}
