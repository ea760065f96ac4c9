/** The checks of a safety policy on a request: on its prompts, and on each choice of its answer. */
import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../base/json.ts';
import type { SafetyEvent, Sender } from '../feedback/records.ts';
import {
  isRefusal,
  type SafetyChecks,
  type SafetyFinding,
  type SafetyVerdict,
  textOfJson,
} from '../safety/checks.ts';
import type { ReadingLimit } from '../safety/reading-limit.ts';
import type { ResponseCheck } from '../safety/response-check.ts';
import type { Message } from '../text/chat-template.ts';
import type { Part } from './api/answers.ts';
import type { EngineHost } from './host/engine-host.ts';
import type { NamedReport, PromptInput } from './protocol/messages.ts';

/** The policy of a server. */
export interface Safety {
  checks: SafetyChecks;
  /** Hears of all that was found. */
  onEvent(event: SafetyEvent): void;
}

/** Who asks, and what is asked. */
export interface ScreenedRequest extends Sender {
  /** The id that the answer will carry. */
  id: string;
  prompts: readonly PromptInput[];
  /** Choices per prompt. */
  n: number;
}

interface ScreenedPrompt {
  messages: readonly Message[];
  verdict: SafetyVerdict;
}

/** What a choice does when it is checked. */
export interface ScreenListener {
  /** Parts that may be sent. */
  pass(part: Part): void;
  /** The answer may not go on: its job is to be given up. */
  cut(): void;
  fail(error: Error): void;
}

export class RequestScreen {
  readonly #safety: Safety;
  readonly #request: ScreenedRequest;
  readonly #modelHash: string;
  readonly #prompts: readonly ScreenedPrompt[];
  readonly #limit: ReadingLimit;

  private constructor(
    safety: Safety,
    request: ScreenedRequest,
    modelHash: string,
    prompts: readonly ScreenedPrompt[],
    limit: ReadingLimit,
  ) {
    this.#limit = limit;
    this.#safety = safety;
    this.#request = request;
    this.#modelHash = modelHash;
    this.#prompts = prompts;
  }

  /**
   * Checks the prompts. Throws AthanorError when a classifier gives no answer, and what the limit
   * says.
   */
  static async of(
    safety: Safety,
    request: ScreenedRequest,
    host: EngineHost,
    limit: ReadingLimit,
  ): Promise<RequestScreen> {
    const conversations: (readonly Message[])[] = [];
    // One after another: the engine thread has a limit of questions that wait.
    for (const prompt of request.prompts) conversations.push(await messagesOf(prompt, host));
    const prompts = await Promise.all(
      conversations.map(async (messages, i) => {
        const others = othersOf(request.prompts[i]!);
        return { messages, verdict: await safety.checks.checkPrompt(messages, { others, limit }) };
      }),
    );
    const screen = new RequestScreen(safety, request, host.model.hash, prompts, limit);
    for (const { messages, verdict } of prompts) if (verdict.refused) screen.#reportPrompt(messages, verdict);
    return screen;
  }

  /** Whether the prompt of a choice is refused. */
  refuses(choice: number): boolean {
    return this.#promptOf(choice).verdict.refused;
  }

  /** What is answered in place of a choice, or of its rest. */
  get refusal(): Part {
    return refusalPart(this.#safety.checks.policy.refusal);
  }

  /** Takes what the model writes for a choice. */
  choice(choice: number, listener: ScreenListener): ChoiceScreen {
    const { messages, verdict } = this.#promptOf(choice);
    const check = this.#safety.checks.response(messages, this.#limit);
    return new ChoiceScreen(check, {
      ...listener,
      refusal: this.refusal,
      end: () => this.#reportAnswer(choice, verdict, check),
    });
  }

  #promptOf(choice: number): ScreenedPrompt {
    return this.#prompts[Math.floor(choice / this.#request.n)]!;
  }

  #reportPrompt(messages: readonly Message[], verdict: SafetyVerdict): void {
    this.#report({
      answer: null,
      promptHarmful: verdict.harmful,
      responseRefused: true,
      responseHarmful: null,
      checks: verdict.findings.map(checkOf),
      messages: messages.map(messageJson),
    });
  }

  #reportAnswer(choice: number, prompt: SafetyVerdict, check: ResponseCheck): void {
    const response = check.verdict();
    const says = response.findings.some(isRefusal);
    const responseRefused = check.isCut || says || (this.#safety.checks.policy.findsRefusals ? false : null);
    if (!prompt.harmful && !response.harmful && !responseRefused) return;
    this.#report({
      answer: { id: this.#request.id, choice },
      promptHarmful: prompt.harmful,
      responseRefused,
      responseHarmful: response.harmful,
      checks: [...prompt.findings, ...response.findings].map(checkOf),
      messages: null,
    });
  }

  #report(found: Omit<SafetyEvent, 'id' | 'createdAt' | 'client' | 'user' | 'modelHash'>): void {
    this.#safety.onEvent({
      id: `safety-${randomUUID()}`,
      createdAt: Date.now(),
      client: this.#request.client,
      user: this.#request.user,
      modelHash: this.#modelHash,
      ...found,
    });
  }
}

interface ChoiceListener extends ScreenListener {
  refusal: Part;
  /** Everything is decided. */
  end(): void;
}

/** One choice: keeps text and reports until they are checked. */
export class ChoiceScreen {
  readonly #check: ResponseCheck;
  readonly #listener: ChoiceListener;
  #text = '';
  /** UTF-16 units of the text that are the echoed prompt, which is no answer. */
  #echoed = 0;
  #sentUnits = 0;
  #sentPoints = 0;
  #reports: NamedReport[] = [];
  #finish: Part['finish'];
  #isOver = false;

  constructor(check: ResponseCheck, listener: ChoiceListener) {
    this.#check = check;
    this.#listener = listener;
    check.onProgress = (error) => (error ? this.#fail(error) : this.#release());
  }

  /** @param echoed UTF-16 units at the beginning of the part that are the prompt */
  push({ text, reports, finish }: Part, echoed: number): void {
    if (this.#isOver) return;
    this.#text += text;
    this.#echoed += echoed;
    this.#reports.push(...reports);
    this.#finish = finish;
    this.#check.push(text.slice(echoed));
    if (finish) this.#check.end();
    this.#release();
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.fail(error);
  }

  #release(): void {
    if (this.#isOver) return;
    const { isCut, isDone, released } = this.#check;
    if (isCut) {
      this.#isOver = true;
      this.#listener.end();
      this.#listener.cut();
      this.#listener.pass(this.#listener.refusal);
      return;
    }
    const finish = isDone ? this.#finish : undefined;
    const end = this.#echoed + released;
    const text = this.#text.slice(this.#sentUnits, end);
    this.#sentUnits = Math.max(this.#sentUnits, end);
    this.#sentPoints += [...text].length;
    const reports = this.#takeReports(finish !== undefined);
    this.#isOver = finish !== undefined;
    if (this.#isOver) this.#listener.end();
    if (text !== '' || reports.length > 0 || finish) this.#listener.pass({ text, reports, finish });
  }

  /**
   * Reports spell their tokens: one is free, with its alternatives, when all of its text is. A
   * token ends where the next one begins. One that only begins a character ends with it.
   */
  #takeReports(isLast: boolean): NamedReport[] {
    if (isLast) return this.#reports.splice(0);
    const all = this.#reports;
    const last = all.findLastIndex(({ offset }) => offset <= this.#sentPoints);
    // The text of all tokens that begin before this place has been sent.
    const end = last < 0 ? 0 : all.findIndex(({ offset }) => offset === all[last]!.offset);
    return all.splice(0, end);
  }
}

function refusalPart(refusal: string): Part {
  return { text: '', reports: [], finish: 'content_filter', refusal };
}

function checkOf(finding: SafetyFinding): SafetyEvent['checks'][number] {
  const { category, kind, on, value, threshold } = finding;
  const name = isRefusal(finding) ? kind : `${category}/${kind}`;
  return { name, on, value, threshold };
}

/** A prompt as messages; token ids as their text. */
async function messagesOf(prompt: PromptInput, host: EngineHost): Promise<readonly Message[]> {
  if (prompt.kind === 'chat') return prompt.messages;
  const content = prompt.kind === 'tokens' ? await host.decode(prompt.tokens) : prompt.text;
  return [{ role: 'user', content }];
}

/** What the template may show besides the messages: functions, and variables of the request. */
function othersOf(prompt: PromptInput): string[] {
  if (prompt.kind !== 'chat') return [];
  const { tools, variables } = prompt;
  const functions = Array.isArray(tools) ? tools.map(textOfJson) : [];
  return Object.keys(variables).length > 0 ? [...functions, textOfJson(variables)] : functions;
}

function messageJson({ role, content, fields }: Message): JsonObject {
  return { role, content, ...fields };
}
