/** A conversation, line by line: its commands, its answers while they are written, and Ctrl-C. */
import { createInterface } from 'node:readline';
import { AthanorError } from '../base/errors.ts';
import type { Conversation } from '../generate/conversation.ts';
import type { FinishReason } from '../generate/sequence.ts';

export type Turn = {
  message: string;
  answer: string;
  tokens: number;
  finish: FinishReason;
  /** Oldest messages that were forgotten, to make room in the context. */
  forgotten: number;
};

export interface ChatStreams {
  answers: NodeJS.WritableStream;
  notes: NodeJS.WritableStream;
}

const COMMANDS = '/reset, /system TEXT and /exit';

export class ChatSession {
  readonly turns: Turn[] = [];
  /** Time spent on answers. */
  seconds = 0;
  /** Whether Ctrl-C ended the session. */
  interrupted = false;
  readonly #conversation: Conversation;
  readonly #streams: ChatStreams;
  #answering: AbortController | undefined;

  constructor(conversation: Conversation, streams: ChatStreams) {
    this.#conversation = conversation;
    this.#streams = streams;
  }

  /** Answers messages; none is read as a command. Throws as Conversation.answer. */
  async script(messages: readonly string[]): Promise<void> {
    await this.#untilInterrupted(async () => {
      for (const message of messages) {
        await this.#answer(message);
        if (this.interrupted) return;
      }
    });
  }

  /** Answers lines from a pipe. Throws for the first message that cannot be answered. */
  async lines(input: NodeJS.ReadableStream): Promise<void> {
    const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    await this.#untilInterrupted(
      async () => {
        for await (const line of reader) {
          if (!(await this.#line(line)) || this.interrupted) break;
        }
      },
      () => reader.close(),
    );
  }

  /** For a terminal: reports a message that cannot be answered, and continues. */
  async interactive(input: NodeJS.ReadableStream, terminal = true): Promise<void> {
    const reader = createInterface({ input, output: this.#streams.answers, prompt: '> ', terminal });
    // Raw mode gives Ctrl-C to the reader and not to the process.
    reader.on('SIGINT', () => {
      if (this.#answering) this.#answering.abort();
      else reader.close();
    });
    this.#note(`Commands: ${COMMANDS}.`);
    reader.prompt();
    for await (const line of reader) {
      try {
        if (!(await this.#line(line))) break;
      } catch (error) {
        if (!(error instanceof AthanorError)) throw error;
        this.#note(`${error.message}${error.remedy ? `; ${error.remedy}` : ''}`);
      }
      reader.prompt();
    }
    reader.close();
  }

  /** Runs `body`; Ctrl-C stops the current answer and the session, a second one the process. */
  async #untilInterrupted(body: () => Promise<void>, close = () => {}): Promise<void> {
    const interrupt = () => {
      this.interrupted = true;
      this.#answering?.abort();
      close();
    };
    process.once('SIGINT', interrupt);
    try {
      await body();
    } finally {
      process.off('SIGINT', interrupt);
      close();
    }
  }

  /** False when the line ends the conversation. */
  async #line(line: string): Promise<boolean> {
    const said = line.trim();
    if (said === '') return true;
    const [, command, rest = ''] = /^\/([a-z]+)(?:\s+(.*))?$/s.exec(said) ?? [];
    if (command === 'exit') return false;
    if (command === 'reset') {
      this.#conversation.reset();
      this.#note('The conversation is forgotten.');
    } else if (command === 'system') {
      this.#conversation.setSystem(rest);
      this.#note(rest === '' ? 'There is no system message now.' : 'The system message is set.');
    } else if (command === undefined || rest !== '') {
      await this.#answer(line);
    } else {
      this.#note(`There is no command /${command}; the commands are ${COMMANDS}.`);
    }
    return true;
  }

  async #answer(message: string): Promise<void> {
    const { answers } = this.#streams;
    const startedAt = performance.now();
    this.#answering = new AbortController();
    try {
      const { text, ...rest } = await this.#conversation.answer(message, {
        onText: (piece) => answers.write(piece),
        signal: this.#answering.signal,
      });
      answers.write('\n');
      this.turns.push({ message, answer: text, ...rest });
      if (rest.forgotten > 0)
        this.#note(`The first ${rest.forgotten} messages are forgotten: the context is full.`);
      if (rest.finish === 'length')
        this.#note('The answer was cut at --max-tokens, or at the end of the context.');
    } finally {
      this.#answering = undefined;
      this.seconds += (performance.now() - startedAt) / 1000;
    }
  }

  #note(text: string): void {
    this.#streams.notes.write(`[${text}]\n`);
  }
}
