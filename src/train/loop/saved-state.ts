/** Checks what a resumed run reads against what a run of the same kind would write. */
import { AthanorError } from '../../base/errors.ts';
import { type JsonObject, type JsonValue, quoted } from '../../base/json.ts';

/** May be null: a run with a budget of time knows its steps later. */
const nullable = new Set(['total_steps']);

/** Checkpoints of older versions do not have these, and whoever restores them does without. */
const newer = new Set([
  'idle',
  'stage.loader.taken',
  'stage.comparisons.rows',
  'stage.pairs.rows',
  'stage.rows',
  'stage.kl_start',
]);

/**
 * Where a saved state differs in kind from the state of a new run, such as `guard.skipped is
 * "x", not a number`; undefined where it fits. A value that a new run does not have yet (null)
 * may be anything.
 */
export function misfit(saved: JsonValue | undefined, fresh: JsonValue, name = ''): string | undefined {
  if (fresh === null) return undefined;
  const where = name === '' ? 'it' : name;
  if (saved === null && nullable.has(name)) return undefined;
  if (saved === undefined) return newer.has(name) ? undefined : `${where} is missing`;
  if (kindOf(saved) !== kindOf(fresh)) return `${where} is ${quoted(saved)}, not ${kindOf(fresh)}`;
  if (kindOf(fresh) !== 'an object') return undefined;
  for (const [key, value] of Object.entries(fresh as JsonObject)) {
    const problem = misfit((saved as JsonObject)[key], value, name === '' ? key : `${name}.${key}`);
    if (problem) return problem;
  }
  return undefined;
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** The state of a checkpoint, except its tensors. */
export interface TrainerState extends JsonObject {
  step: number;
  tokens: number;
  total_steps: number | null;
  optimizer_steps: number;
  seconds: number;
  guard: JsonObject;
  patience: JsonObject;
  idle: JsonObject;
  stage: JsonValue;
}

/** ERR_FILE_DAMAGED for a checkpoint whose state cannot be used. */
export function damagedState(path: string, problem: string, cause?: unknown): AthanorError {
  const remedy = 'resume from another checkpoint, or start the run again';
  return new AthanorError('ERR_FILE_DAMAGED', `the state in ${path} is damaged: ${problem}`, remedy, {
    cause,
  });
}
