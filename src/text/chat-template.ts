/**
 * Dialogues as tokens, by the Jinja template that is stored with the model. What people say can never become a control
 * token: before rendering, each spelling of one inside a message is broken by a marker character that no message holds,
 * and only unbroken ones, which the template itself wrote, are encoded as control tokens.
 */
import { Template } from '@huggingface/jinja';
import { AthanorError } from '../native/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Message {
  role: string;
  content: string;
}

export interface EncodedDialogue {
  tokens: Int32Array;
  /** 1 for the tokens that the assistant must learn: what it said in each of its turns, and that it then stopped. */
  supervised: Uint8Array;
}

/** Characters for private use, one of which is in no message. */
const MARKERS = Array.from({ length: 256 }, (_, i) => String.fromCodePoint(0xe000 + i));

export class ChatTemplate {
  /** Ids that end an assistant's turn. */
  readonly stopTokens: readonly number[];
  readonly #template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #controlTokens: RegExp | undefined;

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
    this.#tokenizer = tokenizer;
    const names = [...tokenizer.specialTokens.keys()].sort((a, b) => b.length - a.length);
    this.#controlTokens =
      names.length > 0 ? new RegExp(names.map(escapeForRegExp).join('|'), 'g') : undefined;
    this.stopTokens = this.#findStopTokens();
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

  /** The text that the template makes of messages. Throws ERR_CONFIG with what the template said when it raised. */
  render(messages: readonly Message[], options: { addGenerationPrompt?: boolean } = {}): string {
    const { eosId, bosId, padId } = this.#tokenizer;
    const spelled = (id: number | undefined) => (id === undefined ? '' : this.#tokenizer.tokenOf(id)!);
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: options.addGenerationPrompt ?? false,
        eos_token: spelled(eosId),
        bos_token: spelled(bosId),
        pad_token: spelled(padId),
      });
    } catch (error) {
      throw new AthanorError(
        'ERR_CONFIG',
        `the chat template refused the messages: ${(error as Error).message}`,
        'the roles and their order must be those that the template was written for',
        { cause: error },
      );
    }
  }

  /** What the model reads before it answers. */
  encodePrompt(messages: readonly Message[]): Int32Array {
    const { broken, marker } = this.#broken(messages);
    return this.#encode(this.render(broken, { addGenerationPrompt: true }), marker);
  }

  /**
   * A dialogue to learn from. Boundaries of turns are offsets in the one text that is encoded whole, so training sees the
   * tokens that encodePrompt gives for the same messages. Throws ERR_CONFIG when a template writes the beginning of a
   * dialogue differently once it goes on, since then no such offsets exist.
   */
  encodeDialogue(messages: readonly Message[]): EncodedDialogue {
    const { broken, marker } = this.#broken(messages);
    const full = this.render(broken);
    const tokens = this.#encode(full, marker);
    const ends = this.#byteEnds(tokens);
    const supervised = new Uint8Array(tokens.length);
    broken.forEach(({ role }, i) => {
      if (role !== 'assistant') return;
      const before = this.render(broken.slice(0, i), { addGenerationPrompt: true });
      const after = i + 1 === broken.length ? full : this.render(broken.slice(0, i + 1));
      if (!full.startsWith(before) || !full.startsWith(after) || after.length <= before.length) {
        throw new AthanorError(
          'ERR_CONFIG',
          `the chat template is not prefix-preserving: it writes what comes before turn ${i + 1} differently when the dialogue goes on`,
          'use a template whose text for the first turns does not depend on later ones',
        );
      }
      this.#superviseSpan(tokens, ends, supervised, byteLength(before, marker), byteLength(after, marker));
    });
    return { tokens, supervised };
  }

  /** From the first token that begins in [from, to) to the last control token in it, which is where a turn is over. */
  #superviseSpan(
    tokens: Int32Array,
    ends: Float64Array,
    supervised: Uint8Array,
    from: number,
    to: number,
  ): void {
    const inside: number[] = [];
    for (let i = 0; i < tokens.length; ++i) {
      const start = i === 0 ? 0 : ends[i - 1]!;
      if (start >= from && start < to) inside.push(i);
    }
    const last = inside.findLast((i) => this.#isControl(tokens[i]!)) ?? inside.at(-1) ?? -1;
    for (const i of inside) if (i <= last) supervised[i] = 1;
  }

  #isControl(id: number): boolean {
    const text = this.#tokenizer.tokenOf(id);
    return text !== undefined && this.#tokenizer.specialTokens.get(text) === id;
  }

  /** The messages with every control token that is spelled in one broken by the marker. */
  #broken(messages: readonly Message[]): { broken: Message[]; marker: string } {
    const marker = MARKERS.find((candidate) => !messages.some(({ content }) => content.includes(candidate)));
    if (marker === undefined) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'the messages hold every one of 256 characters for private use',
        'remove characters from U+E000 to U+E0FF',
      );
    }
    const pattern = this.#controlTokens;
    const broken = messages.map(({ role, content }) => ({
      role,
      content: pattern ? content.replace(pattern, (token) => breakText(token, marker)) : content,
    }));
    return { broken, marker };
  }

  #encode(text: string, marker: string): Int32Array {
    const pieces: Int32Array[] = [];
    const ordinary = (from: number, to: number) => {
      if (to > from) pieces.push(this.#tokenizer.encode(text.slice(from, to).replaceAll(marker, '')));
    };
    let at = 0;
    for (const match of this.#controlTokens ? text.matchAll(this.#controlTokens) : []) {
      ordinary(at, match.index);
      pieces.push(Int32Array.of(this.#tokenizer.specialTokens.get(match[0])!));
      at = match.index + match[0].length;
    }
    ordinary(at, text.length);
    const ids = new Int32Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let filled = 0;
    for (const piece of pieces) {
      ids.set(piece, filled);
      filled += piece.length;
    }
    return ids;
  }

  /** Where each token's bytes end in the text. */
  #byteEnds(tokens: Int32Array): Float64Array {
    const ends = new Float64Array(tokens.length);
    let at = 0;
    tokens.forEach((id, i) => {
      at += this.#tokenizer.byteLength(id);
      ends[i] = at;
    });
    return ends;
  }

  /** The first control token after an assistant's words, and the token that ends texts. */
  #findStopTokens(): number[] {
    const { eosId } = this.#tokenizer;
    const found = new Set<number>();
    const said = 'yes';
    let text = '';
    try {
      text = this.render([
        { role: 'user', content: 'no' },
        { role: 'assistant', content: said },
      ]);
    } catch (error) {
      // A template that wants other roles tells so when it is used.
      if (!(error instanceof AthanorError)) throw error;
    }
    const tail = text.slice(text.lastIndexOf(said) + said.length);
    const next = this.#controlTokens && tail.match(this.#controlTokens)?.[0];
    if (next) found.add(this.#tokenizer.specialTokens.get(next)!);
    if (eosId !== undefined) found.add(eosId);
    return [...found];
  }
}

function breakText(token: string, marker: string): string {
  const [first = ''] = token;
  return first + marker + token.slice(first.length);
}

function byteLength(text: string, marker: string): number {
  return Buffer.byteLength(text.replaceAll(marker, ''));
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
