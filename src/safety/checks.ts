/** The checks of a policy: on prompts, on answers while they are written, and on single texts. */
import type { JsonValue } from '../base/json.ts';
import { readClassifierInfo } from '../scoring/classifier.ts';
import type { Message } from '../text/chat-template.ts';
import type { ClassifierQuestion, ClassifierThreadSettings } from './classifier-messages.ts';
import { type ClassifierSource, ClassifierThread } from './classifier-thread.ts';
import type { PolicyCategory, PolicyClassifier, SafetyPolicy, Side } from './policy.ts';
import { type ReadingLimit, withinLimit } from './reading-limit.ts';
import { ResponseCheck } from './response-check.ts';
import { scanTexts } from './text-scan.ts';

/** In the place of a category: what says that an answer is a refusal. */
const REFUSALS = 'refusals';

/** What a check found. */
export interface SafetyFinding {
  /** Name of the category; `refusals` for what says that an answer is one. */
  category: string;
  kind: 'words' | 'patterns' | 'classifier' | 'refusal_phrases' | 'refusal_classifier';
  on: Side;
  /** A probability, or 1 for what is on a list. */
  value: number;
  /** The value from which it counts. */
  threshold: number;
}

/** The outcome of the checks on one side. */
export interface SafetyVerdict {
  /** Null when the policy does not look at this side. */
  harmful: boolean | null;
  /** Whether a finding is of a category that refuses. */
  refused: boolean;
  findings: SafetyFinding[];
}

/** What every category says of one text. */
export interface ModerationScores {
  flagged: boolean;
  categories: Record<string, boolean>;
  scores: Record<string, number>;
}

export interface PromptCheckOptions {
  /** Texts that the model reads besides the messages, such as the functions that it may call. */
  others?: readonly string[];
  limit?: ReadingLimit | undefined;
}

/** A classifier that runs for a category. */
export interface RunningClassifier {
  category: number;
  threshold: number;
  reads: 'text' | 'messages';
}

export class SafetyChecks {
  readonly policy: SafetyPolicy;
  /** In the order of the source's folders. */
  readonly classifiers: readonly RunningClassifier[];
  /** Says whether an answer is a refusal. It is the last of the source's folders. */
  readonly #refusals: Omit<RunningClassifier, 'category'> | undefined;
  readonly #source: ClassifierSource | undefined;

  /** @param source of the probabilities; tests give their own */
  constructor(policy: SafetyPolicy, source?: ClassifierSource) {
    this.policy = policy;
    this.classifiers = policy.categories.flatMap(({ classifier }, category) =>
      classifier ? [{ category, ...running(classifier) }] : [],
    );
    this.#refusals = policy.refusalClassifier && running(policy.refusalClassifier);
    this.#source = source;
  }

  /**
   * Starts the classifiers of a policy. Throws as ClassifierThread.start.
   * @param engine where they run
   */
  static async start(
    policy: SafetyPolicy,
    engine: Omit<ClassifierThreadSettings, 'folders'>,
  ): Promise<SafetyChecks> {
    const all = [...policy.categories.map(({ classifier }) => classifier), policy.refusalClassifier];
    const folders = all.flatMap((classifier) => (classifier ? [classifier.model] : []));
    if (folders.length === 0) return new SafetyChecks(policy);
    return new SafetyChecks(policy, await ClassifierThread.start({ ...engine, folders }));
  }

  /** Ends the thread of the classifiers. */
  async close(): Promise<void> {
    await this.#source?.close();
  }

  /**
   * Checks what a user sent: each message, each other text, and all of them as one text. Throws
   * AthanorError when a classifier gives no answer, and what its limit says.
   */
  async checkPrompt(
    messages: readonly Message[],
    { others = [], limit }: PromptCheckOptions = {},
  ): Promise<SafetyVerdict> {
    if (!this.policy.checks('prompt')) return { harmful: null, refused: false, findings: [] };
    const texts = [...messages.map(textOf), ...others];
    const whole = texts.length > 1 ? [texts.join('\n\n')] : [];
    const isOwn = ({ role }: Message) => role === 'user' || role === 'tool';
    const own = texts.length > 1 ? [...messages.filter(isOwn).map(textOf), ...others] : texts;
    return withinLimit(limit, async (signal) => {
      const findings = this.findingsOf(await scanTexts(this.policy, [...texts, ...whole], signal), 'prompt');
      const dialogues = [messages, ...others.map((content) => [{ role: 'user', content }])];
      findings.push(...(await this.#classified([...own, ...whole], dialogues, 'prompt', signal)));
      return this.verdict('prompt', findings);
    });
  }

  /**
   * Checks an answer while it is written.
   * @param messages what it answers
   */
  response(messages: readonly Message[], limit?: ReadingLimit): ResponseCheck {
    return new ResponseCheck(this, messages, limit);
  }

  /** What all categories say of texts, whatever side they are for. Throws as checkPrompt. */
  async moderate(texts: readonly string[], limit?: ReadingLimit): Promise<ModerationScores[]> {
    const { categories } = this.policy;
    const questions = texts.flatMap((text) =>
      this.classifiers.map((_, classifier) => ({ classifier, input: { text } })),
    );
    const listed: Set<number>[] = [];
    const probabilities = await withinLimit(limit, async (signal) => {
      for (const text of texts) listed.push(await scanTexts(this.policy, [text], signal));
      return this.#score(questions, signal);
    });
    return texts.map((_, t) => {
      const scores = new Float64Array(categories.length);
      const hits = new Set<number>();
      for (const entry of listed[t]!) {
        const { category } = this.policy.entries[entry]!;
        if (category < 0) continue;
        scores[category] = 1;
        hits.add(category);
      }
      this.classifiers.forEach(({ category, threshold }, c) => {
        const probability = probabilities[t * this.classifiers.length + c]!;
        scores[category] = Math.max(scores[category]!, probability);
        if (probability >= threshold) hits.add(category);
      });
      const named = <T>(value: (index: number) => T) =>
        Object.fromEntries(categories.map(({ name }, index) => [name, value(index)]));
      return {
        flagged: hits.size > 0,
        categories: named((index) => hits.has(index)),
        scores: named((index) => scores[index]!),
      };
    });
  }

  /**
   * What classifiers find in an answer. Throws as checkPrompt.
   * @param isWhole whether to ask too whether the answer is a refusal
   */
  async classifyResponse(
    messages: readonly Message[],
    text: string,
    isWhole: boolean,
    limit?: ReadingLimit,
  ): Promise<SafetyFinding[]> {
    const dialogue = [...messages, { role: 'assistant', content: text }];
    return withinLimit(limit, async (signal) => {
      const [found, refusal] = await Promise.all([
        this.#classified([text], [dialogue], 'response', signal),
        isWhole ? this.#refusalIn(text, dialogue, signal) : [],
      ]);
      return [...found, ...refusal];
    });
  }

  async #refusalIn(
    text: string,
    dialogue: readonly Message[],
    signal: AbortSignal | undefined,
  ): Promise<SafetyFinding[]> {
    if (!this.#refusals) return [];
    const { threshold, reads } = this.#refusals;
    const input = reads === 'text' ? { text } : { messages: dialogue };
    const [value] = await this.#score([{ classifier: this.classifiers.length, input }], signal);
    if (value! < threshold) return [];
    return [{ category: REFUSALS, kind: 'refusal_classifier', on: 'response', value: value!, threshold }];
  }

  /** Whether a classifier looks for refusals. */
  get classifiesRefusals(): boolean {
    return this.#refusals !== undefined;
  }

  /** Whether classifiers look at a side. */
  hasClassifier(side: Side): boolean {
    return this.classifiers.some(({ category }) => this.policy.categories[category]!.on.includes(side));
  }

  /** Whether a classifier can end an answer. */
  get refusesByClassifier(): boolean {
    const owners = this.classifiers.map(({ category }) => this.policy.categories[category]!);
    return owners.some((owner) => isRefusing(owner) && owner.on.includes('response'));
  }

  /** What the lists found; without `refusal_phrases` where they are not of this side. */
  findingsOf(entries: Iterable<number>, on: Side): SafetyFinding[] {
    const found = new Map<string, SafetyFinding>();
    for (const entry of entries) {
      const { category, kind } = this.policy.entries[entry]!;
      const owner = this.policy.categories[category];
      if (owner ? !owner.on.includes(on) : on === 'prompt') continue;
      const name = owner?.name ?? REFUSALS;
      found.set(`${kind} ${name}`, { category: name, kind, on, value: 1, threshold: 1 });
    }
    return [...found.values()];
  }

  verdict(on: Side, findings: readonly SafetyFinding[]): SafetyVerdict {
    const harms = findings.filter((finding) => !isRefusal(finding));
    const refusing = new Set(this.policy.categories.filter(isRefusing).map(({ name }) => name));
    return {
      harmful: this.policy.checks(on) ? harms.length > 0 : null,
      refused: harms.some(({ category }) => refusing.has(category)),
      findings: [...findings],
    };
  }

  /** Classifiers of texts read each text, the others each dialogue. The highest counts. */
  async #classified(
    texts: readonly string[],
    dialogues: readonly (readonly Message[])[],
    on: Side,
    signal: AbortSignal | undefined,
  ): Promise<SafetyFinding[]> {
    const questions: ClassifierQuestion[] = [];
    const grows = on === 'response';
    this.classifiers.forEach(({ category, reads }, classifier) => {
      if (!this.policy.categories[category]!.on.includes(on)) return;
      if (reads === 'messages') {
        questions.push(...dialogues.map((messages) => ({ classifier, input: { messages }, grows })));
      } else questions.push(...texts.map((text) => ({ classifier, input: { text }, grows })));
    });
    const probabilities = await this.#score(questions, signal);
    const highest = new Map<number, number>();
    questions.forEach(({ classifier }, i) => {
      highest.set(classifier, Math.max(highest.get(classifier) ?? 0, probabilities[i]!));
    });
    return [...highest].flatMap(([index, value]) => {
      const { category, threshold } = this.classifiers[index]!;
      const { name } = this.policy.categories[category]!;
      return value >= threshold
        ? [{ category: name, kind: 'classifier' as const, on, value, threshold }]
        : [];
    });
  }

  async #score(questions: readonly ClassifierQuestion[], signal: AbortSignal | undefined): Promise<number[]> {
    return questions.length === 0 ? [] : this.#source!.score(questions, signal);
  }
}

function isRefusing({ action }: PolicyCategory): boolean {
  return action === 'refuse';
}

/** Whether a finding says that an answer is a refusal, and not that it is harmful. */
export function isRefusal({ kind }: SafetyFinding): boolean {
  return kind === 'refusal_phrases' || kind === 'refusal_classifier';
}

/** All that a message says: calls of functions are in its fields. */
function textOf({ content, fields }: Message): string {
  return fields === undefined ? content : `${content}\n\n${textOfJson(fields)}`;
}

/**
 * The text of a value as a template may show it: as JSON, and each of its texts by itself, since
 * JSON writes a line break or a quote in another way.
 */
export function textOfJson(value: JsonValue): string {
  return [JSON.stringify(value), ...stringsIn(value)].join('\n\n');
}

function stringsIn(value: JsonValue): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    Array.isArray(value) ? stringsIn(one) : [key, ...stringsIn(one)],
  );
}

/** Throws as readClassifierInfo. */
function running({ model, threshold }: PolicyClassifier): Omit<RunningClassifier, 'category'> {
  const info = readClassifierInfo(model);
  return { threshold: threshold ?? info.threshold, reads: info.reads };
}
