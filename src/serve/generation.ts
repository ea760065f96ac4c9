/** Runs what a chat or completion request asks for, and writes the answer. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../base/json.ts';
import type { ReadingLimit } from '../safety/reading-limit.ts';
import type { Rates } from './access/rates.ts';
import type { AnswerFormat, AnswerHead, Part, Usage } from './api/answers.ts';
import type { GenerationRequest } from './api/generation-request.ts';
import { whileClientWaits } from './client-limit.ts';
import { EventStream } from './event-stream.ts';
import { AnswerRecorder } from './feedback/recorder.ts';
import type { StoreHost } from './feedback/store-host.ts';
import type { EngineHost } from './host/engine-host.ts';
import type { RuleThread } from './host/rule-thread.ts';
import { ApiError, apiErrorOf, badValue, overloaded } from './protocol/api-error.ts';
import type { Job, JobOutput } from './protocol/messages.ts';
import type { RequestRecord } from './request-record.ts';
import { RequestScreen, type Safety } from './screening.ts';

// Many streams of a fast model send hundreds of packets per step, which takes more time than the
// step. With so many running, a stream sends its text at most every so often; nobody reads faster.
// The pause grows with the streams, so that all of them together send some 640 packets per second.
const MANY_STREAMS = 8;
const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 100;
const PAUSE_MS_PER_STREAM = 1.5625;

/** Milliseconds between two texts of a stream. */
export function pauseOf(running: number): number {
  if (running < MANY_STREAMS) return 0;
  return Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSE_MS_PER_STREAM * running));
}

/** What generation needs of the server. */
export interface GenerationContext {
  host: EngineHost;
  rates: Rates;
  /** Name of the served model. */
  modelName: string;
  slots: number;
  queue: number;
  /** Where answers are recorded; undefined: nowhere. */
  feedback: StoreHost | undefined;
  /** Checks the rules of answers. */
  rules: RuleThread;
  /** Undefined without a safety policy. */
  safety: Safety | undefined;
  /** Seconds of one reading by classifiers. */
  checkSeconds: number;
}

/** One request of HTTP. */
export interface Exchange {
  record: RequestRecord;
  response: ServerResponse;
  /** Headers of every answer. */
  headers: Readonly<Record<string, string>>;
}

/**
 * Answers a request. Returns the whole answer; undefined when it was streamed. Throws ApiError
 * before anything was sent.
 */
export function answer(
  context: GenerationContext,
  request: GenerationRequest,
  format: AnswerFormat,
  exchange: Exchange,
): Promise<JsonObject | undefined> {
  return whileClientWaits(exchange.response, context.checkSeconds, (limit) =>
    answerWithin(limit, context, request, format, exchange),
  );
}

async function answerWithin(
  limit: ReadingLimit,
  context: GenerationContext,
  request: GenerationRequest,
  format: AnswerFormat,
  exchange: Exchange,
): Promise<JsonObject | undefined> {
  const { host, rates, modelName } = context;
  const { record } = exchange;
  checkModel(request.model, modelName);
  checkBiases(request, host);
  // Before the engine has any work with it, and again, since others came meanwhile.
  checkRoom(context, request);
  await context.rules.check(request.checks, limit.signal);
  const prompts = await host.encode(request.prompts);
  // What only scores a prompt has no answer.
  const store = request.dropTokens ? undefined : context.feedback;
  const jobs = prompts.flatMap((prompt, i) =>
    jobsOf(request, { prompt, record: store !== undefined }, i, host),
  );
  const head: AnswerHead = {
    id: `${format.idPrefix}${randomBytes(12).toString('hex')}`,
    created: Math.floor(Date.now() / 1000),
    model: modelName,
    fingerprint: `fp_${host.model.hash.slice(0, 12)}`,
  };
  record.id = head.id;
  const screen = await screenOf(context, request, record, limit);
  checkRoom(context, request);
  const promptTokens = prompts.reduce((sum, { length }) => sum + length, 0);
  const most = jobs.reduce(
    (sum, { maxTokens }, i) => sum + (screen?.refuses(i) ? 0 : maxTokens),
    promptTokens,
  );
  const giveBack = rates.reserve(record.client, most);
  record.promptTokens = promptTokens;
  const recorder = store && recorderOf(store, request, jobs, record);
  const run = { host, request, jobs, exchange, head, format, recorder, screen };
  try {
    return await (request.stream ? streamed(run) : whole(run));
  } finally {
    recorder?.end();
    giveBack(most - promptTokens - record.completionTokens);
  }
}

/** After the request has its id. */
function recorderOf(
  store: StoreHost,
  { prompts, user, stream: isStreamed }: GenerationRequest,
  jobs: readonly Job[],
  { id, client }: RequestRecord,
): AnswerRecorder {
  const sender = { client: client ?? null, user: user ?? null };
  const request = { id, ...sender, jobs, prompts, isStreamed };
  return new AnswerRecorder(request, (answer) => store.recordAnswer(answer));
}

interface Run {
  host: EngineHost;
  request: GenerationRequest;
  jobs: readonly Job[];
  exchange: Exchange;
  head: AnswerHead;
  format: AnswerFormat;
  recorder: AnswerRecorder | undefined;
  screen: RequestScreen | undefined;
}

/** After the request has its id. */
function screenOf(
  { safety, host }: GenerationContext,
  { prompts, n, user }: GenerationRequest,
  { id, client }: RequestRecord,
  limit: ReadingLimit,
): Promise<RequestScreen> | undefined {
  const sender = { client: client ?? null, user: user ?? null };
  return safety && RequestScreen.of(safety, { id, ...sender, prompts, n }, host, limit);
}

/** Throws ApiError of status 404 for the name of another model. */
export function checkModel(model: string | undefined, name: string): void {
  if (model === undefined || model === name) return;
  const shown = JSON.stringify(model.slice(0, 100));
  throw new ApiError(404, 'model_not_found', `this server has no model ${shown}; it has ${name}`, {
    param: 'model',
  });
}

function checkRoom({ host, slots, queue }: GenerationContext, { prompts, n }: GenerationRequest): void {
  const jobs = prompts.length * n;
  const room = slots + queue;
  if (jobs > room) throw badValue('n', `the request asks for ${jobs} sequences; at most ${room} can wait`);
  if (host.waiting + host.running + jobs > room) throw overloaded();
}

/** The engine would refuse the ids after the headers of a stream are sent. */
function checkBiases({ job }: GenerationRequest, { model }: EngineHost): void {
  const stray = Object.keys(job.sampling.logitBias ?? {}).find((id) => Number(id) >= model.vocabSize);
  if (stray === undefined) return;
  throw badValue('logit_bias', `logit_bias has the id ${stray}; the model has ${model.vocabSize} tokens`);
}

/** The jobs of one prompt. */
function jobsOf(
  { prompts, n, maxTokens = Infinity, job }: GenerationRequest,
  { prompt, record }: Pick<Job, 'prompt' | 'record'>,
  index: number,
  { model }: EngineHost,
): Job[] {
  const param = prompts[index]!.kind === 'chat' ? 'messages' : 'prompt';
  if (prompt.length === 0) throw badValue(param, `${param} has no token`);
  const room = model.contextLength - prompt.length;
  if (room < 1) {
    const problem = `${param} has ${prompt.length} tokens, and the context of ${model.contextLength} leaves no room for an answer`;
    throw badValue(param, problem, 'context_length_exceeded');
  }
  return Array.from({ length: n }, (_, i) => ({
    ...job,
    ...{ prompt, record },
    maxTokens: Math.min(maxTokens, room),
    stream: index * n + i,
  }));
}

/**
 * Runs all jobs; resolves when they are done. Gives them up, and throws, when one fails, when the
 * client is gone, and when onPart returns false.
 * @param onPart takes what may be sent
 */
function runJobs(
  { host, request, jobs, exchange, recorder, screen }: Run,
  onPart: (index: number, part: Part) => boolean,
): Promise<void> {
  const { response, record } = exchange;
  return new Promise((resolve, reject) => {
    const ids: number[] = [];
    let open = jobs.length;
    let isOver = false;
    const settle = (error?: ApiError) => {
      if (isOver) return;
      isOver = true;
      response.off('close', onClose);
      if (!error) return resolve();
      for (const id of ids) host.cancel(id);
      reject(error);
    };
    const onClose = () => settle(new ApiError(499, 'client_gone', 'the client is gone'));
    if (response.closed || response.destroyed) return onClose();
    response.on('close', onClose);
    jobs.forEach((job, index) => {
      if (isOver) return;
      const fail = (error: Error) => settle(record.failure(error));
      const pass = (part: Part) => {
        if (isOver) return;
        if (part.finish === 'content_filter') recorder?.cut(index);
        if (!onPart(index, part)) {
          return settle(new ApiError(499, 'client_slow', 'the client reads too slowly'));
        }
        if (part.finish && --open === 0) settle();
      };
      if (screen?.refuses(index)) pass(screen.refusal);
      else ids.push(submit({ host, request, screen, recorder, record }, job, index, { pass, fail }));
    });
  });
}

type Submission = Pick<Run, 'host' | 'request' | 'screen' | 'recorder'> & Pick<Exchange, 'record'>;

/** Queues a job; returns its id. What it brings goes through the checks. */
function submit(
  { host, request, screen, recorder, record }: Submission,
  job: Job,
  index: number,
  { pass, fail }: { pass(part: Part): void; fail(error: Error): void },
): number {
  const checked = screen?.choice(index, { pass, fail, cut: () => host.cancel(id) });
  const id = host.submit(job, {
    onOutput: (output) => {
      record.onToken(index);
      recorder?.take(index, output);
      const part = partOf(output, request);
      if (checked) checked.push(part, output.promptText?.length ?? 0);
      else pass(part);
    },
    onError: fail,
  });
  return id;
}

/** What an output brings, without the token that max_tokens 0 did not ask for. */
function partOf(output: JobOutput, { dropTokens }: GenerationRequest): Part {
  const { promptText = '', promptReports = [], text, report, finish } = output;
  return {
    text: dropTokens ? promptText : promptText + text,
    reports: report && !dropTokens ? [...promptReports, report] : promptReports,
    finish: finish && dropTokens ? 'length' : finish,
  };
}

function extend(part: Part, { text, reports, finish, refusal }: Part): void {
  part.text += text;
  part.reports.push(...reports);
  part.finish = finish;
  if (refusal !== undefined) part.refusal = refusal;
}

function emptyPart(): Part {
  return { text: '', reports: [], finish: undefined };
}

function usageOf({ exchange: { record }, request }: Run): Usage {
  const { promptTokens, completionTokens } = record;
  return { promptTokens, completionTokens: request.dropTokens ? 0 : completionTokens };
}

async function whole(run: Run): Promise<JsonObject> {
  const { request, jobs, head, format } = run;
  const choices = jobs.map(emptyPart);
  await runJobs(run, (index, part) => {
    extend(choices[index]!, part);
    return true;
  });
  return format.whole(head, choices, request.job.topLogProbs !== undefined, usageOf(run));
}

async function streamed(run: Run): Promise<undefined> {
  const { host, request, jobs, exchange, head, format } = run;
  const events = new EventStream(exchange.response, exchange.headers);
  const { includeUsage } = request;
  const stream = format.stream(head, { choices: jobs.length, includeUsage });
  events.send(stream.open());
  const pending = jobs.map(() => ({ part: emptyPart(), sentAt: 0 }));
  try {
    await runJobs(run, (index, added) => {
      const choice = pending[index]!;
      extend(choice.part, added);
      const now = performance.now();
      if (!added.finish && now - choice.sentAt < pauseOf(host.running)) return true;
      const { part } = choice;
      pending[index] = { part: emptyPart(), sentAt: now };
      return events.send(stream.part(index, part));
    });
    events.end(stream.end(usageOf(run)));
  } catch (error) {
    const failure = apiErrorOf(error);
    exchange.record.error = failure;
    events.end(stream.fail(failure));
  }
}
