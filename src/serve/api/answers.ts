/** The answers of chat and completions: whole ones, and the chunks of streams. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { ApiError } from '../protocol/api-error.ts';
import type { NamedReport } from '../protocol/messages.ts';
import { type CalledAnswer, type CallPiece, CallStream, calledAnswer } from './call-stream.ts';
import { chatLogProbs, completionLogProbs } from './log-probs.ts';
import type { ToolCalls } from './tools.ts';

/** What every chunk of an answer has. */
export interface AnswerHead {
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
  fingerprint: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

/** A part of a choice that is sent at once. */
export interface Part {
  text: string;
  reports: NamedReport[];
  /** With the last part. */
  finish: 'stop' | 'length' | 'content_filter' | undefined;
  /** What is said in place of text that a safety policy refuses; with the last part. */
  refusal?: string;
}

/** Why a choice ended, in the words of the API. */
type Finish = NonNullable<Part['finish']> | 'tool_calls';

/** How an API writes its answers. */
export interface AnswerFormat {
  idPrefix: string;
  whole(head: AnswerHead, choices: readonly Part[], hasReports: boolean, usage: Usage): JsonObject;
  stream(head: AnswerHead, options: StreamOptions): StreamFormat;
}

export interface StreamOptions {
  choices: number;
  includeUsage: boolean;
}

/** The events of one stream, in their order. */
export interface StreamFormat {
  open(): StreamEvent[];
  part(index: number, part: Part): StreamEvent[];
  end(usage: Usage): StreamEvent[];
  /** Instead of end(), for an answer that cannot be whole. */
  fail(error: ApiError): StreamEvent[];
}

/** A server-sent event. */
export interface StreamEvent {
  event?: string;
  data: JsonObject | '[DONE]';
}

/** The chunks of chat and completions, which are alike but for the chunks themselves. */
interface ChunkFormat {
  /** Before the first token of a choice. */
  opening(head: AnswerHead, index: number): JsonObject[];
  chunks(head: AnswerHead, index: number, part: Part): JsonObject[];
  usageChunk(head: AnswerHead, usage: Usage): JsonObject;
}

function chunkStream(
  format: ChunkFormat,
  head: AnswerHead,
  { choices, includeUsage }: StreamOptions,
): StreamFormat {
  // Without include_usage chunks have no field for it.
  const noUsage: JsonObject = includeUsage ? { usage: null } : {};
  const events = (chunks: readonly JsonObject[]) =>
    chunks.map((chunk) => ({ data: { ...chunk, ...noUsage } }));
  return {
    open: () =>
      Array.from({ length: choices }, (_, index) => index).flatMap((index) =>
        events(format.opening(head, index)),
      ),
    part: (index, part) => events(format.chunks(head, index, part)),
    end: (usage) => [
      ...(includeUsage ? [{ data: format.usageChunk(head, usage) }] : []),
      { data: '[DONE]' as const },
    ],
    fail: ({ body }) => [{ data: { ...body } }],
  };
}

export function usageObject({ promptTokens, completionTokens }: Usage): JsonObject {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function envelope(
  { id, created, model, fingerprint }: AnswerHead,
  object: string,
  rest: JsonObject,
): JsonObject {
  return { id, object, created, model, system_fingerprint: fingerprint, ...rest };
}

const CHUNK = 'chat.completion.chunk';

/** @param calls how calls of functions are found in the text */
export function chatFormat(calls: ToolCalls | undefined): AnswerFormat {
  return {
    idPrefix: 'chatcmpl-',
    whole: (head, choices, hasReports, usage) =>
      envelope(head, 'chat.completion', {
        choices: choices.map(({ text, reports, finish, refusal }, index) => {
          const called = calledAnswer(text, calls);
          return {
            index,
            message: chatMessage(called, refusal),
            logprobs: hasReports ? chatLogProbs(reports) : null,
            finish_reason: chatFinish(finish, called.calls.length),
          };
        }),
        usage: usageObject(usage),
      }),
    stream: (head, options) => chunkStream(chatChunks(options.choices, calls), head, options),
  };
}

function chatMessage({ text, calls }: CalledAnswer, refusal: string | null = null): JsonObject {
  const isSilent = text === '' && (refusal !== null || calls.length > 0);
  const message = { role: 'assistant', content: isSilent ? null : text, refusal };
  if (calls.length === 0) return message;
  const tool_calls = calls.map(({ id, name, args }) => ({
    ...{ id, type: 'function' },
    function: { name, arguments: args },
  }));
  return { ...message, tool_calls };
}

/** An answer that was cut off says so, also in the middle of a call. */
function chatFinish(finish: Part['finish'], calls: number): Finish | null {
  return finish === 'stop' && calls > 0 ? 'tool_calls' : (finish ?? null);
}

function chatChunks(choices: number, calls: ToolCalls | undefined): ChunkFormat {
  const streams = Array.from({ length: choices }, () => new CallStream(calls));
  return {
    opening: (head, index) => [chatChunk(head, index, { role: 'assistant', content: '' }, null, null)],
    chunks: (head, index, { text, reports, finish, refusal }) => {
      const stream = streams[index]!;
      const deltas = stream.push(text, finish !== undefined).map(chatDelta);
      let logProbs: JsonValue = reports.length > 0 ? chatLogProbs(reports) : null;
      if (logProbs && deltas.length === 0) deltas.push({ content: '' });
      const chunks = deltas.map((delta) => {
        const chunk = chatChunk(head, index, delta, logProbs, null);
        logProbs = null;
        return chunk;
      });
      if (refusal !== undefined) chunks.push(chatChunk(head, index, { refusal }, null, null));
      if (finish) chunks.push(chatChunk(head, index, {}, null, chatFinish(finish, stream.calls)));
      return chunks;
    },
    usageChunk: (head, usage) => envelope(head, CHUNK, { choices: [], usage: usageObject(usage) }),
  };
}

/** Name and id come with the first piece of a call only. */
function chatDelta(piece: CallPiece): JsonObject {
  if (piece.kind === 'text') return { content: piece.text };
  const { index } = piece;
  if (piece.kind === 'arguments') return { tool_calls: [{ index, function: { arguments: piece.text } }] };
  const { id, name } = piece;
  return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
}

function chatChunk(
  head: AnswerHead,
  index: number,
  delta: JsonObject,
  logprobs: JsonValue,
  finish: Finish | null,
): JsonObject {
  return envelope(head, CHUNK, { choices: [{ index, delta, logprobs, finish_reason: finish }] });
}

export const completionFormat: AnswerFormat = {
  idPrefix: 'cmpl-',
  whole: (head, choices, hasReports, usage) =>
    envelope(head, 'text_completion', {
      choices: choices.map(({ text, reports, finish, refusal }, index) => ({
        index,
        text: text + refusalText(refusal, text !== ''),
        logprobs: hasReports ? completionLogProbs(reports) : null,
        finish_reason: finish ?? null,
      })),
      usage: usageObject(usage),
    }),
  stream: (head, options) => chunkStream(completionChunks(), head, options),
};

/** Completions have no field for a refusal: it is a paragraph of the text. */
function refusalText(refusal: string | undefined, hasText: boolean): string {
  if (refusal === undefined) return '';
  return hasText ? `\n\n${refusal}` : refusal;
}

function completionChunks(): ChunkFormat {
  /** Choices of which text was sent. */
  const begun = new Set<number>();
  return {
    opening: () => [],
    chunks: (head, index, { text: own, reports, finish = null, refusal }) => {
      if (own !== '') begun.add(index);
      const text = own + refusalText(refusal, begun.has(index));
      if (text === '' && reports.length === 0 && finish === null) return [];
      const logprobs = reports.length > 0 ? completionLogProbs(reports) : null;
      const choices = [{ index, text, logprobs, finish_reason: finish }];
      return [envelope(head, 'text_completion', { choices })];
    },
    usageChunk: (head, usage) =>
      envelope(head, 'text_completion', { choices: [], usage: usageObject(usage) }),
  };
}
