/** The steps of `data prepare` on one rank, and what they leave in `OUT.partial`. */
import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError, fileError } from '../../base/errors.ts';
import { syncFolder } from '../../base/files/create-folder.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { packageVersion } from '../../base/package-version.ts';
import type { Ranks } from '../../comm/communicator.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { sourceNames } from '../corpus/source.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import { assemble } from './assemble.ts';
import { RECIPE, recipeText } from './corpus-recipe.ts';
import { type Decisions, decide, readDecisions } from './decide.ts';
import { NothingUsable } from './document-filter.ts';
import { decidedTexts, encodeUnit, separatorOf, widthOf } from './encode-unit.ts';
import { addFunnels, summaryOf, type UnitSummary } from './filter-unit.ts';
import { checkUnchanged, writeInputs } from './inputs.ts';
import { MANIFEST, type Manifest, readManifest } from './manifest.ts';
import type { PartialFolder, ResultKind } from './partial-folder.ts';
import { areIntact, type PieceRecord, recordsBelow } from './piece-files.ts';
import { interrupted, type WorkUnit } from './plan.ts';
import { continuePlan, isPublished, joinPlan, type KnownPlan } from './plan-folder.ts';
import type { PrepareOptions, PreparePhase, PrepareProgress } from './prepare.ts';
import { RankMeeting } from './rank-meeting.ts';
import { addStatistics, type CorpusStatistics, newStatistics, writeStatistics } from './statistics.ts';
import { filterUnits } from './unit-threads.ts';

const SHARD_TOKENS = 100_000_000;
/** The files of the tokenizer with their digests. */
const TOKENIZER = 'tokenizer.json';

export interface PrepareJobParts {
  folder: PartialFolder;
  options: PrepareOptions;
  ranks: Ranks;
  /** The tokenizer that was given. */
  tokenizer: Tokenizer | undefined;
  /** The filters with their versions and rules. */
  funnel: readonly FunnelStep[];
  threads: number;
}

export class PrepareJob {
  readonly #parts: PrepareJobParts;
  readonly #folder: PartialFolder;
  readonly #options: PrepareOptions;
  readonly #meeting: RankMeeting;
  #progress: PrepareProgress = newProgress('reading the inputs', 0);

  constructor(parts: PrepareJobParts) {
    this.#parts = parts;
    this.#folder = parts.folder;
    this.#options = parts.options;
    this.#meeting = new RankMeeting(parts.folder, parts.ranks, parts.options.signal);
  }

  /** Returns the manifest of the folder that is there then. Throws as prepareData. */
  async run(): Promise<Manifest> {
    if (existsSync(this.#folder.out)) return this.#finished();
    try {
      this.#folder.makeFolders();
      return await (this.#parts.ranks.rank === 0 ? this.#runFirst() : this.#runOther());
    } catch (error) {
      this.#meeting.fail(error);
      // What nobody can continue does not stay. Other ranks still read why this one ended.
      if (this.#parts.ranks.size === 1 && !this.#folder.hasResults()) this.#folder.remove();
      throw (error as NodeJS.ErrnoException).syscall ? fileError(error, this.#folder.path, 'write') : error;
    } finally {
      this.#meeting.close();
    }
  }

  /** The folder of this run, if only the end of the run is missing. */
  #finished(): Manifest {
    const { out } = this.#folder;
    const { ranks, tokenizer, funnel } = this.#parts;
    const isOwn = isPublished(this.#folder, this.#options, { tokenizer, funnel });
    if (ranks.rank === 0 && !isOwn) {
      throw new AthanorError('ERR_ARGUMENT', `${out} exists already`, 'delete it or name another `out`');
    }
    if (ranks.rank === 0) this.#folder.remove();
    return readManifest(out);
  }

  async #runFirst(): Promise<Manifest> {
    const { tokenizer, funnel } = this.#parts;
    const plan = await continuePlan(this.#folder, this.#options, { tokenizer, funnel }, (bytes) =>
      this.#count(0, bytes, 0, bytes),
    );
    this.#meeting.open();
    await this.#filter(plan);
    await this.#wait('filtered');
    const decisions = await this.#decide(plan);
    const used = await this.#tokenizer(plan, decisions);
    this.#meeting.tell('decided');
    await this.#encode(plan, used);
    await this.#wait('encoded');
    return this.#finish(plan, decisions, used);
  }

  async #runOther(): Promise<Manifest> {
    const { tokenizer, funnel } = this.#parts;
    const isOver = () => existsSync(join(this.#folder.out, MANIFEST));
    this.#begin('waiting for other ranks', 0);
    await this.#meeting.join(isOver);
    if (!isOver()) {
      const plan = joinPlan(this.#folder, this.#options, { tokenizer, funnel });
      await this.#filter(plan);
      this.#meeting.tell('filtered');
      await this.#wait('decided');
      await this.#encode(plan, Tokenizer.load(this.#folder.tokenizer));
      this.#meeting.tell('encoded');
      this.#begin('waiting for other ranks', 0);
      await this.#meeting.until(isOver);
    }
    return readManifest(this.#folder.out);
  }

  /** Waits for the ranks on the other side. */
  async #wait(step: 'filtered' | 'decided' | 'encoded'): Promise<void> {
    if (this.#parts.ranks.size === 1) return;
    this.#begin('waiting for other ranks', 0);
    await this.#meeting.wait(step);
  }

  /** The units of this rank. */
  #own(units: readonly WorkUnit[]): { index: number; unit: WorkUnit }[] {
    const { rank, size } = this.#parts.ranks;
    return units.map((unit, index) => ({ index, unit })).filter(({ index }) => index % size === rank);
  }

  /** Those whose result is not there. A result that is damaged is made again. */
  #missing(units: readonly WorkUnit[], kind: ResultKind): { index: number; unit: WorkUnit }[] {
    return this.#own(units).filter(({ index }) => {
      if (this.#options.signal?.aborted) throw interrupted();
      if (this.#folder.isDone(index, kind) && !(kind === 'filtered' && this.#hasBad(index))) return false;
      this.#folder.forget(index, kind);
      return true;
    });
  }

  /** A run before may have left out lines at which this one stops. */
  #hasBad(index: number): boolean {
    return this.#options.onBadLine === 'fail' && summaryOf(this.#folder.record(index, 'filtered')!).bad > 0;
  }

  async #filter({ units }: KnownPlan): Promise<void> {
    const { onResumed, signal, textKey, separator, partBytes, onBadLine, filters = [] } = this.#options;
    const { decontaminate = [] } = this.#options;
    const own = this.#own(units);
    const jobs = this.#missing(units, 'filtered');
    if (jobs.length < own.length) onResumed?.({ done: own.length - jobs.length, units: own.length });
    this.#begin('filtering', sumOf(jobs));
    let [read, kept] = [0, 0];
    await filterUnits(jobs, {
      threads: this.#parts.threads,
      out: this.#folder.out,
      reading: { textKey, separator, partBytes, onBadLine, keepsUnedited: decontaminate.length > 0 },
      filters,
      signal,
      onRead: (documents, bytes) => this.#count(documents, bytes, 0, 0),
      onDone: (index, { bytes, kept_bytes }) => {
        read += bytes;
        kept += kept_bytes;
        this.#progress.kept = read === 0 ? 1 : kept / read;
        this.#count(0, 0, 0, units[index]!.bytes);
      },
    });
  }

  async #decide({ units }: KnownPlan): Promise<Decisions> {
    const known = readDecisions(this.#folder, units.length);
    if (known) return known;
    const total = units.reduce((sum, _, index) => sum + this.#summary(index).kept_bytes, 0);
    for (const index of units.keys()) this.#folder.forget(index, 'encoded');
    const decisions = decide(this.#folder, units.length, {
      ...this.#options,
      onDocument: (phase, bytes) => {
        if (phase !== this.#progress.phase) this.#begin(phase, total);
        this.#count(1, bytes, 0, bytes);
      },
    });
    return decisions.catch((error) => {
      // The user corrects an option, and a folder of other options would be in the way.
      if (error instanceof NothingUsable) this.#folder.empty();
      throw error;
    });
  }

  /** The given tokenizer, or one that is trained. It lies where all ranks find it. */
  async #tokenizer({ units }: KnownPlan, { bytes }: Decisions): Promise<Tokenizer> {
    const { tokenizer: folder } = this.#folder;
    const given = this.#parts.tokenizer;
    const files = this.#folder.read(TOKENIZER) as Record<string, PieceRecord> | undefined;
    if (given === undefined && files && areIntact(folder, files)) return Tokenizer.load(folder);
    if (given === undefined) this.#begin('training the tokenizer', bytes);
    const tokenizer = given ?? (await this.#train(units.length));
    separatorOf(tokenizer);
    this.#folder.clear(folder);
    tokenizer.save(folder);
    this.#folder.write(TOKENIZER, recordsBelow(folder));
    return tokenizer;
  }

  #train(units: number): Promise<Tokenizer> {
    const folder = this.#folder;
    const count = (bytes: number) => this.#count(1, bytes, 0, bytes);
    function* texts() {
      for (let unit = 0; unit < units; unit++) {
        for (const { split, text } of decidedTexts(folder, unit)) {
          if (split !== 'train') continue;
          count(text.length);
          yield text;
        }
      }
    }
    const { vocabSize, signal } = this.#options;
    return Tokenizer.train(texts(), { vocabSize, signal });
  }

  async #encode({ units }: KnownPlan, tokenizer: Tokenizer): Promise<void> {
    const jobs = this.#missing(units, 'encoded');
    this.#begin('encoding', sumOf(jobs));
    for (const { index, unit } of jobs) {
      await encodeUnit(this.#folder, index, tokenizer, (documents, bytes, tokens) => {
        if (this.#options.signal?.aborted) throw interrupted();
        this.#count(documents, bytes, tokens, 0);
      });
      this.#count(0, 0, 0, unit.bytes);
    }
  }

  async #finish(plan: KnownPlan, decisions: Decisions, tokenizer: Tokenizer): Promise<Manifest> {
    const { units, inputs, times, recipe } = plan;
    checkUnchanged(inputs, times);
    const { result, out } = this.#folder;
    this.#begin('writing the shards', units.length);
    const written = await assemble(this.#folder, {
      units: units.length,
      width: widthOf(tokenizer),
      separator: separatorOf(tokenizer),
      shardTokens: this.#options.shardTokens ?? SHARD_TOKENS,
      sources: sourceNames(this.#options.sources),
      onUnit: async () => {
        if (this.#options.signal?.aborted) throw interrupted();
        this.#count(0, 0, 0, 1);
        await yieldToEvents();
      },
    });
    tokenizer.save(result);
    const { funnel, statistics } = this.#sums(units.length);
    writeStatistics(result, statistics);
    replaceFile(join(result, RECIPE), recipeText(this.#options));
    const manifest: Manifest = {
      format: 'athanor-tokens',
      version: 2,
      athanor: packageVersion(),
      vocab_size: tokenizer.vocabSize,
      eos_id: separatorOf(tokenizer),
      width: widthOf(tokenizer),
      tokenizer_fingerprint: tokenizer.fingerprint(),
      ...written,
      inputs: writeInputs(result, inputs),
      recipe,
      dropped: decisions.dropped,
      ...(funnel.length > 0 && { funnel }),
      dedup: decisions.dedup,
      ...(this.#options.mix && { mix: this.#options.mix }),
      ...(decisions.decontamination && { decontamination: decisions.decontamination }),
    };
    replaceFile(join(result, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    publish(result, out);
    this.#folder.remove();
    return manifest;
  }

  #summary(unit: number): UnitSummary {
    return summaryOf(this.#folder.record(unit, 'filtered')!);
  }

  /** What the filters did to all units. There may be too many for the memory. */
  #sums(units: number): { funnel: FunnelStep[]; statistics: CorpusStatistics } {
    let funnel: FunnelStep[] = [];
    const statistics = newStatistics();
    for (let unit = 0; unit < units; unit++) {
      const summary = this.#summary(unit);
      funnel = unit === 0 ? summary.funnel : addFunnels([funnel, summary.funnel]);
      addStatistics(statistics, summary.statistics);
    }
    return { funnel, statistics };
  }

  #begin(phase: PreparePhase, total: number): void {
    const { kept } = this.#progress;
    this.#progress = { ...newProgress(phase, total), kept };
    this.#options.onProgress?.(this.#progress);
  }

  #count(documents: number, bytes: number, tokens: number, done: number): void {
    const progress = this.#progress;
    progress.documents += documents;
    progress.bytes += bytes;
    progress.tokens += tokens;
    progress.done += done;
    this.#options.onProgress?.(progress);
  }
}

const newProgress = (phase: PreparePhase, total: number): PrepareProgress => ({
  phase,
  documents: 0,
  bytes: 0,
  tokens: 0,
  kept: 1,
  done: 0,
  total,
});

const sumOf = (jobs: readonly { unit: WorkUnit }[]) => jobs.reduce((sum, { unit }) => sum + unit.bytes, 0);

/** The folder appears at once and complete. */
function publish(result: string, out: string): void {
  syncFolder(result);
  if (existsSync(out)) throw new AthanorError('ERR_ARGUMENT', `${out} exists already`, 'delete it');
  renameSync(result, out);
  syncFolder(dirname(out));
}
