/** `athanor serve`: a model behind an HTTP API. */
import { AthanorError } from '../base/errors.ts';
import type { ServeEvent } from '../serve/protocol/events.ts';
import { serveBounds, serveDefaults } from '../serve/settings.ts';
import { mergedFolder } from './adapter-models.ts';
import { defineCommand } from './command.ts';
import { Interrupt } from './interrupt.ts';
import { duration, engineOptions, inGroup, integer, list, path, quantizeOption, text } from './options.ts';

const { device, dtype, threads } = engineOptions;

/** The options of the server, with the defaults of the library. */
export const serverOptions = {
  ...inGroup('Run', {
    name: text('name of the model in requests (default: the name of its folder)'),
    host: text('address to listen on; one that is not loopback needs --api-key-file', {
      default: serveDefaults.host,
      placeholder: '<address>',
    }),
    port: integer('port to listen on; 0 takes a free one', {
      default: serveDefaults.port,
      ...serveBounds.port,
    }),
    apiKeyFile: path('file with the hashes of API keys; without it, no key is asked for', {
      placeholder: '<file>',
    }),
    feedback: path('SQLite file that collects answers and feedback; it is made if it is not there', {
      placeholder: '<file>',
    }),
    feedbackDays: integer('delete what is older from --feedback, at the start and once an hour', {
      ...serveBounds.feedbackDays,
    }),
    adminKeyFile: path('file with the hashes of the keys of /admin; without it, /admin does not answer', {
      placeholder: '<file>',
    }),
    safety: path('safety policy: what is refused or noted in prompts and answers', {
      placeholder: '<file>',
    }),
    allowHost: list(
      text('name besides localhost that a Host header may have on loopback', { placeholder: '<name>' }),
    ),
    drainSeconds: duration('time that requests in flight have when the server stops', {
      default: serveDefaults.drainSeconds,
      ...serveBounds.drainSeconds,
    }),
  }),
  ...inGroup('Limits', {
    queue: integer('sequences that may wait for a slot; more are refused with 503', {
      default: serveDefaults.queue,
      ...serveBounds.queue,
    }),
    requestsPerMinute: integer('requests per minute and key; 0: no limit', {
      default: serveDefaults.requestsPerMinute,
      ...serveBounds.requestsPerMinute,
    }),
    tokensPerMinute: integer('tokens of prompts and answers per minute and key; 0: no limit', {
      default: serveDefaults.tokensPerMinute,
      ...serveBounds.tokensPerMinute,
    }),
    concurrentRequests: integer('requests at the same time per key; 0: no limit', {
      default: serveDefaults.concurrentRequests,
      ...serveBounds.concurrentRequests,
    }),
    maxBodyBytes: integer('largest body of a request', {
      default: serveDefaults.maxBodyBytes,
      ...serveBounds.maxBodyBytes,
    }),
    maxMessages: integer('most messages of a chat', {
      default: serveDefaults.maxMessages,
      ...serveBounds.maxMessages,
    }),
    maxPrompts: integer('most prompts of a completion request', {
      default: serveDefaults.maxPrompts,
      ...serveBounds.maxPrompts,
    }),
    checkSeconds: duration('time of one reading by the classifiers of --safety; beyond it: 503', {
      default: serveDefaults.checkSeconds,
      ...serveBounds.checkSeconds,
    }),
    maxChoices: integer('most choices per prompt', {
      default: serveDefaults.maxChoices,
      ...serveBounds.maxChoices,
    }),
  }),
  ...inGroup('Engine', {
    batchSize: integer('sequences to decode at the same time', {
      default: serveDefaults.batchSize,
      ...serveBounds.batchSize,
    }),
    context: integer("tokens per sequence (default: the model's context)", { ...serveBounds.context }),
    prefillTokens: integer('prompt tokens per step; a longer prompt is read in parts', {
      default: serveDefaults.prefillTokens,
      ...serveBounds.prefillTokens,
    }),
    stallSeconds: duration('time without a step after which the engine starts again', {
      default: serveDefaults.stallSeconds,
      ...serveBounds.stallSeconds,
    }),
    quantize: quantizeOption,
    ...{ device, dtype, threads },
  }),
};

export const serve = defineCommand({
  description:
    'Serves a model with the HTTP API of OpenAI: chat, completions with log-probabilities, tokens, metrics. It listens on this machine only, unless --host says otherwise. SIGHUP loads the model that --model shows now. Ctrl-C lets requests in flight end; a second one stops at once.',
  options: {
    ...inGroup('Run', {
      // Not merged before the command runs: an adapter may be another one at each reload.
      model: path('folder of the model'),
      addKey: text(
        'make an API key of this name, print it, add its hash to --api-key-file or --admin-key-file, and end',
        {
          placeholder: '<name>',
        },
      ),
    }),
    ...serverOptions,
  },
  example: 'serve --model assistant',
  async run({ model, addKey: keyName, ...options }, { json, spell }) {
    if (keyName !== undefined) return { key: await newKey(options, keyName) };
    if (model === undefined) {
      throw new AthanorError('ERR_OPTION', '--model is required: folder of the model', 'give --model FOLDER');
    }
    const { serve: start } = await import('../serve/serve.ts');
    const log = (line: string) => process.stderr.write(`${new Date().toISOString()} ${spell(line)}\n`);
    const interrupt = new Interrupt(() => {}, () => {}, ['SIGINT', 'SIGTERM']);
    let reload = () => {};
    const onHangup = () => reload();
    process.on('SIGHUP', onHangup);
    let requests = 0;
    let tokens = 0;
    try {
      const server = await start(
        { model, ...options },
        {
          signal: interrupt.signal,
          folderOf: mergedFolder,
          onEvent: (event) => {
            if (event.type === 'request') {
              ++requests;
              tokens += event.completionTokens;
            }
            log(eventLine(event));
          },
        },
      );
      // Its event says what became of it.
      reload = () => void server.reload().catch(() => {});
      const info = server.model;
      log(
        `serving ${server.name} (context ${info.contextLength}, ${info.dtype} on ${info.device}) at ${server.url}/v1`,
      );
      log(`to chat, open ${server.url}/ in a browser`);
      // Whoever starts the server from a program reads the address here.
      if (json) process.stdout.write(`${JSON.stringify({ url: server.url, model: server.name })}\n`);
      await server.closed;
    } finally {
      process.off('SIGHUP', onHangup);
      interrupt.dispose();
    }
    return { requests, completion_tokens: tokens };
  },
  render: (result) =>
    'key' in result
      ? String(result.key)
      : `answered ${result.requests} requests with ${result.completion_tokens} tokens`,
});

async function newKey(
  { apiKeyFile, adminKeyFile }: { apiKeyFile?: string | undefined; adminKeyFile?: string | undefined },
  name: string,
): Promise<string> {
  const file = apiKeyFile ?? adminKeyFile;
  if (file === undefined || (apiKeyFile !== undefined && adminKeyFile !== undefined)) {
    const remedy = 'give --api-key-file FILE or --admin-key-file FILE, and not both';
    throw new AthanorError('ERR_OPTION', '--add-key needs the file of the keys', remedy);
  }
  const { addKey } = await import('../serve/access/keys.ts');
  return addKey(file, name);
}

/** One line for the log. It holds no text of a request. */
function eventLine(event: ServeEvent): string {
  switch (event.type) {
    case 'listening':
      return `listening on ${event.url}`;
    case 'draining':
      return 'stopping: requests in flight may end, new ones are refused';
    case 'engine':
      return `engine ${event.state}${event.reason ? `: ${oneLine(event.reason)}` : ''}`;
    case 'model':
      return event.state === 'loaded'
        ? `model ${event.hash.slice(0, 12)} answers new requests, after ${event.previous?.slice(0, 12)}`
        : `the new model is refused, ${event.hash.slice(0, 12)} goes on: ${oneLine(event.reason ?? '')}`;
    case 'quantization': {
      const { tokens, bitsPerByte, quantizedBitsPerByte, klDivergence } = event;
      const bits = `${quantizedBitsPerByte.toFixed(4)} bits per byte (${bitsPerByte.toFixed(4)} without)`;
      const kl = `KL divergence ${klDivergence.toPrecision(2)} nats per token`;
      return `int8 weights: ${bits}, ${kl}, on ${tokens} tokens that the model wrote`;
    }
    case 'cancelled':
      return `a sequence is given up: its slot is free after ${event.tokens} tokens`;
    case 'feedback': {
      const reason = event.reason === undefined ? '' : `: ${oneLine(event.reason)}`;
      return `feedback ${event.state} ${event.records} records${reason}`;
    }
    case 'safety':
      return safetyLine(event);
    case 'request': {
      const { method, route, status, seconds, promptTokens, completionTokens, client, id, error } = event;
      const used = promptTokens > 0 ? ` ${promptTokens}+${completionTokens} tokens` : '';
      const who = client === undefined ? '' : ` key=${client}`;
      const why = error === undefined ? '' : ` ${oneLine(error)}`;
      return `${method} ${route} ${status} ${(seconds * 1000).toFixed(0)} ms${used}${who} ${id}${why}`;
    }
  }
}

function safetyLine(event: Extract<ServeEvent, { type: 'safety' }>): string {
  const { promptHarmful, responseRefused, responseHarmful, checks, answer, client, id } = event;
  const parts = [
    promptHarmful ? 'prompt harmful' : '',
    responseRefused ? 'response refused' : '',
    responseHarmful ? 'response harmful' : '',
  ].filter((part) => part !== '');
  const names = checks.map(({ name, on, value }) => `${name}(${on})=${value.toFixed(3)}`).join(' ');
  const who = client === null ? '' : ` key=${oneLine(client)}`;
  return `safety: ${parts.join(', ')} ${oneLine(names)}${who} ${answer?.id ?? id}`;
}

function oneLine(message: string): string {
  return JSON.stringify(message).slice(1, -1);
}
