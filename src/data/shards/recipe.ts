/** The options of `data prepare` that decide the bytes of the folder. */
import type { JsonObject } from '../../base/json.ts';
import type { CorpusSource } from '../corpus/source.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import type { PrepareOptions } from './prepare.ts';

/**
 * @param funnel names the filters with their versions and rules
 * @param tokenizer the fingerprint of a given tokenizer; undefined where one is trained
 */
export function recipeOf(
  options: PrepareOptions,
  funnel: readonly FunnelStep[],
  tokenizer: string | undefined,
): JsonObject {
  const { dedup = 'exact', textKey = 'text', separator, partBytes, minChars, validationSplit } = options;
  const optional = {
    separator,
    partBytes,
    split: options.split,
    stdinFormat: options.stdinFormat,
    dedupKeep: options.dedupKeep,
    dedupNgram: options.dedupNgram,
    dedupBands: options.dedupBands,
    dedupRows: options.dedupRows,
    dedupRun: options.dedupRun,
    dedupMinChars: options.dedupMinChars,
    against: options.against && [...options.against],
    decontaminate: options.decontaminate && [...options.decontaminate],
    decontaminateNgram: options.decontaminateNgram,
    decontaminateShortest: options.decontaminateShortest,
    decontaminateReport: options.decontaminateReport,
    shardTokens: options.shardTokens,
  };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    sources: options.sources.map((source) => (typeof source === 'string' ? source : withoutGaps(source))),
    textKey,
    minChars,
    validationSplit,
    filters: funnel.map(({ filter, version, rules }) => ({ filter, version, rules: { ...rules } })),
    dedup,
    ...(tokenizer === undefined ? { vocabSize: options.vocabSize } : { tokenizer }),
    ...(Object.fromEntries(given) as JsonObject),
  };
}

function withoutGaps(source: CorpusSource): JsonObject {
  const given = Object.entries(source).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as JsonObject;
}
