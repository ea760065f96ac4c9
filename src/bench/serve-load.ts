/**
 * Clients of a server, as a program of their own: each sends one request and reads its stream to
 * the end. They read bytes and parse nothing but the end, since their time is not the server's.
 */
import { Agent, request } from 'node:http';

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
  /** How often all streams run, one time after the other. Default 1. */
  rounds?: number;
  /** Number of the first prompt; each stream has the next one. Default 0. */
  firstPrompt?: number;
}

export interface LoadResult {
  /** From the first request to the last byte. */
  seconds: number;
  /** From the request to its first token, of each stream of all rounds, ascending. */
  firstTokenSeconds: number[];
}

interface Stream {
  firstTokenSeconds: number;
  tokens: number;
}

function stream(
  { url, promptTokens, newTokens, ids }: LoadOptions,
  agent: Agent,
  index: number,
): Promise<Stream> {
  // Other prompts than those of the other streams: none may be read from the cache.
  const prompt = Array.from({ length: promptTokens }, (_, i) => (31 * (i + 1) + 7919 * (index + 1)) % ids);
  const body = JSON.stringify({
    ...{ prompt, max_tokens: newTokens, ignore_eos: true, stream: true, temperature: 1 },
    stream_options: { include_usage: true },
  });
  const startedAt = performance.now();
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/completions`, { method: 'POST', agent, headers }, (response) => {
      let firstTokenSeconds: number | undefined;
      let last = '';
      response.on('data', (chunk: Buffer) => {
        firstTokenSeconds ??= (performance.now() - startedAt) / 1000;
        last = last.slice(-1000) + chunk.toString('latin1');
      });
      response.on('end', () => {
        const tokens = Number(/"completion_tokens":(\d+)/.exec(last)?.[1] ?? Number.NaN);
        if (response.statusCode === 200 && tokens === newTokens) {
          resolve({ firstTokenSeconds: firstTokenSeconds!, tokens });
        } else reject(new Error(`a stream ended with status ${response.statusCode}: ${last.slice(0, 300)}`));
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function run(options: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.streams });
  const { streams, rounds = 1, firstPrompt = 0 } = options;
  const startedAt = performance.now();
  const ended: Stream[] = [];
  for (let round = 0; round < rounds; ++round) {
    const first = firstPrompt + round * streams;
    ended.push(
      ...(await Promise.all(
        Array.from({ length: streams }, (_, index) => stream(options, agent, first + index)),
      )),
    );
  }
  const seconds = (performance.now() - startedAt) / 1000;
  agent.destroy();
  const firstTokenSeconds = ended.map((one) => one.firstTokenSeconds).sort((a, b) => a - b);
  return { seconds, firstTokenSeconds };
}

const options = process.argv[2];
if (options !== undefined) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(options) as LoadOptions)));
}
