/**
 * The plan in `OUT.partial`: `plan.json` describes the run, `inputs.jsonl` and `units.jsonl` list
 * its inputs and units. A run continues the folder only with the same ones.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AthanorError } from '../../base/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { JsonObject } from '../../base/json.ts';
import { packageVersion } from '../../base/package-version.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { FunnelStep } from '../filters/filter-documents.ts';
import { type Input, referenceInputs } from './inputs.ts';
import { keptInput } from './kept-input.ts';
import { MANIFEST } from './manifest.ts';
import { checkSame, type PartialFolder } from './partial-folder.ts';
import { PieceReader } from './piece-files.ts';
import { planUnits, type WorkUnit } from './plan.ts';
import type { PrepareOptions } from './prepare.ts';
import { recipeOf } from './recipe.ts';

/** What a run is made of. */
export interface KnownPlan {
  units: WorkUnit[];
  inputs: Input[];
  /** As Plan has them; empty on other ranks than the first. */
  times: number[];
  recipe: JsonObject;
}

/** What is not in the options. */
export interface PlanParts {
  tokenizer: Tokenizer | undefined;
  funnel: readonly FunnelStep[];
}

const PLAN = 'plan.json';
const INPUTS = 'inputs.jsonl';
const UNITS = 'units.jsonl';

/**
 * The plan of this run, on the first rank. It is written if there is none. Throws ERR_MISMATCH when
 * the folder is of another run, and the errors of planUnits and of writing.
 */
export async function continuePlan(
  folder: PartialFolder,
  options: PrepareOptions,
  parts: PlanParts,
  onBytes: (bytes: number) => void,
): Promise<KnownPlan> {
  if (options.fresh) folder.empty();
  folder.makeFolders();
  const { recipe, now } = descriptionOf(options, parts);
  // A folder without results is as good as none.
  const before = folder.hasResults() ? folder.read(PLAN) : undefined;
  // Before the inputs are read, which may take minutes.
  if (before) checkSame(folder, before, now);
  else {
    folder.empty();
    folder.makeFolders();
  }
  const stdinFile = await keptInput(folder, options);
  const { units, inputs, times } = await planUnits({ ...options, stdinFile, onBytes });
  inputs.push(...(await referenceInputs(options, parts.funnel, options.signal)));
  if (before) {
    checkInputs(folder, inputs);
  } else {
    writeRows(join(folder.path, INPUTS), inputs);
    folder.write(PLAN, now);
  }
  // Other ranks read them. The file of standard input may lie elsewhere than before.
  writeRows(join(folder.path, UNITS), units);
  return { units, inputs, times, recipe };
}

/** The plan that the first rank wrote. Throws ERR_MISMATCH when it has other options. */
export function joinPlan(folder: PartialFolder, options: PrepareOptions, parts: PlanParts): KnownPlan {
  const { recipe, now } = descriptionOf(options, parts);
  checkSame(folder, folder.read(PLAN) ?? {}, now);
  return {
    units: [...rows<WorkUnit>(join(folder.path, UNITS))],
    inputs: [...rows<Input>(join(folder.path, INPUTS))],
    times: [],
    recipe,
  };
}

/** Whether this run was killed between the moment at which `out` appeared and its end. */
export function isPublished(folder: PartialFolder, options: PrepareOptions, parts: PlanParts): boolean {
  const isThere = existsSync(join(folder.out, MANIFEST)) && !existsSync(folder.result);
  return isThere && isDeepStrictEqual(folder.read(PLAN), descriptionOf(options, parts).now);
}

function descriptionOf(options: PrepareOptions, { funnel, tokenizer }: PlanParts) {
  const given = recipeOf(options, funnel, tokenizer?.fingerprint());
  // As it is after a way through a file.
  const recipe = JSON.parse(JSON.stringify(given)) as JsonObject;
  const now = { ...recipe, unitBytes: options.unitBytes ?? null, athanor: packageVersion() };
  return { recipe, now };
}

function writeRows(path: string, values: readonly object[]): void {
  function* lines() {
    for (const value of values) yield `${JSON.stringify(value)}\n`;
  }
  replaceFile(path, lines());
}

function* rows<T>(path: string): Generator<T> {
  using lines = new PieceReader(path);
  for (let line = lines.line(); line !== undefined; line = lines.line()) yield JSON.parse(line) as T;
}

function checkInputs(folder: PartialFolder, now: readonly Input[]): void {
  const before = [...rows<Input>(join(folder.path, INPUTS))];
  const most = Math.max(before.length, now.length);
  for (let i = 0; i < most; i++) {
    if (JSON.stringify(before[i]) === JSON.stringify(now[i])) continue;
    throw new AthanorError(
      'ERR_MISMATCH',
      `${folder.path} was begun with other inputs: ${difference(before[i], now[i])}`,
      'give the inputs that it was begun with, or begin anew with `fresh`',
    );
  }
}

const nameOf = (input: Input) => ('file' in input ? input.file : input.package);

function difference(before: Input | undefined, now: Input | undefined): string {
  if (before && now && nameOf(before) === nameOf(now)) return `${nameOf(now)} has changed`;
  if (now === undefined) return `${before ? nameOf(before) : 'a file'} is gone`;
  return `${nameOf(now)} stands where ${before ? nameOf(before) : 'no file'} stood`;
}
