/**
 * Dialogues as tokens, by the Jinja template that is stored with the model. Boundaries of turns are places in the one
 * text that is encoded whole, so that a model is trained on the tokens that it is prompted with.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { ControlTokens, type Guards, withoutGuards } from './control-tokens.ts';
import type { Limits } from './jinja/budget.ts';
import { BudgetError, RaisedError, TemplateError } from './jinja/errors.ts';
import { Template } from './jinja/template.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Message {
  /** system, user or assistant; which others there are is the template's to say. */
  role: string;
  content: string;
  /**
   * What else the template reads of the message, such as `tool_calls` and `reasoning_content`. A
   * `content` in here, such as null, is what the template has instead of the text.
   */
  fields?: JsonObject;
  /** False for a turn of the assistant's that is read and not learned. Default true. */
  train?: boolean;
}

/** What a template has besides the messages; its variables of the same names are None without them. */
export interface TemplateInputs {
  tools?: JsonValue;
  documents?: JsonValue;
  /** Variables of the template's own, such as `enable_thinking`. */
  variables?: JsonObject;
}

export interface EncodedDialogue {
  tokens: Int32Array;
  /** 1 for the tokens that the assistant must learn: what it said in each of its turns, and that it then stopped. */
  supervised: Uint8Array;
}

export interface RenderOptions {
  /** End with what comes before an answer of the assistant's. Default false. */
  addGenerationPrompt?: boolean;
  inputs?: TemplateInputs | undefined;
}

export interface ChatTemplateOptions {
  /** The file that the template is from, for messages. */
  file?: string | undefined;
  /** What one rendering may use up. Default: enough for thousands of messages. */
  limits?: Partial<Limits> | undefined;
}

/** Messages that nobody can pass off as control tokens. */
interface Guarded {
  messages: Message[];
  inputs: TemplateInputs;
  guards: Guards;
}

export class ChatTemplate {
  /** Ids that end an assistant's turn: the control token that the template writes behind an answer, and end of text. */
  readonly stopTokens: readonly number[];
  /** Answers before the last one, and the last one, come where their prompt ends. */
  readonly #followsPrompt: { earlier: boolean; last: boolean };
  readonly #source: string;
  readonly #name: string;
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;

  /** Throws ERR_CONFIG when the source is no template, or when it asks for more than its limits. */
  constructor(source: string, tokenizer: Tokenizer, { file, limits = {} }: ChatTemplateOptions = {}) {
    this.#name = file === undefined ? 'the chat template' : `the chat template in ${file}`;
    try {
      this.#template = new Template(source, { limits });
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      if (error instanceof BudgetError) throw this.#tooMuch(error);
      throw new AthanorError(
        'ERR_CONFIG',
        `${this.#name} is not valid Jinja: ${located(error)}`,
        'correct it in chat_template.jinja or tokenizer_config.json',
        { cause: error },
      );
    }
    this.#source = source;
    this.#tokenizer = tokenizer;
    this.#control = new ControlTokens(tokenizer);
    const { stops, followsPrompt } = this.#probe();
    this.stopTokens = stops;
    this.#followsPrompt = followsPrompt;
  }

  /** The template that a tokenizer carries. Throws ERR_CONFIG when it has none. */
  static of(tokenizer: Tokenizer): ChatTemplate {
    if (tokenizer.chatTemplate === undefined) {
      throw new AthanorError(
        'ERR_CONFIG',
        'the model has no chat template',
        'fine-tune it with athanor sft, which gives it one, or add chat_template.jinja to its folder',
      );
    }
    return new ChatTemplate(tokenizer.chatTemplate, tokenizer, { file: tokenizer.chatTemplateFile });
  }

  /**
   * The text that the template makes of messages. Throws ERR_CONFIG with what the template said when
   * it raised, and when it asks for more than its limits; `where` is what the message begins with,
   * such as the row of the data.
   */
  render(messages: readonly Message[], options: RenderOptions = {}, where?: string): string {
    return this.#render(messages, options, '', where);
  }

  /** @param verbatim characters that stay what they are wherever a template spells a text */
  #render(
    messages: readonly Message[],
    { addGenerationPrompt = false, inputs = {} }: RenderOptions,
    verbatim: string,
    where?: string,
  ): string {
    const { eosId, bosId, padId } = this.#tokenizer;
    const spelled = (id: number | undefined) => (id === undefined ? undefined : this.#tokenizer.tokenOf(id)!);
    const variables = {
      eos_token: spelled(eosId),
      bos_token: spelled(bosId),
      pad_token: spelled(padId),
      ...inputs.variables,
      messages: messages.map(({ role, content, fields }) => ({ role, content, ...fields })),
      tools: inputs.tools ?? null,
      documents: inputs.documents ?? null,
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return this.#template.render(variables, { verbatim });
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      if (error instanceof BudgetError) throw this.#tooMuch(error, where);
      throw new AthanorError(
        'ERR_CONFIG',
        at(where, `the chat template refused the messages: ${located(error)}`),
        'the roles and their order must be those that the template was written for',
        { cause: error },
      );
    }
  }

  #tooMuch(error: BudgetError, where?: string): AthanorError {
    return new AthanorError(
      'ERR_CONFIG',
      at(where, `${this.#name} asks for too much: ${located(error)}`),
      'correct the template, or use a model whose template does not',
      { cause: error },
    );
  }

  /** What the model reads before it answers. Throws as render. */
  encodePrompt(messages: readonly Message[], where?: string, inputs?: TemplateInputs): Int32Array {
    const guarded = this.#guarded(messages, inputs);
    return this.#control.encode(this.#renderGuarded(guarded, true, where), guarded.guards);
  }

  /**
   * A dialogue to learn from. Throws as render, and ERR_CONFIG naming the turn when an answer does not follow what
   * encodePrompt gives for the turns before it, or when no control token ends it.
   */
  encodeDialogue(messages: readonly Message[], where?: string, inputs?: TemplateInputs): EncodedDialogue {
    const guarded = this.#guarded(messages, inputs);
    const text = this.#renderGuarded(guarded, false, where);
    const tokens = this.#control.encode(text, guarded.guards);
    const supervised = new Uint8Array(tokens.length);
    let index = 0;
    let bytes = 0;
    guarded.messages.forEach(({ role, train }, turn) => {
      if (role !== 'assistant') return;
      const start = this.#startOf(turn, guarded, text, where);
      if (bytes > start) throw endless(turn, where);
      // A token that lies on both sides of the boundary is the prompt's.
      while (bytes < start) bytes += this.#tokenizer.byteLength(tokens[index++]!);
      let stopped = false;
      while (!stopped) {
        if (index === tokens.length) throw endless(turn, where);
        const id = tokens[index]!;
        stopped = this.stopTokens.includes(id);
        bytes += this.#tokenizer.byteLength(id);
        supervised[index++] = train === false ? 0 : 1;
      }
    });
    return { tokens, supervised };
  }

  /** The byte of the text at which an answer begins. */
  #startOf(turn: number, guarded: Guarded, text: string, where?: string): number {
    const { messages, guards } = guarded;
    const before = this.#renderGuarded({ ...guarded, messages: messages.slice(0, turn) }, true, where);
    const { earlier, last } = this.#followsPrompt;
    const isLast = !messages.some(({ role }, i) => i > turn && role === 'assistant');
    if (text.startsWith(before) && (isLast ? last : earlier)) {
      return Buffer.byteLength(withoutGuards(before, guards));
    }
    throw new AthanorError(
      'ERR_CONFIG',
      at(
        where,
        `the chat template is not prefix-preserving: turn ${turn + 1} does not follow the prompt that the template gives for it`,
      ),
      'use a template whose text for the first turns does not depend on later ones',
    );
  }

  #renderGuarded(
    { messages, inputs, guards }: Guarded,
    addGenerationPrompt: boolean,
    where?: string,
  ): string {
    const verbatim = guards.inside + guards.edge;
    return this.#render(messages, { addGenerationPrompt, inputs }, verbatim, where);
  }

  #guarded(messages: readonly Message[], inputs: TemplateInputs = {}): Guarded {
    const texts = [this.#source];
    for (const { role, content, fields } of messages) {
      texts.push(role, content);
      if (fields !== undefined) collectTexts(fields, texts);
    }
    for (const input of Object.values(inputs)) collectTexts(input, texts);
    const guards = this.#control.guardsFor(texts);
    const guard = (text: string) => this.#control.guard(text, guards);
    // Names of fields are what a template looks for, so only those that spell control tokens change.
    const guardName = (name: string) => (this.#control.isSpelledIn(name) ? guard(name) : name);
    const guardObject = (object: JsonObject) => mapTexts(object, guard, guardName) as JsonObject;
    return {
      messages: messages.map(({ role, content, fields, train }) => ({
        role: guard(role),
        content: guard(content),
        ...(fields && { fields: guardObject(fields) }),
        ...(train !== undefined && { train }),
      })),
      inputs: guardObject({ ...inputs }) as TemplateInputs,
      guards,
    };
  }

  /** What the template writes around answers, found in the first dialogue that it takes. */
  #probe(): { stops: number[]; followsPrompt: { earlier: boolean; last: boolean } } {
    // Answers that no template contains.
    const [first, second] = ['\ue100', '\ue101'].map((content) => ({ role: 'assistant', content }));
    const system = { role: 'system', content: 'x' };
    const user = { role: 'user', content: 'x' };
    const { specialTokens, eosId } = this.#tokenizer;
    const stops = new Set<number>();
    // Of a template that takes none of them no more is known: it tells why when it is used.
    const followsPrompt = { earlier: true, last: true };
    for (const messages of [
      [user, first!, user, second!],
      [system, user, first!, user, second!],
      [user, second!],
    ]) {
      const text = this.#renderedIfTaken(messages, false);
      if (text === undefined) continue;
      const written = [...this.#control.find(text, this.#control.guardsFor([text]))];
      messages.forEach((message, i) => {
        if (message.role !== 'assistant') return;
        const place = text.indexOf(message.content);
        const before = this.#renderedIfTaken(messages.slice(0, i), true) ?? '';
        const stop = place < 0 ? undefined : written.find(({ index }) => index > place)?.[0];
        const between = written.some(({ 0: token, index }) => {
          return token === stop && index >= before.length && index < place;
        });
        followsPrompt[message === second ? 'last' : 'earlier'] = place >= before.length && !between;
        if (stop !== undefined) stops.add(specialTokens.get(stop)!);
      });
      break;
    }
    if (eosId !== undefined) stops.add(eosId);
    return { stops: [...stops], followsPrompt };
  }

  #renderedIfTaken(messages: readonly Message[], addGenerationPrompt: boolean): string | undefined {
    try {
      return this.render(messages, { addGenerationPrompt });
    } catch (error) {
      // Every template is tried when it is opened: one that would hang is refused then.
      if (!(error instanceof AthanorError) || error.cause instanceof BudgetError) throw error;
      return undefined;
    }
  }
}

/** What a template said itself stands alone. */
function located(error: TemplateError): string {
  const isPlace = error.line !== undefined && !(error instanceof RaisedError);
  return isPlace ? `${error.message} (line ${error.line})` : error.message;
}

function collectTexts(value: JsonValue, texts: string[]): void {
  if (typeof value === 'string') texts.push(value);
  else if (Array.isArray(value)) for (const item of value) collectTexts(item, texts);
  else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      texts.push(name);
      collectTexts(item, texts);
    }
  }
}

function mapTexts(
  value: JsonValue,
  text: (text: string) => string,
  name: (name: string) => string,
): JsonValue {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, text, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [name(key), mapTexts(item, text, name)]),
  );
}

function endless(turn: number, where?: string): AthanorError {
  return new AthanorError(
    'ERR_CONFIG',
    at(
      where,
      `the chat template writes no control token behind the assistant's turn ${turn + 1}, so a model could not learn to stop`,
    ),
    'let the template end every answer with a special token of the tokenizer, such as eos_token',
  );
}

function at(where: string | undefined, message: string): string {
  return where === undefined ? message : `${where}: ${message}`;
}
