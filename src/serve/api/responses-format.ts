/** The answers of /v1/responses: an object, or typed events with sequence numbers. */
import type { JsonObject } from '../../base/json.ts';
import type { ApiError } from '../protocol/api-error.ts';
import type { AnswerFormat, AnswerHead, Part, StreamEvent, StreamFormat, Usage } from './answers.ts';
import type { ResponseEcho } from './responses-request.ts';

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

export function responsesFormat(echo: ResponseEcho): AnswerFormat {
  return {
    idPrefix: 'resp_',
    whole: (head, [choice], _, usage) => {
      const { text, finish, refusal } = choice!;
      const status = statusOf(finish);
      const item = messageItem(head, status, contentOf(text, refusal));
      return responseObject(head, { ...echo, finish }, status, [item], usage);
    },
    stream: (head) => new ResponseStream(head, echo),
  };
}

function statusOf(finish: Part['finish']): Status {
  return finish === 'length' || finish === 'content_filter' ? 'incomplete' : 'completed';
}

/** An echo, with how the answer ended. */
type EndedEcho = ResponseEcho & { finish?: Part['finish'] };

function responseObject(
  { id, created, model }: AnswerHead,
  { instructions, maxOutputTokens, temperature, topP, metadata, finish }: EndedEcho,
  status: Status,
  output: JsonObject[],
  usage?: Usage,
  error?: ApiError,
): JsonObject {
  return {
    id,
    object: 'response',
    created_at: created,
    status,
    background: false,
    error: error ? { code: 'server_error', message: error.message } : null,
    incomplete_details: status === 'incomplete' ? { reason: reasonOf(finish) } : null,
    instructions: instructions ?? null,
    max_output_tokens: maxOutputTokens ?? null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: topP,
    truncation: 'disabled',
    usage: usage ? usageObject(usage) : null,
    user: null,
    metadata,
  };
}

function usageObject({ promptTokens, completionTokens }: Usage): JsonObject {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function reasonOf(finish: Part['finish']): string {
  return finish === 'content_filter' ? 'content_filter' : 'max_output_tokens';
}

function refusedPart(refusal: string): JsonObject {
  return { type: 'refusal', refusal };
}

/** The text, where there is one, and the refusal. */
function contentOf(text: string, refusal: string | undefined): JsonObject[] {
  if (refusal === undefined) return [textPart(text)];
  return text === '' ? [refusedPart(refusal)] : [textPart(text), refusedPart(refusal)];
}

function messageId({ id }: AnswerHead): string {
  return id.replace('resp', 'msg');
}

function messageItem(head: AnswerHead, status: Status, content: JsonObject[]): JsonObject {
  return { id: messageId(head), type: 'message', status, role: 'assistant', content };
}

class ResponseStream implements StreamFormat {
  readonly #head: AnswerHead;
  readonly #echo: ResponseEcho;
  #sequence = 0;
  #text = '';
  #finish: Part['finish'];
  #refusal: string | undefined;

  constructor(head: AnswerHead, echo: ResponseEcho) {
    this.#head = head;
    this.#echo = echo;
  }

  open(): StreamEvent[] {
    const response = responseObject(this.#head, this.#echo, 'in_progress', []);
    return [
      this.#event('response.created', { response }),
      this.#event('response.in_progress', { response }),
      this.#event('response.output_item.added', {
        output_index: 0,
        item: messageItem(this.#head, 'in_progress', []),
      }),
      this.#event('response.content_part.added', { ...this.#place(), part: textPart('') }),
    ];
  }

  part(_: number, { text, finish, refusal }: Part): StreamEvent[] {
    this.#text += text;
    this.#finish = finish;
    this.#refusal = refusal;
    if (text === '') return [];
    return [this.#event('response.output_text.delta', { ...this.#place(), delta: text, logprobs: [] })];
  }

  end(usage: Usage): StreamEvent[] {
    const status = statusOf(this.#finish);
    const text = this.#text;
    const refusal = this.#refusal;
    // The part of the text is there even where it stays empty.
    const content = [textPart(text), ...(refusal === undefined ? [] : [refusedPart(refusal)])];
    const item = messageItem(this.#head, status, content);
    const echo = { ...this.#echo, finish: this.#finish };
    const response = responseObject(this.#head, echo, status, [item], usage);
    return [
      this.#event('response.output_text.done', { ...this.#place(), text, logprobs: [] }),
      this.#event('response.content_part.done', { ...this.#place(), part: textPart(text) }),
      ...(refusal === undefined ? [] : this.#refusalEvents(refusal)),
      this.#event('response.output_item.done', { output_index: 0, item }),
      this.#event(`response.${status}`, { response }),
    ];
  }

  #refusalEvents(refusal: string): StreamEvent[] {
    const place = { ...this.#place(), content_index: 1 };
    return [
      this.#event('response.content_part.added', { ...place, part: refusedPart('') }),
      this.#event('response.refusal.delta', { ...place, delta: refusal }),
      this.#event('response.refusal.done', { ...place, refusal }),
      this.#event('response.content_part.done', { ...place, part: refusedPart(refusal) }),
    ];
  }

  fail(error: ApiError): StreamEvent[] {
    const item = messageItem(this.#head, 'incomplete', [textPart(this.#text)]);
    const response = responseObject(this.#head, this.#echo, 'failed', [item], undefined, error);
    return [this.#event('response.failed', { response })];
  }

  #place(): JsonObject {
    return { item_id: messageId(this.#head), output_index: 0, content_index: 0 };
  }

  #event(type: string, fields: JsonObject): StreamEvent {
    return { event: type, data: { type, sequence_number: this.#sequence++, ...fields } };
  }
}
