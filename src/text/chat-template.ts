/**
 * Turns dialogues into tokens with the Jinja template that is stored with the model. A dialogue is
 * rendered and encoded as one text, in which the turns begin and end at known bytes. So a model is
 * trained on the same tokens that it is later prompted with.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';
import { answerEnd, type Control, openedAt, spanOf } from './answer-spans.ts';
import { ControlTokens } from './control-tokens.ts';
import { openEnd, tagged } from './final-message.ts';
import type { Limits } from './jinja/budget.ts';
import { BudgetError, located, TemplateError } from './jinja/errors.ts';
import type { Span } from './jinja/run.ts';
import { type Rendering, Template } from './jinja/template.ts';
import { at, elsewhere, endless, RefusedMessages } from './refused-messages.ts';
import type { Tokenizer } from './tokenizer.ts';
import { wellFormed, withTexts } from './well-formed.ts';

/** One turn of a dialogue. */
export interface Message {
  /**
   * system, user or assistant. A template may accept other roles. `developer` stands for `system`
   * where the template does not write it.
   */
  role: string;
  content: string;
  /**
   * Other fields of the message for the template, such as `tool_calls` and `reasoning_content`. A
   * `content` in here replaces the text: null, or a list of parts `{ type: 'text', text }` for a
   * template that goes through them. Other templates get the text.
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
  /**
   * The turns, counted from 0, whose answers do not begin where the prompt for them ends: the
   * template rewrites what came before, or the answer. Not looked for where `{% generation %}`
   * blocks say what is learned.
   */
  rewritten: readonly number[];
}

/** An answer behind its prompt as token ids. */
export interface EncodedAnswer extends EncodedDialogue {
  /** Number of tokens of the prompt. */
  promptLength: number;
}

/** How a dialogue is rendered. */
export interface RenderOptions {
  /** End with the text that comes before an answer of the assistant. Default false. */
  addGenerationPrompt?: boolean;
  /**
   * End with the words of the last message, so that the model goes on with them; a name is that of
   * another field than `content`. Not together with addGenerationPrompt. Default false.
   */
  continueFinalMessage?: boolean | string;
  inputs?: TemplateInputs | undefined;
}

type Ending = Pick<RenderOptions, 'addGenerationPrompt' | 'continueFinalMessage'>;

export interface ChatTemplateOptions {
  /** Another template for rows with `tools`. transformers names it `tool_use`. */
  toolTemplate?: string | undefined;
  /** The file that the template is from, for error messages. */
  file?: string | undefined;
  /** Limits of one rendering. Default: enough for thousands of messages. */
  limits?: Partial<Limits> | undefined;
}

/** What a template is given, as UTF-8 has it. */
interface Given {
  messages: Message[];
  inputs: TemplateInputs;
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
  readonly #name: string;
  readonly #template: Template;
  readonly #toolTemplate: Template | undefined;
  /** Whether the template goes through content in parts. */
  #takesParts = true;
  /** What the template calls the developer. */
  #developer = 'developer';
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;
  #lengths: Uint32Array | undefined;
  /** Tokens that templates know by name, marked as all that the template writes itself. */
  readonly #namedTokens: Readonly<Record<string, string>>;

  /**
   * @param source the Jinja template; throws ERR_CONFIG when it is not valid or exceeds its limits
   */
  constructor(source: string, tokenizer: Tokenizer, options: ChatTemplateOptions = {}) {
    const { file, toolTemplate, limits = {} } = options;
    this.#tokenizer = tokenizer;
    this.#control = new ControlTokens(tokenizer);
    const tokens = Object.entries(tokenizer.namedTokens);
    this.#namedTokens = Object.fromEntries(tokens.map(([name, token]) => [name, this.#control.mark(token)]));
    this.#name = file === undefined ? 'the chat template' : `the chat template in ${file}`;
    this.#template = this.#parsed(source, limits);
    if (toolTemplate !== undefined) this.#toolTemplate = this.#parsed(toolTemplate, limits);
    this.#probeMessages();
    const { stops, ending, followsPrompt } = this.#probe();
    this.stopTokens = stops;
    this.ending = ending;
    this.#followsPrompt = followsPrompt;
  }

  #parsed(source: string, limits: Partial<Limits>): Template {
    try {
      return new Template(source, { limits, marks: this.#control });
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
  }

  /** The template of a tokenizer. Throws ERR_CONFIG when the tokenizer has none. */
  static of(tokenizer: Tokenizer): ChatTemplate {
    const { otherTemplates } = tokenizer;
    if (otherTemplates.length > 0) {
      throw new AthanorError(
        'ERR_CONFIG',
        `the model has the chat templates ${otherTemplates.join(', ')}, and none of them is named default`,
        'rename one to default in tokenizer_config.json, or write the one to use into chat_template.jinja',
      );
    }
    if (tokenizer.chatTemplate === undefined) {
      throw new AthanorError(
        'ERR_CONFIG',
        'the model has no chat template',
        'fine-tune it with athanor sft, which gives it one, or add chat_template.jinja to its folder',
      );
    }
    return new ChatTemplate(tokenizer.chatTemplate, tokenizer, {
      file: tokenizer.chatTemplateFile,
      toolTemplate: tokenizer.toolTemplate,
    });
  }

  /**
   * Renders messages as text. Throws ERR_CONFIG with the reason when the template refuses them, and
   * when it exceeds its limits. The last message cannot be gone on with where the template does not
   * write it as it is: ERR_CONFIG as well.
   * @param where begins the error message, such as the row of the data
   */
  render(messages: readonly Message[], options: RenderOptions = {}, where?: string): string {
    return this.#control.plain(this.#render(given(messages, options.inputs), options, where));
  }

  /** The text with marks on all that the template wrote itself. */
  #render(
    given: Given,
    { addGenerationPrompt = false, continueFinalMessage = false }: Ending,
    where?: string,
  ): string {
    if (continueFinalMessage === false) return this.#rendered(given, { addGenerationPrompt }, where).text;
    if (addGenerationPrompt) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        '`addGenerationPrompt` and `continueFinalMessage` cannot both be given',
        'the one begins an answer, the other goes on with one',
      );
    }
    const field = continueFinalMessage === true ? 'content' : continueFinalMessage;
    const variables = given.messages.map((message) => this.#variable(message));
    const { messages, said } = tagged(variables, field, this.#templateFor(given.inputs).source, where);
    const { text } = this.#written(messages, given.inputs, false, where);
    return text.slice(0, openEnd(this.#control.plain(text), said, where));
  }

  #rendered(
    { messages, inputs }: Given,
    { addGenerationPrompt = false }: Pick<RenderOptions, 'addGenerationPrompt'>,
    where?: string,
  ): Rendering {
    const variables = messages.map((message) => this.#variable(message));
    return this.#written(variables, inputs, addGenerationPrompt, where);
  }

  #templateFor({ tools }: TemplateInputs): Template {
    return (tools ?? null) === null ? this.#template : (this.#toolTemplate ?? this.#template);
  }

  #written(
    messages: JsonObject[],
    inputs: TemplateInputs,
    addGenerationPrompt: boolean,
    where?: string,
  ): Rendering {
    const variables = {
      ...this.#namedTokens,
      ...inputs.variables,
      messages,
      tools: inputs.tools ?? null,
      documents: inputs.documents ?? null,
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return this.#templateFor(inputs).renderMarked(variables);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      if (error instanceof BudgetError) throw this.#tooMuch(error, where);
      throw new RefusedMessages(
        where,
        `the chat template refused the messages: ${located(error)}`,
        'the roles and their order must be those that the template was written for',
        { cause: error },
      );
    }
  }

  /** A message as the template has it. */
  #variable({ role, content, fields = {} }: Message): JsonObject {
    const { content: given = content, ...rest } = fields;
    const said = Array.isArray(given) && !this.#takesParts ? content : given;
    return { role: role === 'developer' ? this.#developer : role, content: said, ...rest };
  }

  /** Finds out which forms of messages the template takes. */
  #probeMessages(): void {
    const text = '\ue100';
    const writes = (role: string, fields: JsonObject = {}) => {
      const user = { role: 'user', content: text, fields };
      const messages =
        role === 'user'
          ? [user]
          : [
              { role, content: text },
              { role: 'user', content: 'x' },
            ];
      try {
        const written = this.#render(given(messages), {});
        return written.includes(text) && !/['"]type['"]/.test(written);
      } catch (error) {
        if (!(error instanceof AthanorError)) throw error;
        return false;
      }
    };
    const parts = [{ type: 'text', text }];
    this.#takesParts = writes('user', { content: parts }) || !writes('user');
    if (!writes('developer') && writes('system')) this.#developer = 'system';
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
    return this.encode(messages, { addGenerationPrompt: true, inputs }, where);
  }

  /** The tokens of what `render` writes, `[n]`. Throws as it does. */
  encode(messages: readonly Message[], options: RenderOptions = {}, where?: string): Int32Array {
    return this.#control.encode(this.#render(given(messages, options.inputs), options, where));
  }

  /**
   * The tokens of a dialogue, and which of them the model learns: those that `{% generation %}`
   * blocks of the template wrote, or, where it has none, the text of each answer up to its stop
   * token, where it stands in the whole dialogue. Throws as render does, and ERR_CONFIG naming the
   * turn when, without blocks, it is not known where an answer begins, or no control token ends it.
   */
  encodeDialogue(messages: readonly Message[], where?: string, inputs?: TemplateInputs): EncodedDialogue {
    const dialogue = given(messages, inputs);
    const rendering = this.#rendered(dialogue, {}, where);
    const { text, generations } = rendering;
    const tokens = this.#control.encode(text);
    if (generations.length > 0) {
      return {
        tokens,
        supervised: this.#generated(tokens, text, generations, dialogue, where),
        rewritten: [],
      };
    }
    const supervised = new Uint8Array(tokens.length);
    const lengths = this.#byteLengths;
    const rewritten: number[] = [];
    let index = 0;
    let bytes = 0;
    for (const { turn, begin, end, isRewritten } of this.#answers(dialogue, rendering, where)) {
      if (isRewritten) rewritten.push(turn);
      const [first, last] = [begin, end].map((at) => this.#lengthOf(text.slice(0, at)));
      // A token on both sides of the boundary belongs to the prompt.
      while (bytes < first!) bytes += lengths[tokens[index++]!]!;
      for (; bytes < last!; index++) {
        bytes += lengths[tokens[index]!]!;
        supervised[index] = dialogue.messages[turn]!.train === false ? 0 : 1;
      }
    }
    return { tokens, supervised, rewritten };
  }

  /**
   * The tokens of a prompt and an answer to it. Throws as encodeDialogue does, and ERR_CONFIG when
   * the answer does not begin where the prompt ends.
   */
  encodeAnswer(
    prompt: readonly Message[],
    answer: Message,
    where?: string,
    inputs?: TemplateInputs,
  ): EncodedAnswer {
    const promptLength = this.encodePrompt(prompt, where, inputs).length;
    const encoded = this.encodeDialogue([...prompt, answer], where, inputs);
    if (encoded.rewritten.includes(prompt.length)) throw elsewhere(prompt.length, where);
    return { ...encoded, promptLength };
  }

  /** The places of the answers, in their order. */
  *#answers(dialogue: Given, rendering: Rendering, where?: string) {
    const { messages, inputs } = dialogue;
    const { text } = rendering;
    const controls: Control[] = [...this.#control.find(text)];
    const lastTurn = messages.findLastIndex(({ role }) => role === 'assistant');
    let before = 0;
    for (const [turn, { role }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const earlier = { messages: messages.slice(0, turn), inputs };
      const prompt = this.#rendered(earlier, { addGenerationPrompt: true }, where);
      const span = spanOf(rendering, turn);
      const isKept = this.#followsPrompt[turn === lastTurn ? 'last' : 'earlier'];
      const isBehind = text.startsWith(prompt.text) && prompt.text.length >= (span?.begin ?? 0);
      const isRewritten = !(isKept && isBehind);
      const begin = isRewritten
        ? span && openedAt(text, span, prompt, controls, (part) => this.#control.plain(part))
        : prompt.text.length;
      if (begin === undefined) throw elsewhere(turn, where);
      const end = answerEnd(text, begin, span, controls, (token) => this.#stops(token));
      if (end === undefined || begin < before) throw endless(turn, where);
      before = end;
      yield { turn, begin, end, isRewritten };
    }
  }

  #stops(token: string): boolean {
    return this.stopTokens.includes(this.#tokenizer.specialTokens.get(token)!);
  }

  /** Which tokens generation blocks wrote, as transformers counts: also those that begin before. */
  #generated(
    tokens: Int32Array,
    text: string,
    generations: readonly Span[],
    { messages }: Given,
    where?: string,
  ): Uint8Array {
    const answers = messages.filter(({ role }) => role === 'assistant');
    if (answers.length !== generations.length && answers.some(({ train }) => train === false)) {
      throw new RefusedMessages(
        where,
        `the chat template writes ${generations.length} generation blocks for ${answers.length} answers, so it is not known which one \`train: false\` leaves out`,
        'leave `train` out, or use a template with one block per answer',
      );
    }
    const lengths = this.#byteLengths;
    const supervised = new Uint8Array(tokens.length);
    let index = 0;
    let bytes = 0;
    generations.forEach(({ begin, end }, i) => {
      const [first, last] = [begin, end].map((at) => this.#lengthOf(text.slice(0, at)));
      const learns = answers.length !== generations.length || answers[i]!.train !== false;
      for (; index < tokens.length && bytes < last!; index++) {
        bytes += lengths[tokens[index]!]!;
        if (bytes > first! && learns) supervised[index] = 1;
      }
    });
    return supervised;
  }

  /** Number of bytes of the tokens of a rendered text. */
  #lengthOf(text: string): number {
    if (this.#tokenizer.keepsBytes) return Buffer.byteLength(this.#control.plain(text));
    const lengths = this.#byteLengths;
    return this.#control.encode(text).reduce((sum, id) => sum + lengths[id]!, 0);
  }

  /** Number of bytes of each id: a dialogue has too many tokens for a call for each of them. */
  get #byteLengths(): Uint32Array {
    const { vocabSize } = this.#tokenizer;
    this.#lengths ??= Uint32Array.from({ length: vocabSize }, (_, id) => this.#tokenizer.byteLength(id));
    return this.#lengths;
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
      const written = [...this.#control.find(text)];
      messages.forEach((message, i) => {
        if (message.role !== 'assistant') return;
        const place = text.indexOf(message.content);
        const before = this.#renderedIfTaken(messages.slice(0, i), true) ?? '';
        const end = place < 0 ? undefined : written.find(({ index }) => index > place);
        const stop = end?.token;
        const between = written.some(({ token, index }) => {
          return token === stop && index >= before.length && index < place;
        });
        followsPrompt[message === second ? 'last' : 'earlier'] = place >= before.length && !between;
        if (end === undefined) return;
        stops.add(specialTokens.get(end.token)!);
        if (message === second) ending = this.#control.encode(text.slice(end.index));
      });
      break;
    }
    if (eosId !== undefined) stops.add(eosId);
    return { stops: [...stops], ending, followsPrompt };
  }

  #renderedIfTaken(messages: readonly Message[], addGenerationPrompt: boolean): string | undefined {
    try {
      return this.#render(given(messages), { addGenerationPrompt });
    } catch (error) {
      // Every template is tried when it is opened: one that would hang is refused then.
      if (!(error instanceof AthanorError) || error.cause instanceof BudgetError) throw error;
      return undefined;
    }
  }
}

function given(messages: readonly Message[], inputs: TemplateInputs = {}): Given {
  return {
    messages: messages.map(({ role, content, fields, train }) => ({
      role: wellFormed(role),
      content: wellFormed(content),
      ...(fields && { fields: withTexts(fields) as JsonObject }),
      ...(train !== undefined && { train }),
    })),
    inputs: withTexts({ ...inputs }) as TemplateInputs,
  };
}
