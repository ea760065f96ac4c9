/** What the threads that filter units and the thread that shares them out say to each other. */
import type { ErrorCode } from '../../base/errors.ts';
import type { FilterRecipe } from '../filters/filter-documents.ts';
import type { UnitReading, UnitSummary } from './filter-unit.ts';
import type { WorkUnit } from './plan.ts';

/** What a thread gets when it begins. */
export interface UnitThreadSettings {
  /** The folder that is being made. */
  out: string;
  reading: UnitReading;
  filters: FilterRecipe;
}

/** The next unit. */
export interface UnitJob {
  index: number;
  unit: WorkUnit;
}

/** An error as its parts: a thread cannot send its class. */
export interface SentError {
  code: ErrorCode;
  message: string;
  remedy: string | undefined;
}

export type FromUnitThread =
  | { type: 'ready' }
  | { type: 'read'; documents: number; bytes: number }
  | { type: 'done'; index: number; summary: UnitSummary }
  | { type: 'failed'; index: number; error: SentError };
