/** The public API: what `import … from 'athanor'` gives. */

export { AthanorError, type ErrorCode } from './base/errors.ts';
export {
  loadGpt,
  loadScoringModel,
  saveGpt,
  saveScoringModel,
  scoringModelFrom,
} from './checkpoint/gpt-folder.ts';
export { type CorpusOptions, readCorpus } from './data/corpus/corpus.ts';
export type { CorpusItem, Document, Dropped } from './data/document.ts';
export { type PackagedName, packagedDocuments, packagedNames } from './data/packaged/packaged.ts';
export { type RatedTerm, ratedTerms } from './data/packaged/rated-terms.ts';
export { type Comparison, type RankedPair, rankedPairs, readComparisons } from './data/rows/comparisons.ts';
export { ExampleLoader, type ExampleLoaderOptions, packExamples } from './data/rows/example-loader.ts';
export { type Instruction, readInstructions } from './data/rows/instructions.ts';
export { type Prompt, readPrompts } from './data/rows/prompts.ts';
export { splitByPrompt } from './data/rows/row-split.ts';
export type { RowCounts, RowOptions, RowsRead } from './data/rows/rows.ts';
export {
  type SupervisedExample,
  type SupervisedOptions,
  type SupervisedSet,
  supervisedExamples,
} from './data/rows/supervised-examples.ts';
export {
  type EvaluationBatch,
  type EvaluationOptions,
  evaluationBatches,
} from './data/shards/evaluation-batches.ts';
export { type PrepareOptions, type PrepareReport, prepareData } from './data/shards/prepare.ts';
export { type DocumentSpan, TokenDataset } from './data/shards/token-dataset.ts';
export {
  type Batch,
  type LoaderState,
  TokenLoader,
  type TokenLoaderOptions,
} from './data/shards/token-loader.ts';
export { type Perplexity, perplexity } from './eval/perplexity.ts';
export {
  type Answer,
  type AnswerOptions,
  Conversation,
  type ConversationOptions,
} from './generate/conversation.ts';
export { generateText, type TextCompletion, type TextOptions } from './generate/generate-text.ts';
export {
  type Completion,
  type GenerateOptions,
  generate,
  type SamplingOptions,
} from './generate/generator.ts';
export { KvCache } from './generate/kv-cache.ts';
export type { DType, TypedArray } from './native/binding.ts';
export type { ModelConfig } from './nn/config.ts';
export { Decoder, type GptInput, type GptOptions, type WeightDType } from './nn/decoder.ts';
export type { EmbeddingNoise } from './nn/embedding-noise.ts';
export { Gpt } from './nn/gpt.ts';
export { growVocabulary } from './nn/grow-vocabulary.ts';
export { Initializer } from './nn/init.ts';
export { Embedding, LayerNorm, Linear, type Norm, RmsNorm } from './nn/layers.ts';
export {
  attachLora,
  LoraAdapters,
  type LoraOptions,
  type LoraTarget,
  loraTargets,
  type MergedParameter,
} from './nn/lora.ts';
export { Module } from './nn/module.ts';
export { presetConfig, presetNames } from './nn/presets.ts';
export { ScoringModel } from './nn/scoring-model.ts';
export { AdamW, type AdamWOptions } from './optim/adamw.ts';
export { learningRate, type ScheduleOptions } from './optim/schedule.ts';
export { backward, checkpoint, needsGrad, noGrad, record } from './tensor/autograd.ts';
export { gelu, relu, swiglu } from './tensor/ops/activation.ts';
export { type AttentionShape, causalSelfAttention, type SequenceIndex } from './tensor/ops/attention.ts';
export { add, axpby, cast, mean, mul, scale, sub, sum } from './tensor/ops/elementwise.ts';
export { embedding } from './tensor/ops/embedding.ts';
export { type FeedForwardWeights, geluFeedForward, linear } from './tensor/ops/linear.ts';
export {
  type CrossEntropyOptions,
  type CrossEntropyResult,
  type LogProbResult,
  linearCrossEntropy,
  linearLogProb,
} from './tensor/ops/loss.ts';
export type { LowRank } from './tensor/ops/low-rank.ts';
export { layerNorm, type NormResult, rmsNorm } from './tensor/ops/norm.ts';
export {
  gae,
  klPenalty,
  type PolicyLossInputs,
  type PolicyLossOptions,
  type PolicyLossResult,
  policyLoss,
  type ValueLossOptions,
  valueLoss,
  whiten,
} from './tensor/ops/policy.ts';
export {
  type DpoKind,
  type DpoLossOptions,
  dpoLoss,
  type RankingLossOptions,
  rankingLoss,
} from './tensor/ops/preference.ts';
export { gatherRows, reshape } from './tensor/ops/rows.ts';
export { segmentSum } from './tensor/ops/segments.ts';
export { empty, full, keep, parameter, type Shape, scope, Tensor, tensor, zeros } from './tensor/tensor.ts';
export {
  ChatTemplate,
  type EncodedDialogue,
  type Message,
  type RenderOptions,
} from './text/chat-template.ts';
export { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from './text/default-chat-template.ts';
export { Tokenizer } from './text/tokenizer.ts';
export type { Evaluation, Sample, TrainStage } from './train/loop/stage.ts';
export { Trainer, type TrainerHooks, type TrainerOptions, type TrainResult } from './train/loop/trainer.ts';
