/** Supervised fine-tuning as a function: from a base model and instructions to an assistant. */

import { AthanorError } from '../../base/errors.ts';
import { modelConfigOf } from '../../checkpoint/gpt-folder.ts';
import { encodeRows } from '../../data/rows/encoded-rows.ts';
import { ExampleLoader } from '../../data/rows/example-loader.ts';
import { type Instruction, readInstructions } from '../../data/rows/instructions.ts';
import { splitByPrompt } from '../../data/rows/row-split.ts';
import { type SupervisedSet, supervisedExamples } from '../../data/rows/supervised-examples.ts';
import { type ModelConfig, parameterCount } from '../../nn/config.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';
import {
  chatTokenizer,
  checkEpochSettings,
  checkedContext,
  folderFields,
  loadChatModel,
} from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type PreparedStage,
  type RunHooks,
  runStage,
  type StageContext,
  type StageResult,
} from '../loop/run-stage.ts';
import { policyOptions, type StageOptions } from '../loop/settings.ts';
import { startInputs } from '../loop/start-inputs.ts';
import { startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { sftRules } from './rules.ts';
import { type SftSettings, sftDefaults } from './settings.ts';
import { type SftBatch, SftStage } from './stage.ts';

/** The settings of sft(); those with a default may be left out. */
export type SftOptions = StageOptions<SftSettings>;

/**
 * Fine-tunes a language model on instructions: JSON lines of `messages`, of `prompt` and
 * `completion`, or of Alpaca's fields. Throws as runStage.
 */
export function sft(options: SftOptions, hooks?: RunHooks): Promise<StageResult> {
  return runStage(
    {
      name: 'sft',
      defaults: sftDefaults,
      rules: sftRules,
      check: checkEpochSettings,
      inputs: startInputs,
      prepare,
    },
    options,
    hooks,
  );
}

async function prepare(
  settings: SftSettings,
  { out, checkpoint, communicator }: StageContext,
): Promise<PreparedStage<SftBatch>> {
  const { seed, batchSize, packing, gradAccum } = settings;
  const chat = chatTokenizer(settings.model, out);
  const start = startFolder(settings.model, checkpoint, settings);
  checkSamplePrompts(settings, chat.template, modelConfigOf(start, 'language-model'));
  const { rows, counts } = await readInstructions(settings.data, settings);
  const model = loadChatModel(start, chat.tokenizer, policyOptions(settings));
  const context = checkedContext(settings.context, model, settings.model);
  const split = splitByPrompt(rows, ({ messages }) => messages.slice(0, -1), settings.validationSplit, seed);
  const encode = (part: typeof rows) =>
    supervisedExamples(part, chat.template, { ...settings, context, counts });
  const [train, validation] = [encode(split.train), encode(split.validation)];
  if (train.examples.length === 0) {
    if (train.refusal && describeSet(train) === '') throw train.refusal;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `no example of ${settings.data} is left to train on: ${describeSet(train)}`,
      'raise `context`, or lower `validationSplit`',
    );
  }
  const loader = new ExampleLoader(train.examples, {
    batchSize,
    gradAccum,
    context,
    packing,
    seed,
  });
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: chat.folder,
    ...folderFields(start, chat.template),
  });
  const longest = Math.max(...train.examples.map(({ tokens }) => tokens.length));
  const stage = new SftStage(policy, chat, {
    loader,
    validation: validation.examples,
    communicator,
    tokensPerBatch: batchSize * (packing ? context : longest),
    context,
    neftune: settings.neftuneAlpha,
    ...samplesOf(settings, split.validation.length > 0 ? split.validation : split.train, {
      template: chat.template,
      contextLength: model.config.contextLength,
    }),
    seed,
  });
  const parameters = parameterCount(model.config);
  return {
    stage,
    title: `Fine-tuning ${settings.model} on ${settings.data}`,
    parameters,
    config: {
      examples: train.examples.length,
      validation_examples: validation.examples.length,
      epochs: settings.epochs,
      context,
      packing,
      neftune_alpha: settings.neftuneAlpha,
    },
    budget: settings.steps === undefined ? { passes: settings.epochs } : { steps: settings.steps },
    derived: { lr: stageLearningRate('sft', parameters, settings.loraRank), context },
    fields: [['epoch', 'epoch', 0]],
    notes: [counts.describe(), describeSet(train), describeRewriting([train, validation])].filter(
      (note) => note !== '',
    ),
  };
}

function describeSet({ truncated, dropped, unsupervised }: SupervisedSet): string {
  const parts: string[] = [];
  if (truncated > 0) parts.push(`${truncated} examples cut to the context`);
  if (dropped > 0) parts.push(`${dropped} examples longer than the context left out`);
  if (unsupervised > 0) parts.push(`${unsupervised} examples left out for nothing to learn was left of them`);
  return parts.join(', ');
}

/** What is learned where a template makes other text of a turn once later turns follow. */
function describeRewriting(sets: readonly SupervisedSet[]): string {
  const count = sets.reduce((sum, { rewritten }) => sum + rewritten, 0);
  if (count === 0) return '';
  return `the chat template rewrites turns of ${count} dialogues when later turns follow: each answer is learned as it stands in the whole dialogue`;
}

/** Throws ERR_ARGUMENT for a message that leaves its answer no room. */
function checkSamplePrompts(
  { samplePrompt, sampleTokens: asked }: SftSettings,
  template: ChatTemplate,
  { contextLength }: ModelConfig,
): void {
  const sampleTokens = sampleLength(asked, contextLength);
  for (const content of samplePrompt) {
    const length = promptLength(content, template);
    if (length + sampleTokens <= contextLength) continue;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `a \`samplePrompt\` of ${length} tokens and ${sampleTokens} for its answer exceed the context of ${contextLength}`,
      'shorten it, or lower `sampleTokens`',
    );
  }
}

function sampleLength(asked: number, contextLength: number): number {
  return Math.min(asked, Math.floor(contextLength / 2));
}

function promptLength(content: string, template: ChatTemplate): number {
  return template.encodePrompt([{ role: 'user', content }]).length;
}

/**
 * The messages that samples answer: those of the settings, or a few questions of the data that
 * leave room for an answer.
 */
function samplesOf(
  { samplePrompt, sampleTokens: asked }: SftSettings,
  rows: readonly Instruction[],
  { template, contextLength }: { template: ChatTemplate; contextLength: number },
): { samplePrompts: string[]; sampleTokens: number } {
  const sampleTokens = sampleLength(asked, contextLength);
  /** A question behind other turns may be none that the template takes alone. */
  const isTaken = (content: string) => {
    const encode = () => promptLength(content, template);
    return encodeRows([{ id: content }], encode, { onBadLine: 'skip' }).refusal === undefined;
  };
  const fits = (content: string) => promptLength(content, template) + sampleTokens <= contextLength;
  if (samplePrompt.length > 0) return { samplePrompts: [...samplePrompt], sampleTokens };
  const found: string[] = [];
  for (const { messages } of rows) {
    if (found.length === 4) break;
    const question = messages.findLast(({ role }) => role === 'user')!.content;
    if (isTaken(question) && fits(question)) found.push(question);
  }
  return { samplePrompts: found, sampleTokens };
}
