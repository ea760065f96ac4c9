/**
 * Dialogues as tokens, by the Jinja template that is stored with the model. Boundaries of turns are places in the one
 * text that is encoded whole, so that a model is trained on the tokens that it is prompted with.
 */
import { Template } from '@huggingface/jinja';
import { AthanorError } from '../base/errors.ts';
import { ControlTokens, type Guards, withoutGuards } from './control-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Message {
  /** system, user or assistant; which others there are is the template's to say. */
  role: string;
  content: string;
}

export interface EncodedDialogue {
  tokens: Int32Array;
  /** 1 for the tokens that the assistant must learn: what it said in each of its turns, and that it then stopped. */
  supervised: Uint8Array;
}

export interface RenderOptions {
  /** End with what comes before an answer of the assistant's. Default false. */
  addGenerationPrompt?: boolean;
}

/** Messages that nobody can pass off as control tokens. */
interface Guarded {
  messages: Message[];
  guards: Guards;
}

export class ChatTemplate {
  /** Ids that end an assistant's turn: the control token that the template writes behind an answer, and end of text. */
  readonly stopTokens: readonly number[];
  /** Answers before the last one, and the last one, come where their prompt ends. */
  readonly #followsPrompt: { earlier: boolean; last: boolean };
  readonly #source: string;
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #control: ControlTokens;

  /** Throws ERR_CONFIG when the source is no template. */
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

  /** The template that a tokenizer carries. Throws ERR_CONFIG when it has none. */
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
   * The text that the template makes of messages. Throws ERR_CONFIG with what the template said when it raised; `where`
   * is what the message begins with, such as the row of the data.
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

  /** What the model reads before it answers. Throws as render. */
  encodePrompt(messages: readonly Message[], where?: string): Int32Array {
    const guarded = this.#guarded(messages);
    return this.#control.encode(
      this.render(guarded.messages, { addGenerationPrompt: true }, where),
      guarded.guards,
    );
  }

  /**
   * A dialogue to learn from. Throws as render, and ERR_CONFIG naming the turn when an answer does not follow what
   * encodePrompt gives for the turns before it, or when no control token ends it.
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
      // A token that lies on both sides of the boundary is the prompt's.
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

  /** The byte of the text at which an answer begins. */
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
      `the chat template writes no control token behind the assistant's turn ${turn + 1}, so a model could not learn to stop`,
    ),
    'let the template end every answer with a special token of the tokenizer, such as eos_token',
  );
}

function at(where: string | undefined, message: string): string {
  return where === undefined ? message : `${where}: ${message}`;
}
