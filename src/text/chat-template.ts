/**
 * Turns dialogues into tokens with the Jinja template that is stored with the model. A dialogue is
 * rendered and encoded as one text, in which the turns begin and end at known bytes. So a model is
 * trained on the same tokens that it is later prompted with.
 */
import { Template } from '@huggingface/jinja';
import { AthanorError } from '../base/errors.ts';
import { ControlTokens, type Guards, withoutGuards } from './control-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn of a dialogue. */
export interface Message {
  /** system, user or assistant. A template may accept other roles. */
  role: string;
  content: string;
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
}

/** Messages whose text cannot become control tokens. */
interface Guarded {
  messages: Message[];
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
   * Whether answers before the last one (`earlier`) and the last answer begin where
   * their prompt ends.
   */
  readonly #followsPrompt: { earlier: boolean; last: boolean };
  readonly #source: string;
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;

  /** @param source the Jinja template; throws ERR_CONFIG when it is not valid */
  constructor(source: string, tokenizer: Tokenizer) {
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw new AthanorError(
        'ERR_CONFIG',
        `the chat template is not valid Jinja: ${(error as Error).message}`,
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

  /** The template of a tokenizer. Throws ERR_CONFIG when the tokenizer has none. */
  static of(tokenizer: Tokenizer): ChatTemplate {
    if (tokenizer.chatTemplate === undefined) {
      throw new AthanorError(
        'ERR_CONFIG',
        'the model has no chat template',
        'fine-tune it with athanor sft, which gives it one, or add chat_template.jinja to its folder',
      );
    }
    return new ChatTemplate(tokenizer.chatTemplate, tokenizer);
  }

  /**
   * Renders messages as text. Throws ERR_CONFIG with the reason when the template refuses them.
   * @param where begins the error message, such as the row of the data
   */
  render(
    messages: readonly Message[],
    { addGenerationPrompt = false }: RenderOptions = {},
    where?: string,
  ): string {
    const { eosId, bosId, padId } = this.#tokenizer;
    const spelled = (id: number | undefined) => (id === undefined ? '' : this.#tokenizer.tokenOf(id)!);
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: addGenerationPrompt,
        eos_token: spelled(eosId),
        bos_token: spelled(bosId),
        pad_token: spelled(padId),
      });
    } catch (error) {
      throw new AthanorError(
        'ERR_CONFIG',
        at(where, `the chat template refused the messages: ${(error as Error).message}`),
        'the roles and their order must be those that the template was written for',
        { cause: error },
      );
    }
  }

  /** The tokens that the model reads before it answers. Throws as render does. */
  encodePrompt(messages: readonly Message[], where?: string): Int32Array {
    const guarded = this.#guarded(messages);
    return this.#control.encode(
      this.render(guarded.messages, { addGenerationPrompt: true }, where),
      guarded.guards,
    );
  }

  /**
   * The tokens of a dialogue, and which of them the model learns. Throws as render does, and
   * ERR_CONFIG naming the turn when an answer does not begin where encodePrompt ends for the turns
   * before it, or when no control token ends it.
   */
  encodeDialogue(messages: readonly Message[], where?: string): EncodedDialogue {
    const guarded = this.#guarded(messages);
    const text = this.render(guarded.messages, {}, where);
    const tokens = this.#control.encode(text, guarded.guards);
    const supervised = new Uint8Array(tokens.length);
    let index = 0;
    let bytes = 0;
    guarded.messages.forEach(({ role }, turn) => {
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
        supervised[index++] = 1;
      }
    });
    return { tokens, supervised };
  }

  /** The byte at which the answer of a turn begins in the text. */
  #startOf(turn: number, { messages, guards }: Guarded, text: string, where?: string): number {
    const before = this.render(messages.slice(0, turn), { addGenerationPrompt: true }, where);
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

  #guarded(messages: readonly Message[]): Guarded {
    const guards = this.#control.guardsFor([
      this.#source,
      ...messages.flatMap(({ role, content }) => [role, content]),
    ]);
    const guard = (text: string) => this.#control.guard(text, guards);
    return {
      messages: messages.map(({ role, content }) => ({ role: guard(role), content: guard(content) })),
      guards,
    };
  }

  /**
   * Finds out what the template writes around answers, from the first of these dialogues
   * that it accepts.
   */
  #probe(): { stops: number[]; followsPrompt: { earlier: boolean; last: boolean } } {
    // Two answers that occur in no template.
    const [first, second] = ['\ue100', '\ue101'].map((content) => ({ role: 'assistant', content }));
    const system = { role: 'system', content: 'x' };
    const user = { role: 'user', content: 'x' };
    const { specialTokens, eosId } = this.#tokenizer;
    const stops = new Set<number>();
    // If the template refuses all of them, nothing more is known. It gives its reason when
    // it is used.
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
      if (error instanceof AthanorError) return undefined;
      throw error;
    }
  }
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
