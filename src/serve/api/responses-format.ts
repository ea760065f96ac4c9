/** The answers of /v1/responses: an object, or typed events with sequence numbers. */
import type { JsonObject } from '../../base/json.ts';
import type { ApiError } from '../protocol/api-error.ts';
import type { AnswerFormat, AnswerHead, Part, StreamEvent, StreamFormat, Usage } from './answers.ts';
import { type CallPiece, CallStream } from './call-stream.ts';
import type { ResponseEcho } from './responses-request.ts';
import type { ToolCalls } from './tools.ts';

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

/** @param calls how calls of functions are found in the text */
export function responsesFormat(echo: ResponseEcho, calls: ToolCalls | undefined): AnswerFormat {
  return {
    idPrefix: 'resp_',
    whole: (head, [choice], _, usage) => {
      const { text, finish, refusal } = choice!;
      const status = statusOf(finish);
      const items = new OutputItems(head);
      for (const piece of new CallStream(calls).push(text, true)) items.add(piece);
      if (refusal !== undefined) items.refuse(refusal);
      if (items.isEmpty) items.openMessage();
      return responseObject(head, { ...echo, finish }, status, items.objects(status), usage);
    },
    stream: (head) => new ResponseStream(head, echo, calls),
  };
}

function statusOf(finish: Part['finish']): Status {
  return finish === 'length' || finish === 'content_filter' ? 'incomplete' : 'completed';
}

/** An echo, with how the answer ended. */
type EndedEcho = ResponseEcho & { finish?: Part['finish'] };

function responseObject(
  { id, created, model }: AnswerHead,
  { instructions, maxOutputTokens, temperature, topP, metadata, finish, ...echo }: EndedEcho,
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
    parallel_tool_calls: echo.isParallel,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature,
    text: { format: echo.format },
    tool_choice:
      typeof echo.toolChoice === 'object' ? { type: 'function', ...echo.toolChoice } : echo.toolChoice,
    tools: echo.tools.map(({ name, description = null, parameters = null, isStrict }) => ({
      ...{ type: 'function', name, description, parameters, strict: isStrict },
    })),
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

/** A part of the output: a message, or a call of a function. */
type OutputItem =
  | { kind: 'message'; id: string; text: string | undefined; refusal?: string }
  | { kind: 'call'; id: string; callId: string; name: string; args: string; isCut?: boolean };

function itemObject(item: OutputItem, status: Status): JsonObject {
  if (item.kind === 'call') {
    const { id, callId, name, args } = item;
    return { id, type: 'function_call', status, call_id: callId, name, arguments: args };
  }
  const content = status === 'in_progress' ? [] : contentOf(item);
  return { id: item.id, type: 'message', status, role: 'assistant', content };
}

/** The text, where its part was begun, and the refusal. */
function contentOf({ text, refusal }: OutputItem & { kind: 'message' }): JsonObject[] {
  return [
    ...(text === undefined && refusal !== undefined ? [] : [textPart(text ?? '')]),
    ...(refusal === undefined ? [] : [refusedPart(refusal)]),
  ];
}

/** The output so far. All items but the last one are complete. */
class OutputItems {
  readonly all: OutputItem[] = [];
  readonly #head: AnswerHead;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  get last(): OutputItem | undefined {
    return this.all.at(-1);
  }

  /** Whether a piece begins another item. */
  begins(piece: CallPiece): boolean {
    return piece.kind === 'call' || (piece.kind === 'text' && this.last?.kind !== 'message');
  }

  add(piece: CallPiece): void {
    if (piece.kind === 'call') {
      const { name, id: callId } = piece;
      this.all.push({ kind: 'call', id: this.#id('fc'), callId, name, args: '' });
      return;
    }
    if (this.begins(piece)) this.openMessage();
    const last = this.last!;
    if (last.kind === 'message') last.text = (last.text ?? '') + piece.text;
    else last.args += piece.text;
  }

  /** @param text undefined: there is no part with text yet */
  openMessage(text?: string): void {
    this.all.push({ kind: 'message', id: this.#id('msg'), text });
  }

  /** Ends the output with a refusal, in a message of its own behind a call, which may be cut. */
  refuse(refusal: string): void {
    this.cutCall();
    if (this.last?.kind !== 'message') this.openMessage();
    const { last } = this;
    if (last?.kind === 'message') last.refusal = refusal;
  }

  /** Where the answer is refused in a call, the arguments are no JSON yet. */
  cutCall(): void {
    const { last } = this;
    if (last?.kind === 'call') last.isCut = !isJson(last.args);
  }

  #id(prefix: string): string {
    const place = this.all.length;
    return this.#head.id.replace('resp', prefix) + (place === 0 ? '' : `_${place}`);
  }

  /** @param status of the last item */
  objects(status: Status): JsonObject[] {
    return this.all.map((item, i) => itemObject(item, i === this.all.length - 1 ? status : endOf(item)));
  }
}

/** The status of an item that another one follows. */
function endOf(item: OutputItem): Status {
  return item.kind === 'call' && item.isCut ? 'incomplete' : 'completed';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

class ResponseStream implements StreamFormat {
  readonly #head: AnswerHead;
  readonly #echo: ResponseEcho;
  readonly #items: OutputItems;
  readonly #calls: CallStream;
  /** Without tools there is one item, which begins at once. */
  readonly #isMessage: boolean;
  #sequence = 0;
  #finish: Part['finish'];
  #refusal: string | undefined;

  constructor(head: AnswerHead, echo: ResponseEcho, calls: ToolCalls | undefined) {
    this.#head = head;
    this.#echo = echo;
    this.#items = new OutputItems(head);
    this.#calls = new CallStream(calls);
    this.#isMessage = calls === undefined;
  }

  open(): StreamEvent[] {
    const response = responseObject(this.#head, this.#echo, 'in_progress', []);
    return [
      this.#event('response.created', { response }),
      this.#event('response.in_progress', { response }),
      ...(this.#isMessage ? this.#openMessage() : []),
    ];
  }

  part(_: number, { text, finish, refusal }: Part): StreamEvent[] {
    this.#finish = finish;
    this.#refusal = refusal;
    const pieces = this.#calls.push(text, finish !== undefined);
    return pieces.flatMap((piece) => this.#piece(piece));
  }

  #piece(piece: CallPiece): StreamEvent[] {
    const items = this.#items;
    const before = items.begins(piece) ? this.#close('completed') : [];
    if (piece.kind === 'text') {
      if (items.begins(piece)) before.push(...this.#openMessage());
      items.add(piece);
      const fields = { ...this.#place(), content_index: 0, delta: piece.text, logprobs: [] };
      return [...before, this.#event('response.output_text.delta', fields)];
    }
    items.add(piece);
    if (piece.kind === 'call') return [...before, this.#added()];
    const fields = { ...this.#place(), delta: piece.text };
    return [this.#event('response.function_call_arguments.delta', fields)];
  }

  end(usage: Usage): StreamEvent[] {
    const status = statusOf(this.#finish);
    const refusal = this.#refusal;
    const opened: StreamEvent[] = [];
    const isBehindCall = refusal !== undefined && this.#items.last?.kind === 'call';
    if (isBehindCall) {
      this.#items.cutCall();
      opened.push(...this.#close(endOf(this.#items.last!)));
    }
    if (this.#items.isEmpty || isBehindCall) opened.push(...this.#openMessage());
    if (refusal !== undefined) this.#items.refuse(refusal);
    const closed = this.#close(status);
    const echo = { ...this.#echo, finish: this.#finish };
    const response = responseObject(this.#head, echo, status, this.#items.objects(status), usage);
    return [...opened, ...closed, this.#event(`response.${status}`, { response })];
  }

  #closeCall({ name, args }: OutputItem & { kind: 'call' }): StreamEvent[] {
    const fields = { ...this.#place(), name, arguments: args };
    return [this.#event('response.function_call_arguments.done', fields)];
  }

  #closeMessage({ text = '', refusal }: OutputItem & { kind: 'message' }): StreamEvent[] {
    const place = { ...this.#place(), content_index: 0 };
    return [
      this.#event('response.output_text.done', { ...place, text, logprobs: [] }),
      this.#event('response.content_part.done', { ...place, part: textPart(text) }),
      ...(refusal === undefined ? [] : this.#refusalEvents(refusal)),
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
    const items = this.#items.objects('incomplete');
    const response = responseObject(this.#head, this.#echo, 'failed', items, undefined, error);
    return [this.#event('response.failed', { response })];
  }

  #openMessage(): StreamEvent[] {
    this.#items.openMessage('');
    const fields = { ...this.#place(), content_index: 0, part: textPart('') };
    return [this.#added(), this.#event('response.content_part.added', fields)];
  }

  /** The last item begins. */
  #added(): StreamEvent {
    const { output_index } = this.#place();
    const item = itemObject(this.#items.last!, 'in_progress');
    return this.#event('response.output_item.added', { output_index, item });
  }

  /** Ends the last item, if there is one. */
  #close(status: Status): StreamEvent[] {
    const { last } = this.#items;
    if (last === undefined) return [];
    const place = this.#place();
    const done = last.kind === 'call' ? this.#closeCall(last) : this.#closeMessage(last);
    const { output_index } = place;
    const item = itemObject(last, status);
    return [...done, this.#event('response.output_item.done', { output_index, item })];
  }

  /** Of the last item. */
  #place(): { item_id: string; output_index: number } {
    return { item_id: this.#items.last!.id, output_index: this.#items.all.length - 1 };
  }

  #event(type: string, fields: JsonObject): StreamEvent {
    return { event: type, data: { type, sequence_number: this.#sequence++, ...fields } };
  }
}
