/**
 * A server in front of the real one. It answers for feedback and comparisons, and where a test
 * wants a certain answer or failure, it gives that; all else comes from the real server.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An answer of the chat API that a test decides. */
export interface Scripted {
  /** The pieces of each choice. */
  choices?: readonly (readonly string[])[];
  /** Log-probability of each piece. */
  logProbs?: readonly number[];
  /** Sent behind the pieces, as a refusal. */
  refusal?: string;
  finish?: string;
  /** Milliseconds between the pieces. */
  pause?: number;
  /** Breaks the connection after so many pieces. */
  breakAfter?: number;
  /** An answer that is an error. */
  status?: number;
  headers?: Record<string, string>;
  error?: { message: string; code: string };
}

export interface ChatRequest {
  messages: { role: string; content: string }[];
  n?: number;
  logprobs?: boolean;
  [name: string]: unknown;
}

export class ChatFront {
  readonly feedback: Record<string, unknown>[] = [];
  readonly comparisons: Record<string, unknown>[] = [];
  readonly chats: ChatRequest[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  readonly paths: string[] = [];
  /** Whether the real server records feedback, and not this one. */
  isReal = false;
  /** Whether feedback is recorded. */
  isRecording = true;
  /** Answers of the next chats; without one, the real server answers. */
  script: Scripted[] = [];
  /** Statuses of the next requests for the model's name. */
  busy: number[] = [];
  /** Markup that somebody put into the page. */
  tampered = '';
  /** Statuses of the next feedback, which is refused. */
  failing: number[] = [];
  readonly refused: Record<string, unknown>[] = [];
  /** Requests whose client went before the end. */
  aborted = 0;
  readonly #target: URL;
  readonly #server = createServer((incoming, response) => void this.#serve(incoming, response));
  #ids = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async start(target: string): Promise<ChatFront> {
    const front = new ChatFront(target);
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve));
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.paths.push(incoming.url!);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const busy = incoming.url === '/v1/models' ? this.busy.shift() : undefined;
    if (busy) return sendJson(response, busy, { error: { message: 'the engine starts', code: 'x' } });
    if (this.isReal) return this.#forward(incoming, body, response);
    if (incoming.url === '/v1/feedback') return this.#record(this.feedback, body, response);
    if (incoming.url === '/v1/comparisons') return this.#record(this.comparisons, body, response);
    if (incoming.url === '/v1/chat/completions') {
      this.headers.push(incoming.headers);
      const chat = JSON.parse(body.toString()) as ChatRequest;
      this.chats.push(chat);
      const scripted = this.script.shift();
      if (scripted) return this.#answer(chat, scripted, response);
    }
    this.#forward(incoming, body, response);
  }

  #record(records: Record<string, unknown>[], body: Buffer, response: ServerResponse): void {
    const given = JSON.parse(body.toString()) as Record<string, unknown>;
    const isUnknown = given.response_id === 'none';
    if (!this.isRecording || isUnknown) {
      const code = this.isRecording ? 'answer_not_found' : 'feedback_off';
      sendJson(response, 404, { error: { message: 'no', code } });
    } else if (this.failing.length > 0) {
      this.refused.push(given);
      sendJson(response, this.failing.shift()!, { error: { message: 'busy', code: 'overloaded' } });
    } else {
      records.push(given);
      sendJson(response, 200, { id: 'fb', object: 'feedback', created: 1, duplicate: false });
    }
  }

  async #answer({ logprobs }: ChatRequest, scripted: Scripted, response: ServerResponse): Promise<void> {
    const { choices = [], logProbs = [], finish = 'stop', pause = 0, breakAfter, status, headers } = scripted;
    if (status !== undefined) return sendJson(response, status, { error: scripted.error }, headers);
    response.on('close', () => {
      if (!response.writableFinished) ++this.aborted;
    });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const id = `chatcmpl-test${++this.#ids}`;
    const send = (index: number, rest: object) => {
      const choice = { index, delta: {}, logprobs: null, finish_reason: null, ...rest };
      const chunk = { id, object: 'chat.completion.chunk', created: 1, model: 'tiny', choices: [choice] };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    };
    const most = Math.max(0, ...choices.map(({ length }) => length));
    for (let i = 0; i < most; ++i) {
      if (i === breakAfter) return void response.destroy();
      choices.forEach((pieces, index) => {
        const content = pieces[i];
        if (content !== undefined)
          send(index, { delta: { content }, ...(logprobs && report(content, logProbs[i])) });
      });
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      if (response.destroyed) return;
    }
    for (const index of choices.keys()) {
      if (scripted.refusal) send(index, { delta: { refusal: scripted.refusal } });
      send(index, { finish_reason: finish });
    }
    response.end('data: [DONE]\n\n');
  }

  #forward({ method, url, headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { hostname, port } = this.#target;
    const isTampered = url === '/' && this.tampered !== '';
    const sent = request({ hostname, port, method, path: url, headers }, (answer) => {
      if (isTampered) return void tamper(answer, this.tampered, response);
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    sent.on('error', () => response.destroy());
    response.on('close', () => sent.destroy());
    sent.end(body);
  }
}

async function tamper(answer: IncomingMessage, markup: string, response: ServerResponse): Promise<void> {
  const { 'content-length': _, ...headers } = answer.headers;
  let html = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) html += chunk;
  response.writeHead(answer.statusCode!, headers);
  response.end(html.replace('<main', `${markup}<main`));
}

function report(token: string, logprob = -0.01): object {
  const bytes = [...Buffer.from(token)];
  const other = { token: ' other', logprob: Math.log(1 - Math.exp(logprob) + 1e-6), bytes: [] };
  const top_logprobs = [{ token, logprob, bytes }, other];
  return { logprobs: { content: [{ token, logprob, bytes, top_logprobs }], refusal: null } };
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
