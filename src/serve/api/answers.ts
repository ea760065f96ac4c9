/** The answers of chat and completions: whole ones, and the chunks of streams. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { JobOutput, NamedReport } from '../protocol/messages.ts';
import { chatLogProbs, completionLogProbs } from './log-probs.ts';

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

/** What a choice has become at its end. */
export interface Choice {
  text: string;
  reports: NamedReport[];
  finish: 'stop' | 'length' | undefined;
}

/** How an API writes its answers. */
export interface AnswerFormat {
  idPrefix: string;
  whole(head: AnswerHead, choices: readonly Choice[], hasReports: boolean, usage: Usage): JsonObject;
  /** Chunks that come before the first token of a choice. */
  opening(head: AnswerHead, index: number): JsonObject[];
  /** The chunks of one output. */
  chunks(head: AnswerHead, index: number, output: JobOutput, text: string): JsonObject[];
  /** The chunk with the usage. */
  usageChunk(head: AnswerHead, usage: Usage): JsonObject;
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

/** All reports that an output brings: those of the prompt, then that of the token. */
export function reportsOf({ promptReports = [], report }: JobOutput): NamedReport[] {
  return report ? [...promptReports, report] : [...promptReports];
}

const CHUNK = 'chat.completion.chunk';

export const chatFormat: AnswerFormat = {
  idPrefix: 'chatcmpl',
  whole: (head, choices, hasReports, usage) =>
    envelope(head, 'chat.completion', {
      choices: choices.map(({ text, reports, finish }, index) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: hasReports ? chatLogProbs(reports) : null,
        finish_reason: finish ?? null,
      })),
      usage: usageObject(usage),
    }),
  opening: (head, index) => [chatChunk(head, index, { role: 'assistant', content: '' }, null, null)],
  chunks: (head, index, output, text) => {
    const reports = reportsOf(output);
    const logProbs = reports.length > 0 ? chatLogProbs(reports) : null;
    const chunks: JsonObject[] = [];
    if (text !== '' || logProbs) chunks.push(chatChunk(head, index, { content: text }, logProbs, null));
    if (output.finish) chunks.push(chatChunk(head, index, {}, null, output.finish));
    return chunks;
  },
  usageChunk: (head, usage) => envelope(head, CHUNK, { choices: [], usage: usageObject(usage) }),
};

function chatChunk(
  head: AnswerHead,
  index: number,
  delta: JsonObject,
  logprobs: JsonValue,
  finish: string | null,
): JsonObject {
  return envelope(head, CHUNK, { choices: [{ index, delta, logprobs, finish_reason: finish }] });
}

export const completionFormat: AnswerFormat = {
  idPrefix: 'cmpl',
  whole: (head, choices, hasReports, usage) =>
    envelope(head, 'text_completion', {
      choices: choices.map(({ text, reports, finish }, index) => ({
        index,
        text,
        logprobs: hasReports ? completionLogProbs(reports) : null,
        finish_reason: finish ?? null,
      })),
      usage: usageObject(usage),
    }),
  opening: () => [],
  chunks: (head, index, output, text) => {
    const reports = reportsOf(output);
    const { finish = null } = output;
    if (text === '' && reports.length === 0 && finish === null) return [];
    const logprobs = reports.length > 0 ? completionLogProbs(reports) : null;
    const choices = [{ index, text, logprobs, finish_reason: finish }];
    return [envelope(head, 'text_completion', { choices })];
  },
  usageChunk: (head, usage) => envelope(head, 'text_completion', { choices: [], usage: usageObject(usage) }),
};
