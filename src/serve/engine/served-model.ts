/** A model with its tokenizer and template: what the engine thread answers with. */

import { AthanorError } from '../../base/errors.ts';
import { loadModel } from '../../checkpoint/gpt-folder.ts';
import { modelHash } from '../../checkpoint/model-hash.ts';
import { stopTokensOf } from '../../checkpoint/text-ends.ts';
import { type QuantizationCost, quantizationCost } from '../../eval/quantization-cost.ts';
import { promptTokens } from '../../generate/generate-text.ts';
import { type Constraint, Constraints } from '../../generate/grammar/constraint.ts';
import type { TokenReport } from '../../generate/token-reports.ts';
import { native } from '../../native/addon.ts';
import { resolveDtype, setDevice, setThreads } from '../../native/engine.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { checkQuantization, quantizeForDecoding } from '../../nn/quantized-weights.ts';
import { ChatTemplate } from '../../text/chat-template.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { toolFormatOf } from '../../text/tool-calls/formats.ts';
import type { EngineSettings, Job, ModelInfo, NamedToken, PromptInput } from '../protocol/messages.ts';

export class ServedModel {
  readonly model: Gpt;
  readonly tokenizer: Tokenizer;
  readonly info: ModelInfo;
  readonly #template: ChatTemplate | undefined;
  readonly #controls: ReadonlySet<number>;
  readonly #ends: Readonly<Record<Job['ends'], readonly number[]>>;
  /** By what the tokens of an answer are. */
  readonly #constraints = new Map<string, Constraints>();

  /** Throws as loadModel, Tokenizer.load, ChatTemplate.of, setDevice and quantizeForDecoding. */
  constructor({ model: folder, device, dtype, quantize, threads, context }: EngineSettings) {
    const chosen = setDevice(device, { dtype });
    checkQuantization(quantize);
    if (threads !== undefined) setThreads(threads);
    const precision = resolveDtype(dtype);
    this.tokenizer = Tokenizer.load(folder);
    this.#template = this.tokenizer.chatTemplate === undefined ? undefined : ChatTemplate.of(this.tokenizer);
    this.model = loadModel(folder, { dtype: precision });
    if (quantize === 'int8') quantizeForDecoding(this.model);
    this.#controls = new Set(this.tokenizer.specialTokens.values());
    const { vocabSize, contextLength } = this.model.config;
    if (this.tokenizer.vocabSize > vocabSize) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `${folder}: the tokenizer has ${this.tokenizer.vocabSize} tokens and the model only ${vocabSize}`,
        'use the tokenizer that the model was trained with',
      );
    }
    const { eosId, bosId, padId } = this.tokenizer;
    const text = stopTokensOf(folder, this.tokenizer);
    this.#ends = { turn: stopTokensOf(folder, this.tokenizer, this.#template), text, never: [] };
    const spelled = (id: number | undefined) => (id === undefined ? undefined : this.tokenizer.tokenOf(id));
    if (context !== undefined && context > contextLength) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `\`context\` ${context} exceeds the context of ${contextLength} of the model in ${folder}`,
        `give at most ${contextLength}, or leave it out`,
      );
    }
    this.info = {
      vocabSize,
      contextLength: context ?? contextLength,
      device: chosen,
      dtype: precision,
      quantize,
      threads: native.numThreads(),
      hash: modelHash(folder),
      eosToken: spelled(eosId),
      bosToken: spelled(bosId),
      padToken: spelled(padId),
      ...{ eosId, bosId, padId },
      chatTemplate: this.tokenizer.chatTemplate,
      toolUse: this.#toolUse(),
    };
  }

  /** Whether the template writes the tools that it is given, and how the model calls them. */
  #toolUse(): string {
    if (this.#template === undefined) return 'none';
    const name = 'probe_of_tools';
    const tools = [
      {
        type: 'function',
        function: { name, description: '', parameters: { type: 'object', properties: {} } },
      },
    ];
    try {
      const text = this.#template.render([{ role: 'user', content: 'x' }], { inputs: { tools } });
      if (!text.includes(name)) return 'none';
    } catch (error) {
      if (error instanceof AthanorError) return 'none';
      throw error;
    }
    const { toolTemplate, chatTemplate } = this.tokenizer;
    return toolFormatOf(toolTemplate ?? chatTemplate!)?.name ?? 'unknown';
  }

  /** What the quantized weights cost; undefined without them. */
  async quantizationCost(): Promise<QuantizationCost | undefined> {
    const { quantized } = this.model;
    const cost = quantized && (await quantizationCost(this.model, this.tokenizer));
    quantized?.releasePacked();
    return cost;
  }

  /** The tokens that end a text. */
  endsOf(job: Job): readonly number[] {
    return this.#ends[job.ends];
  }

  /** The constraint of a job with a rule. Throws as Constraints.of. */
  constraintOf({ rule, ends, textTokens = [] }: Job): Constraint | undefined {
    if (rule === undefined) return undefined;
    const key = JSON.stringify([ends, textTokens]);
    let constraints = this.#constraints.get(key);
    if (constraints === undefined) {
      const { vocabSize } = this.info;
      constraints = new Constraints(this.tokenizer, { vocabSize, stopTokens: this.#ends[ends], textTokens });
      this.#constraints.set(key, constraints);
    }
    return constraints.of(rule);
  }

  /**
   * The tokens of a prompt. Text never becomes a control token. Throws ERR_CONFIG when the template
   * refuses the messages, ERR_ARGUMENT for ids outside of the vocabulary.
   */
  encode(prompt: PromptInput): Int32Array {
    switch (prompt.kind) {
      case 'text':
        return promptTokens(this.tokenizer, prompt.text);
      case 'plain':
        return this.tokenizer.encode(prompt.text);
      case 'tokens':
        return this.#checked(prompt.tokens);
      case 'chat':
        return this.#encodeChat(prompt);
    }
  }

  #checked(tokens: readonly number[]): Int32Array {
    const stray = tokens.find((id) => this.tokenizer.tokenOf(id) === undefined);
    if (stray === undefined) return Int32Array.from(tokens);
    throw new AthanorError('ERR_ARGUMENT', `the id ${stray} is no token of the model`);
  }

  #encodeChat(prompt: PromptInput & { kind: 'chat' }): Int32Array {
    const { messages, variables, ending, tools } = prompt;
    const inputs = { variables, ...(tools !== undefined && { tools }) };
    if (this.#template === undefined) {
      throw new AthanorError('ERR_CONFIG', 'the model has no chat template: use /v1/completions');
    }
    return this.#template.encode(messages, {
      addGenerationPrompt: ending === 'answer',
      continueFinalMessage: ending === 'continue',
      inputs,
    });
  }

  /** The text of ids. Throws ERR_ARGUMENT for an id without a token. */
  decode(tokens: readonly number[]): string {
    return this.tokenizer.decode(this.#checked(tokens));
  }

  isControl(token: number): boolean {
    return this.#controls.has(token);
  }

  /** Whether a control token has one of these names. */
  isOneOf(token: number, names: readonly string[]): boolean {
    return names.some((name) => this.tokenizer.specialTokens.get(name) === token);
  }

  named(token: number, logProb: number): NamedToken {
    const bytes = [...this.tokenizer.decodeBytes([token])];
    return { token, text: this.tokenizer.decode([token]), bytes, logProb };
  }

  /** The likeliest tokens of a report that are tokens. */
  namedTop({ topTokens, topLogProbs }: TokenReport): NamedToken[] {
    const named = Array.from(topTokens, (token, i) => ({ token, logProb: topLogProbs[i]! }));
    return named.flatMap(({ token, logProb }) =>
      this.tokenizer.tokenOf(token) === undefined ? [] : [this.named(token, logProb)],
    );
  }
}
