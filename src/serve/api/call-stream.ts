/** Calls of functions in the text of an answer, with ids. */
import { randomInt } from 'node:crypto';
import type { ToolFormat } from '../../text/tool-calls/format.ts';
import { type AnswerPiece, ToolCallReader } from '../../text/tool-calls/reader.ts';
import type { ToolCalls } from './tools.ts';

/** A part of an answer; a call has its id. */
export type CallPiece =
  | Exclude<AnswerPiece, { kind: 'call' }>
  | { kind: 'call'; index: number; name: string; id: string };

/** An answer that is complete. */
export interface CalledAnswer {
  /** The text beside calls. */
  text: string;
  calls: { id: string; name: string; args: string }[];
}

/** Divides a text into parts while it is written. Without `calls` all of it is text. */
export class CallStream {
  readonly #calls: ToolCalls | undefined;
  readonly #reader: ToolCallReader | undefined;

  /** @param isWhole the text comes in one piece */
  constructor(calls: ToolCalls | undefined, isWhole = false) {
    this.#calls = calls;
    if (calls) {
      const { format, names, most, parameters } = calls;
      this.#reader = new ToolCallReader(format, names, { most, parameters, isWhole });
    }
  }

  /** Number of calls so far. */
  get calls(): number {
    return this.#reader?.calls ?? 0;
  }

  push(text: string, isLast: boolean): CallPiece[] {
    const reader = this.#reader;
    if (!reader) return text === '' ? [] : [{ kind: 'text', text }];
    const pieces = [...reader.push(text), ...(isLast ? reader.end() : [])];
    return pieces.map((piece) =>
      piece.kind === 'call' ? { ...piece, id: callId(this.#calls!.format) } : piece,
    );
  }
}

/** Divides a whole text. */
export function calledAnswer(text: string, calls: ToolCalls | undefined): CalledAnswer {
  const answer: CalledAnswer = { text: '', calls: [] };
  for (const piece of new CallStream(calls, true).push(text, true)) {
    if (piece.kind === 'text') answer.text += piece.text;
    else if (piece.kind === 'call') answer.calls.push({ id: piece.id, name: piece.name, args: '' });
    else answer.calls[piece.index]!.args += piece.text;
  }
  return answer;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function callId({ id: { prefix, length } }: ToolFormat): string {
  return prefix + Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
