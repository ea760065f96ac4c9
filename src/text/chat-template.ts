/**
 * Turns dialogues into tokens with the Jinja template that is stored with the model. A dialogue is
 * rendered and encoded as one text, in which the turns begin and end at known bytes. So a model is
 * trained on the same tokens that it is later prompted with.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { ControlTokens, type Guards, withoutGuards } from './control-tokens.ts';
import type { Limits } from './jinja/budget.ts';
import { BudgetError, RaisedError, TemplateError } from './jinja/errors.ts';
import { Template } from './jinja/template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn of a dialogue. */
export interface Message {
  /** system, user or assistant. A template may accept other roles. */
  role: string;
  content: string;
  /**
   * Other fields of the message for the template, such as `tool_calls` and `reasoning_content`. A
   * `content` in here, such as null, replaces the text.
   */
  fields?: JsonObject;
  /** False for a turn of the assistant that the model reads but does not learn. Default true. */
  train?: boolean;
}

/** Variables of a template besides the messages. Without them `tools` and `documents` are None. */
export interface TemplateInputs {
  tools?: JsonValue;
  documents?: JsonValue;
  /** Other variables that the template reads, such as `enable_thinking`. */
  variables?: JsonObject;
}

/** A dialogue as token ids, `[n]`, with the tokens to learn. */
export interface EncodedDialogue {
  tokens: Int32Array;
  /**
   * `[n]`: 1 for the tokens that the assistant must learn, 0 for all others. It learns the text of
   * each of its turns and the stop token after it.
   */
  supervised: Uint8Array;
}

/** How a dialogue is rendered. */
export interface RenderOptions {
  /** End with the text that comes before an answer of the assistant. Default false. */
  addGenerationPrompt?: boolean;
  inputs?: TemplateInputs | undefined;
}

export interface ChatTemplateOptions {
  /** The file that the template is from, for error messages. */
  file?: string | undefined;
  /** Limits of one rendering. Default: enough for thousands of messages. */
  limits?: Partial<Limits> | undefined;
}

/** Messages whose text cannot become control tokens. */
interface Guarded {
  messages: Message[];
  inputs: TemplateInputs;
  guards: Guards;
}

/** A Jinja template that turns messages into the tokens of one tokenizer. */
export class ChatTemplate {
  /**
   * Ids that end a turn of the assistant: the control token that the template writes after an
   * answer, and the end-of-text token.
   */
  readonly stopTokens: readonly number[];
  /**
   * The tokens that the template writes behind the text of a last answer, from its stop token to
   * the end; empty if it writes no stop token.
   */
  readonly ending: Int32Array;
  /**
   * Whether answers before the last one (`earlier`) and the last answer begin where
   * their prompt ends.
   */
  readonly #followsPrompt: { earlier: boolean; last: boolean };
  readonly #source: string;
  readonly #name: string;
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;

  /**
   * @param source the Jinja template; throws ERR_CONFIG when it is not valid or exceeds its limits
   */
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
    const { stops, ending, followsPrompt } = this.#probe();
    this.stopTokens = stops;
    this.ending = ending;
    this.#followsPrompt = followsPrompt;
  }

  /** The template of a tokenizer. Throws ERR_CONFIG when the tokenizer has none. */
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
   * Renders messages as text. Throws ERR_CONFIG with the reason when the template refuses them, and
   * when it exceeds its limits.
   * @param where begins the error message, such as the row of the data
   */
  render(messages: readonly Message[], options: RenderOptions = {}, where?: string): string {
    return this.#render(messages, options, '', where);
  }

  /** @param verbatim characters that repr() and tojson in the template do not escape */
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

  /** The tokens that the model reads before it answers. Throws as render does. */
  encodePrompt(messages: readonly Message[], where?: string, inputs?: TemplateInputs): Int32Array {
    const guarded = this.#guarded(messages, inputs);
    return this.#control.encode(this.#renderGuarded(guarded, true, where), guarded.guards);
  }

  /**
   * The tokens of a dialogue, and which of them the model learns. Throws as render does, and
   * ERR_CONFIG naming the turn when an answer does not begin where encodePrompt ends for the turns
   * before it, or when no control token ends it.
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
      // A token on both sides of the boundary belongs to the prompt.
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

  /** The byte at which the answer of a turn begins in the text. */
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
    // Names of fields are what a template looks for, so only those that spell control tokens
    // change.
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

  /**
   * Finds out what the template writes around answers, from the first of these dialogues
   * that it accepts.
   */
  #probe(): { stops: number[]; ending: Int32Array; followsPrompt: { earlier: boolean; last: boolean } } {
    // Two answers that occur in no template.
    const [first, second] = ['\ue100', '\ue101'].map((content) => ({ role: 'assistant', content }));
    const system = { role: 'system', content: 'x' };
    const user = { role: 'user', content: 'x' };
    const { specialTokens, eosId } = this.#tokenizer;
    const stops = new Set<number>();
    // If the template refuses all of them, nothing more is known. It gives its reason when
    // it is used.
    const followsPrompt = { earlier: true, last: true };
    let ending: Int32Array = new Int32Array(0);
    for (const messages of [
      [user, first!, user, second!],
      [system, user, first!, user, second!],
      [user, second!],
    ]) {
      const text = this.#renderedIfTaken(messages, false);
      if (text === undefined) continue;
      const guards = this.#control.guardsFor([text]);
      const written = [...this.#control.find(text, guards)];
      messages.forEach((message, i) => {
        if (message.role !== 'assistant') return;
        const place = text.indexOf(message.content);
        const before = this.#renderedIfTaken(messages.slice(0, i), true) ?? '';
        const end = place < 0 ? undefined : written.find(({ index }) => index > place);
        const stop = end?.[0];
        const between = written.some(({ 0: token, index }) => {
          return token === stop && index >= before.length && index < place;
        });
        followsPrompt[message === second ? 'last' : 'earlier'] = place >= before.length && !between;
        if (end === undefined) return;
        stops.add(specialTokens.get(end[0])!);
        if (message === second) ending = this.#control.encode(text.slice(end.index), guards);
      });
      break;
    }
    if (eosId !== undefined) stops.add(eosId);
    return { stops: [...stops], ending, followsPrompt };
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
      `the chat template writes no control token after the assistant's turn ${turn + 1}, so a model could not learn to stop`,
    ),
    'let the template end every answer with a special token of the tokenizer, such as eos_token',
  );
}

function at(where: string | undefined, message: string): string {
  return where === undefined ? message : `${where}: ${message}`;
}
