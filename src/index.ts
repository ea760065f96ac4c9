/**
 * The public API: what `import … from 'athanor'` gives. It has all that the command line has: each
 * stage is a function, and so is each part of one.
 */

export { AthanorError, type ErrorCode } from './base/errors.ts';
export type { WrittenFile } from './base/files/hashed-file.ts';
export type { JsonObject, JsonValue } from './base/json.ts';
export {
  type BootstrapOptions,
  type BootstrapResult,
  type CalibrationBin,
  type Interval,
  meanInterval,
  meanShareInterval,
  pairedBootstrap,
  wilsonInterval,
} from './base/statistics.ts';
// Checkpoints and model folders
export { type CarriedFields, readCarriedFields } from './checkpoint/carried-fields.ts';
export type { CheckpointContents } from './checkpoint/checkpoint-folder.ts';
export { type ConvertOptions, type ConvertReport, convertModel } from './checkpoint/convert/convert-model.ts';
export { type ExportedGguf, type ExportGgufOptions, exportGguf } from './checkpoint/gguf/export-gguf.ts';
export { type GgufType, ggufTypes } from './checkpoint/gguf/gguf-types.ts';
export {
  isScoringModel,
  loadModel,
  loadScoringModel,
  type SaveModelOptions,
  saveModel,
  saveScoringModel,
  scoringModelFrom,
} from './checkpoint/gpt-folder.ts';
export {
  type ModelFiles,
  ModelFolder,
  readModelFiles,
} from './checkpoint/load-model.ts';
export { type AdapterContents, writeAdapter } from './checkpoint/peft/write-adapter.ts';
export type { SafetensorsFile } from './checkpoint/safetensors.ts';
export type { TensorInfo } from './checkpoint/safetensors-header.ts';
export { type WriteModelOptions, writeModelFiles } from './checkpoint/save-model.ts';
export {
  CheckpointStore,
  DamagedCheckpointError,
  type LoadedCheckpoint,
  type SavedCheckpoint,
  type StoreOptions,
} from './checkpoint/store.ts';
export type { LateTensorSource, ParameterData, TensorData, TensorSource } from './checkpoint/tensor-data.ts';
export { stopTokensOf, type TextEnd, type TextEnds, textEnds } from './checkpoint/text-ends.ts';
export type { Run } from './comm/batch-sums.ts';
// What a run knows of its surroundings
export type { Communicator, Piece, Ranks, Work } from './comm/communicator.ts';
export { defaultCommTimeout, type JoinOptions, joinRanks } from './comm/join.ts';
export { type Environment, type Launch, readLaunch } from './comm/launcher.ts';
export type { ParameterShare } from './comm/parameter-share.ts';
export { type Cores, placementNotes } from './comm/placement.ts';
export { createRunContext, type RunConsole, type RunContext } from './comm/run-context.ts';
export { selfCommunicator } from './comm/self-communicator.ts';
// Data
export { type CorpusOptions, readCorpus } from './data/corpus/corpus.ts';
export type { CorpusSource } from './data/corpus/source.ts';
export {
  type Contamination,
  type DecontaminationOptions,
  Decontaminator,
  decontaminationDefaults,
  type EvaluationSet,
  type EvaluationSource,
  withoutContaminated,
} from './data/dedup/decontaminate.ts';
export { type EvaluationText, evaluationTexts } from './data/dedup/evaluation-texts.ts';
export {
  comparedWords,
  MinHasher,
  type MinHashOptions,
  matchProbability,
  minHashDefaults,
  signatureSimilarity,
} from './data/dedup/minhash.ts';
export {
  findNearDuplicates,
  type KeepPolicy,
  NearDuplicateFinder,
  type NearDuplicateOptions,
  type NearDuplicateReport,
  NearDuplicates,
  withoutNearDuplicates,
} from './data/dedup/near-duplicates.ts';
export {
  type RemainingText,
  type RepeatedPartOptions,
  RepeatedParts,
  type RepeatedUnit,
  withoutRepeatedParts,
} from './data/dedup/repeated-parts.ts';
export {
  type RepeatedRunOptions,
  RepeatedRuns,
  repeatedRunDefaults,
  withoutRepeatedRuns,
} from './data/dedup/repeated-runs.ts';
export type { CorpusItem, Document, Dropped, DropReason } from './data/document.ts';
export type { Rejection, RuleSetting, RuleSettings } from './data/filters/filter.ts';
export {
  FilterChain,
  type FilterRecipe,
  type FilterResult,
  type FunnelStep,
  filterDocument,
  filterDocuments,
} from './data/filters/filter-documents.ts';
export type { MeasureCounts, MeasureScale } from './data/filters/measures.ts';
export { maskPersonalData, type PersonalDataKinds } from './data/filters/personal-data.ts';
export { type FilterName, type FilterSpec, filterNames, recipeNames } from './data/filters/presets.ts';
export { type LabelledMail, labelledMail } from './data/packaged/labelled-mail.ts';
export { type PackagedName, packagedDocuments, packagedNames } from './data/packaged/packaged.ts';
export { type RatedTerm, ratedTerms } from './data/packaged/rated-terms.ts';
export { type Comparison, type RankedPair, rankedPairs, readComparisons } from './data/rows/comparisons.ts';
export type { RefusalOptions } from './data/rows/encoded-rows.ts';
export { ExampleLoader, type ExampleLoaderOptions, packExamples } from './data/rows/example-loader.ts';
export { type Instruction, readInstructions } from './data/rows/instructions.ts';
export { type LabelledOptions, type LabelledRow, readLabelled } from './data/rows/labelled.ts';
export { type Prompt, readPrompts } from './data/rows/prompts.ts';
export { type Rating, readRatings } from './data/rows/ratings.ts';
export { type RowSplit, splitByPrompt } from './data/rows/row-split.ts';
export type { RowCounts, RowOptions, RowsRead } from './data/rows/rows.ts';
export {
  type SupervisedExample,
  type SupervisedOptions,
  type SupervisedSet,
  supervisedExamples,
} from './data/rows/supervised-examples.ts';
export { type CorpusRecipe, readRecipe } from './data/shards/corpus-recipe.ts';
export {
  type DecontaminationReport,
  type DedupMethod,
  type DedupOptions,
  type DedupReport,
  dedupMethods,
} from './data/shards/deduplication.ts';
export {
  type EvaluationBatch,
  type EvaluationBatchOptions,
  evaluationBatches,
} from './data/shards/evaluation-batches.ts';
export type { Inputs, Manifest, SourceEntry, Split } from './data/shards/manifest.ts';
export {
  type Mix,
  type MixPhase,
  parseMix,
  readMixSchedule,
  type SourceAmount,
} from './data/shards/mix.ts';
export {
  MixedLoader,
  type MixedLoaderOptions,
  type MixedLoaderState,
  type SourceProgress,
} from './data/shards/mixed-loader.ts';
export { type PackagedRecipe, packagedRecipeNames } from './data/shards/packaged-recipes.ts';
export {
  type PrepareOptions,
  type PreparePhase,
  type PrepareProgress,
  type PrepareReport,
  prepareData,
} from './data/shards/prepare.ts';
export type { ShardEntry } from './data/shards/shard-writer.ts';
export type { TokenRow } from './data/shards/source-row.ts';
export { type CorpusStatistics, type Counts, readStatistics } from './data/shards/statistics.ts';
export { type DocumentSpan, TokenDataset } from './data/shards/token-dataset.ts';
export {
  type LoaderState,
  TokenLoader,
  type TokenLoaderOptions,
  type TokenWindows,
} from './data/shards/token-loader.ts';
export { type PackedTokens, TokenBatch } from './data/token-batch.ts';
// Evaluation
export { isCorrect } from './eval/exact-match.ts';
export type { AnsweringOptions, EvaluationOptions, Metrics } from './eval/options.ts';
export {
  type FolderPerplexityOptions,
  folderPerplexity,
  type Perplexity,
  type PerplexityOptions,
  perplexity,
} from './eval/perplexity.ts';
export { preferenceAccuracy } from './eval/preference-accuracy.ts';
export { type QuantizationCost, quantizationCost } from './eval/quantization-cost.ts';
export { folderAnswers, type Questions, questionAccuracy, readQuestions } from './eval/questions.ts';
export { type WinRateJudge, winRate } from './eval/win-rate.ts';
export type { AnyRecord, RecordKind } from './feedback/lines.ts';
// Feedback
export type {
  AnswerRecord,
  AnswerRef,
  ComparisonRecord,
  FeedbackRecord,
  SafetyEvent,
  Sender,
} from './feedback/records.ts';
export type { Keyed, NewAnswer } from './feedback/rows.ts';
export {
  type Added,
  type Deletion,
  FeedbackStore,
  type NewComparison,
  type NewFeedback,
  type OpenOptions,
  type RecordCounts,
  type StoreStats,
} from './feedback/store.ts';
export { type FeedbackRowSettings, feedbackRowDefaults } from './feedback/training-rows/settings.ts';
export type { FeedbackSource } from './feedback/training-rows/source.ts';
export {
  type FeedbackRowHooks,
  type FeedbackRowsReport,
  writeFeedbackRows,
} from './feedback/training-rows/write-rows.ts';
export {
  exportFeedback,
  type ImportReport,
  importFeedback,
  type KindCounts,
} from './feedback/transfer.ts';
// Generation
export { Batch, type BatchEvent, type BatchOptions } from './generate/batch.ts';
export {
  type Answer,
  type AnswerOptions,
  Conversation,
  type ConversationOptions,
  type Turn,
} from './generate/conversation.ts';
export { type GenerateOptions, generate, type TokenEvent } from './generate/generate.ts';
export {
  continueTokens,
  generateText,
  promptTokens,
  type TextCompletion,
  type TextOptions,
} from './generate/generate-text.ts';
export { type Constraint, Constraints, type ConstraintsOptions } from './generate/grammar/constraint.ts';
export type { Rule } from './generate/grammar/rule.ts';
export { KvCache } from './generate/kv-cache.ts';
export type { SamplingOptions } from './generate/sampling.ts';
export type { BatchRequest, Completion, FinishReason } from './generate/sequence.ts';
export { TextStream, type TextStreamOptions } from './generate/text-stream.ts';
export type { TokenReport } from './generate/token-reports.ts';
// Improvement
export type { GateReport } from './improve/gates/gate.ts';
export { type ImproveOptions, type ImproveReport, improve, rollback } from './improve/improve.ts';
export type { LinkChange } from './improve/promotion.ts';
export { type ImproveSettings, type ImproveStages, improveDefaults } from './improve/settings.ts';
export type { FrozenFormat, FrozenMatrix } from './native/binding/frozen.ts';
export type { KlEstimator } from './native/binding/policy.ts';
export type {
  NativeNormalizerStep,
  NativePieceStep,
  SplitBehavior,
  SplitPattern,
} from './native/binding/text.ts';
// The engine
export type { DType, TypedArray } from './native/binding.ts';
export {
  currentDevice,
  type Device,
  type DeviceOptions,
  type Precision,
  resolveDtype,
  setDevice,
  setThreads,
} from './native/engine.ts';
export type { DecoderCache } from './nn/cached-decoder.ts';
// Models
export type {
  Activation,
  BlockSpec,
  HeadKind,
  ModelConfig,
  NormKind,
  NormPlacement,
  QueryKeyNorm,
} from './nn/config.ts';
export type { ModelDescription } from './nn/config-json.ts';
export { Decoder, type GptInput, type GptOptions, type WeightDType } from './nn/decoder.ts';
export type { EmbeddingNoise } from './nn/embedding-noise.ts';
export { Gpt } from './nn/gpt.ts';
export { growVocabulary } from './nn/grow-vocabulary.ts';
export { Initializer } from './nn/init.ts';
export {
  Embedding,
  LayerNorm,
  Linear,
  type LinearOptions,
  type Norm,
  Projection,
  type ProjectionOptions,
  RmsNorm,
} from './nn/layers.ts';
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
export type { StoredQuantization } from './nn/quantization-config.ts';
export {
  type Quantization,
  QuantizedWeights,
  quantizeForDecoding,
} from './nn/quantized-weights.ts';
export type { RopeScaling, RopeSpec } from './nn/rope.ts';
export { type ScoreReading, ScoringModel } from './nn/scoring-model.ts';
export { AdamW, type AdamWOptions, adamwDefaults } from './optim/adamw.ts';
export { learningRate, type ScheduleName, type ScheduleOptions } from './optim/schedule.ts';
// Metrics, progress and reports
export type { ChartLine, ChartSpec } from './report/chart-specs.ts';
export { type ComparisonOptions, writeComparison } from './report/comparison.ts';
export { writeCorpusReport } from './report/corpus-report.ts';
export {
  type BarFigure,
  type BinnedFigure,
  type CalibrationFigure,
  type Figure,
  figureEvent,
  type HistogramFigure,
  type ShareFigure,
} from './report/figures.ts';
export { type ReportOptions, writeReport } from './report/html-report.ts';
export { type MetricRecord, MetricsLog, type MetricValue, readMetrics } from './report/metrics-log.ts';
export type { LineSource } from './report/page-data.ts';
export {
  createProgress,
  type Progress,
  type ProgressOptions,
  type ProgressUpdate,
} from './report/progress.ts';
export type {
  MarkedText,
  ReportCell,
  ReportLink,
  ReportStage,
  ReportTable,
} from './report/sections/section.ts';
export {
  type ModerationScores,
  type PromptCheckOptions,
  type RunningClassifier,
  SafetyChecks,
  type SafetyFinding,
  type SafetyVerdict,
} from './safety/checks.ts';
export type {
  ClassifierQuestion,
  ClassifierThreadSettings,
} from './safety/classifier-messages.ts';
export type { ClassifierSource } from './safety/classifier-thread.ts';
export {
  type PolicyCategory,
  type PolicyClassifier,
  type PolicyEntry,
  type SafetyAction,
  SafetyPolicy,
  type Side,
} from './safety/policy.ts';
export type { ReadingLimit } from './safety/reading-limit.ts';
export type { OnProgress, ResponseCheck } from './safety/response-check.ts';
// Scoring
export { type BestCompletion, type BestOfOptions, bestOf } from './scoring/best-of.ts';
export { type BestText, type BestTextsOptions, bestTexts } from './scoring/best-texts.ts';
export {
  type DecisionMetrics,
  decisionMetrics,
  type LabelledProbability,
  rocAuc,
  thresholdFor,
} from './scoring/binary-metrics.ts';
export {
  type Classified,
  Classifier,
  type ClassifierInfo,
  type ClassifierInput,
  readClassifierInfo,
} from './scoring/classifier.ts';
export { classifyDocuments, type ScoredDocument } from './scoring/classify-documents.ts';
export type { RewardFunction } from './scoring/reward-calls.ts';
export type { Answer as ScoredAnswer, RewardSource } from './scoring/reward-source.ts';
export { type TextLogProbs, textLogProbs } from './scoring/text-log-probs.ts';
// Serving
export { addKey } from './serve/access/keys.ts';
export type { RateLimits } from './serve/access/rates.ts';
export type { RequestLimits } from './serve/api/limits.ts';
export type { Reloaded } from './serve/host/engine-switch.ts';
export type {
  CancelledEvent,
  EngineEvent,
  FeedbackEvent,
  ModelEvent,
  QuantizationEvent,
  RequestEvent,
  SafetyNotice,
  ServeEvent,
} from './serve/protocol/events.ts';
export type { ModelInfo } from './serve/protocol/messages.ts';
export { type RunningServer, type ServeHooks, type ServeOptions, serve } from './serve/serve.ts';
export { type ServeSettings, serveDefaults } from './serve/settings.ts';
// Tensors
export {
  type Accumulate,
  type BackwardOptions,
  backward,
  checkpoint,
  type GradNode,
  needsGrad,
  noGrad,
  type OutputGrads,
  record,
} from './tensor/autograd.ts';
export { FrozenWeight, type Weight } from './tensor/frozen-weight.ts';
export { geglu, gelu, geluErf, relu, swiglu } from './tensor/ops/activation.ts';
export { type AttentionShape, causalSelfAttention, type SequenceIndex } from './tensor/ops/attention.ts';
export { binaryCrossEntropy } from './tensor/ops/classification.ts';
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
  type KtoLossOptions,
  ktoLoss,
  type RankingLossOptions,
  rankingLoss,
} from './tensor/ops/preference.ts';
export { gatherRows, reshape } from './tensor/ops/rows.ts';
export { segmentBroadcast, segmentSum } from './tensor/ops/segments.ts';
export {
  empty,
  full,
  type GradMemory,
  keep,
  parameter,
  type Residence,
  type Shape,
  scope,
  Tensor,
  tensor,
  zeros,
} from './tensor/tensor.ts';
// Text
export {
  ChatTemplate,
  type ChatTemplateOptions,
  type EncodedAnswer,
  type EncodedDialogue,
  type Message,
  type RenderOptions,
  type TemplateInputs,
} from './text/chat-template.ts';
export { CHAT_TOKENS, DEFAULT_CHAT_TEMPLATE } from './text/default-chat-template.ts';
export type { Limits as TemplateLimits } from './text/jinja/budget.ts';
export type { Pipeline, PipelineJson, TextStart } from './text/pipeline.ts';
export type { TextFrame } from './text/post-processor.ts';
export { RefusedMessages } from './text/refused-messages.ts';
export type { StreamDecoder } from './text/stream-decoder.ts';
export {
  type DecodeOptions,
  type DecodeStreamOptions,
  type EncodeOptions,
  Tokenizer,
} from './text/tokenizer.ts';
export type { TokenRole } from './text/tokenizer-class.ts';
export type { NamedToken } from './text/tokenizer-config.ts';
export type { TokenizerProgress, TrainTokenizerOptions } from './text/train.ts';
export type { CharacterModel, Vocabulary } from './text/vocabulary.ts';
// Training: the stages
export { type ClassifierOptions, classifier } from './train/classifier/run.ts';
export { type ClassifierSettings, classifierDefaults } from './train/classifier/settings.ts';
// Training: the loop
export type { StepMetrics, TrainEvent } from './train/loop/events.ts';
export type { MetricField, RunEvent } from './train/loop/run-events.ts';
export type { RunHooks, StageResult } from './train/loop/run-stage.ts';
export type { CommonSettings, EpochSettings, StageOptions, TuningSettings } from './train/loop/settings.ts';
export type { Evaluation, ParameterGroup, Sample, StageEvent, TrainStage } from './train/loop/stage.ts';
export { type TerminalProgressOptions, terminalProgress } from './train/loop/terminal-progress.ts';
export { type ResumeOptions, Trainer, type TrainerOptions, type TrainResult } from './train/loop/trainer.ts';
export { type TrainerSettings, trainerDefaults } from './train/loop/trainer-settings.ts';
export { type DpoOptions, dpo } from './train/preference/dpo.ts';
export { type KtoOptions, kto } from './train/preference/kto.ts';
export { type RewardOptions, reward } from './train/preference/reward.ts';
export {
  type DpoSettings,
  dpoDefaults,
  type KtoSettings,
  ktoDefaults,
  type RewardSettings,
  rewardDefaults,
} from './train/preference/settings.ts';
export { type PretrainOptions, pretrain } from './train/pretrain/run.ts';
export { type PretrainSettings, pretrainDefaults } from './train/pretrain/settings.ts';
export type { GroupBaseline } from './train/rl/advantages.ts';
export { type GrpoOptions, grpo } from './train/rl/grpo.ts';
export type { LossAggregation } from './train/rl/loss-aggregation.ts';
export type { ImportanceSamplingLevel } from './train/rl/policy-loss.ts';
export { type PpoOptions, ppo } from './train/rl/ppo.ts';
export {
  type GrpoSettings,
  grpoDefaults,
  type PpoSettings,
  ppoDefaults,
  type RolloutSettings,
} from './train/rl/settings.ts';
export { type SftOptions, sft } from './train/sft/run.ts';
export { type SftSettings, sftDefaults } from './train/sft/settings.ts';
