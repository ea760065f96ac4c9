/** Supervised fine-tuning as a function: a base model and instructions in, an assistant out. */

import { AthanorError } from '../../base/errors.ts';
import { ExampleLoader } from '../../data/rows/example-loader.ts';
import { type Instruction, readInstructions } from '../../data/rows/instructions.ts';
import { splitByPrompt } from '../../data/rows/row-split.ts';
import { type SupervisedSet, supervisedExamples } from '../../data/rows/supervised-examples.ts';

import { parameterCount } from '../../nn/config.ts';
import { formatCount } from '../../report/format.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';
import { chatTokenizer, checkedContext, generationConfig, loadChatModel } from '../loop/chat-model.ts';
import { stageLearningRate } from '../loop/learning-rate.ts';
import {
  type CommonSettings,
  type PreparedStage,
  type RunPlace,
  runStage,
  type StageOptions,
  type StageReport,
} from '../loop/run-stage.ts';
import { type LoraSettings, startFolder, TrainableModel } from '../loop/trainable-model.ts';
import { type SftBatch, SftStage } from './stage.ts';

export interface SftSettings extends CommonSettings, LoraSettings {
  epochs: number;
  batchSize: number;
  context?: number | undefined;
  packing: boolean;
  overLong: 'truncate' | 'drop';
  /** Share of prompts that validate. */
  validation: number;
  /** Evaluations without a better loss after which training ends. */
  patience: number;
  neftune: number;
  onBadLine: 'skip' | 'stop';
  sampleEvery: number;
  samplePrompt: readonly string[];
  sampleTokens: number;
}

/** `data` is instructions as JSONL (readInstructions). Throws as runStage. */
export function runSft(options: StageOptions<SftSettings>): Promise<StageReport> {
  return runStage<SftSettings, SftBatch>({ name: 'sft', prepare }, options);
}

async function prepare(
  settings: SftSettings,
  { out }: RunPlace,
  checkpoint: string | undefined,
): Promise<PreparedStage<SftBatch>> {
  const { seed, batchSize, packing, gradAccum } = settings;
  const { rows, counts } = await readInstructions(settings.data, settings);
  const chat = chatTokenizer(settings.model, out);
  const model = loadChatModel(startFolder(settings.model, checkpoint, settings), chat.tokenizer, settings);
  const context = checkedContext(settings.context, model, settings.model);
  const split = splitByPrompt(rows, ({ messages }) => messages.slice(0, -1), settings.validation, seed);
  const encode = (part: typeof rows) =>
    supervisedExamples(part, chat.template, { context, overLong: settings.overLong });
  const [train, validation] = [encode(split.train), encode(split.validation)];
  if (train.examples.length === 0) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `no example of ${settings.data} is left to train on: ${describeSet(train)}`,
      'raise --context, or lower --validation',
    );
  }
  const loader = new ExampleLoader(train.examples, { batchSize, context, packing, seed });
  const policy = new TrainableModel(model, {
    ...settings,
    tokenizerFolder: chat.folder,
    generationConfig: generationConfig(chat.template),
  });
  const longest = Math.max(...train.examples.map(({ tokens }) => tokens.length));
  const stage = new SftStage(policy, chat, {
    loader,
    validation: validation.examples,
    tokensPerBatch: batchSize * (packing ? context : longest),
    context,
    neftune: settings.neftune,
    ...samplesOf(settings, split.validation.length > 0 ? split.validation : split.train, {
      template: chat.template,
      contextLength: model.config.contextLength,
    }),
    seed,
  });
  const stepsPerEpoch = Math.ceil(loader.batchesPerEpoch / gradAccum);
  return {
    stage,
    title: `Fine-tuning ${settings.model} on ${settings.data}`,
    config: {
      parameters: formatCount(parameterCount(model.config)),
      trained: settings.loraRank > 0 ? `LoRA of rank ${settings.loraRank}` : 'all weights',
      examples: train.examples.length,
      validation_examples: validation.examples.length,
      epochs: settings.epochs,
      context,
      packing,
      batch_size: batchSize,
      grad_accum: gradAccum,
      lr: settings.lr ?? null,
      neftune: settings.neftune,
      seed,
    },
    budget: { steps: settings.steps ?? Math.ceil(settings.epochs * stepsPerEpoch) },
    defaultLr: stageLearningRate('sft', parameterCount(model.config), settings.loraRank),
    optimizer: { beta2: 0.95 },
    sampleEvery: settings.sampleEvery,
    patience: settings.patience,
    exports: settings.patience > 0 ? 'best' : 'last',
    fields: [['epoch', 'epoch', 0]],
    notes: [counts.describe(), describeSet(train)].filter((note) => note !== ''),
  };
}

function describeSet({ truncated, dropped, unsupervised }: SupervisedSet): string {
  const parts: string[] = [];
  if (truncated > 0) parts.push(`${truncated} examples cut to the context`);
  if (dropped > 0) parts.push(`${dropped} examples longer than the context left out`);
  if (unsupervised > 0) parts.push(`${unsupervised} examples left out for nothing to learn was left of them`);
  return parts.join(', ');
}

/** What is answered as a sample: what was asked for, or a few questions of the data that leave room for an answer. */
function samplesOf(
  { samplePrompt, sampleTokens: asked }: SftSettings,
  rows: readonly Instruction[],
  { template, contextLength }: { template: ChatTemplate; contextLength: number },
): { samplePrompts: string[]; sampleTokens: number } {
  const sampleTokens = Math.min(asked, Math.floor(contextLength / 2));
  const lengthOf = (content: string) => template.encodePrompt([{ role: 'user', content }]).length;
  const fits = (content: string) => lengthOf(content) + sampleTokens <= contextLength;
  const tooLong = samplePrompt.find((content) => !fits(content));
  if (tooLong !== undefined) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `a --sample-prompt of ${lengthOf(tooLong)} tokens and ${sampleTokens} for its answer exceed the context of ${contextLength}`,
      'shorten it, or lower --sample-tokens',
    );
  }
  if (samplePrompt.length > 0) return { samplePrompts: [...samplePrompt], sampleTokens };
  const found: string[] = [];
  for (const { messages } of rows) {
    if (found.length === 4) break;
    const question = messages.at(-2)!.content;
    if (fits(question)) found.push(question);
  }
  return { samplePrompts: found, sampleTokens };
}
