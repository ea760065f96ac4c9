/**
 * Clients of a server, as a program of their own that a bench forks: each sends a request and reads
 * its stream to the end. They parse nothing but its end, since their time is not the server's.
 * Their connections stay open from run to run.
 */
import { connect, type Socket } from 'node:net';

/** What the clients ask for. */
export interface LoadOptions {
  url: string;
  streams: number;
  /** Tokens of each prompt. */
  promptTokens: number;
  /** Tokens of each answer. */
  newTokens: number;
  /** Ids of prompts are below this. */
  ids: number;
  /** Requests of each client, one after the other. Default 1. */
  rounds?: number;
  /** Ask for half to one and a half times `newTokens`, so that streams end one by one. */
  variesLength?: boolean;
  /** Number of the first prompt; each stream has the next one. Default 0. */
  firstPrompt?: number;
}

export interface LoadResult {
  /** From the first request to the last byte. */
  seconds: number;
  /** From the request to its first token, of each stream of all rounds, ascending. */
  firstTokenSeconds: number[];
}

/** What a bench hears of a run: its result, or why a stream was not whole. */
export type LoadReply = { result: LoadResult } | { error: string };

/** The end of a body in chunks. */
const LAST_CHUNK = '\r\n0\r\n\r\n';
/** Enough of a body's end to hold the usage and the last chunk. */
const KEPT = 1000;

/**
 * A connection that is kept from round to round. It reads the socket itself, into one buffer: a
 * client of node:http takes as much processor time as the server.
 */
class Connection {
  readonly #host: string;
  readonly #socket: Socket;
  isOpen = true;
  #startedAt = 0;
  #firstTokenSeconds: number | undefined;
  /** The head of the answer until it is whole, then the last of its body. */
  #text = '';
  #hasHead = false;
  #resolve: (firstTokenSeconds: number) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(url: string) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    const callback = (bytes: number, buffer: Uint8Array) => {
      this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1'));
      return true;
    };
    const onread = { buffer: Buffer.alloc(65_536), callback };
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    this.#socket.on('error', (error) => this.#reject(error));
    this.#socket.on('close', () => {
      this.isOpen = false;
      this.#reject(new Error(`a connection was closed: ${this.#text}`));
    });
  }

  /** Sends a request; the seconds until its first token, once all of the answer is there. */
  send(body: string): Promise<number> {
    this.#text = '';
    this.#hasHead = false;
    this.#firstTokenSeconds = undefined;
    this.#startedAt = performance.now();
    const head = `POST /v1/completions HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/json\r\n`;
    this.#socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The text of the answer's end. */
  get end(): string {
    return this.#text;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    if (!this.#hasHead) {
      const end = this.#text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const status = Number(this.#text.slice('HTTP/1.1 '.length).split(' ', 1)[0]);
      if (status !== 200) {
        this.#reject(unfinished(status, this.#text));
        return;
      }
      this.#hasHead = true;
      this.#text = this.#text.slice(end + 4);
      if (this.#text === '') return;
    }
    this.#firstTokenSeconds ??= (performance.now() - this.#startedAt) / 1000;
    this.#text = this.#text.slice(-KEPT);
    if (this.#text.endsWith(LAST_CHUNK)) this.#resolve(this.#firstTokenSeconds);
  }
}

function unfinished(status: number, text: string): Error {
  return new Error(`a stream ended with status ${status}: ${text.slice(0, 300)}`);
}

/** The tokens that a client asks for. */
function tokensOf({ newTokens, variesLength = false }: LoadOptions, index: number): number {
  return variesLength ? Math.round(newTokens * (0.5 + ((index * 37) % 64) / 63)) : newTokens;
}

/** Reads one stream to its end; the seconds until its first token. */
async function stream(options: LoadOptions, connection: Connection, index: number): Promise<number> {
  const { promptTokens, ids } = options;
  const newTokens = tokensOf(options, index);
  // Other prompts than those of the other streams: none may be read from the cache.
  const prompt = Array.from({ length: promptTokens }, (_, i) => (31 * (i + 1) + 7919 * (index + 1)) % ids);
  const body = JSON.stringify({
    ...{ prompt, max_tokens: newTokens, ignore_eos: true, stream: true, temperature: 1 },
    stream_options: { include_usage: true },
  });
  const firstTokenSeconds = await connection.send(body);
  const tokens = Number(/"completion_tokens":(\d+)/.exec(connection.end)?.[1] ?? Number.NaN);
  if (tokens !== newTokens) throw unfinished(200, connection.end);
  return firstTokenSeconds;
}

/** Open connections by the server's address. */
const connections = new Map<string, Connection[]>();

function connectionsTo(url: string, count: number): Connection[] {
  const open = (connections.get(url) ?? []).filter(({ isOpen }) => isOpen);
  while (open.length < count) open.push(new Connection(url));
  connections.set(url, open);
  return open.slice(0, count);
}

let isStopping = false;

async function run(options: LoadOptions): Promise<LoadResult> {
  const { url, streams, rounds = 1, firstPrompt = 0 } = options;
  isStopping = false;
  const startedAt = performance.now();
  const firstTokenSeconds: number[] = [];
  const client = async (connection: Connection, place: number) => {
    for (let round = 0; round < rounds && !isStopping; ++round) {
      const index = firstPrompt + round * streams + place;
      firstTokenSeconds.push(await stream(options, connection, index));
    }
  };
  try {
    await Promise.all(connectionsTo(url, streams).map(client));
  } catch (error) {
    // Other streams of this run are in the middle.
    for (const connection of connections.get(url)!) connection.close();
    connections.delete(url);
    throw error;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, firstTokenSeconds: firstTokenSeconds.sort((a, b) => a - b) };
}

async function replyTo(options: LoadOptions): Promise<LoadReply> {
  try {
    return { result: await run(options) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

process.on('message', async (message: LoadOptions | 'stop') => {
  if (message === 'stop') isStopping = true;
  else process.send!(await replyTo(message));
});
process.on('disconnect', () => process.exit());
