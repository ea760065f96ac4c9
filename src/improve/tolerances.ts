/** Tolerances whose defaults depend on the method. */
import type { ImproveSettings } from './settings.ts';

/** A method that does not learn from votes need not win. */
export function voteTolerance({ votesTolerance, method }: ImproveSettings): number {
  return votesTolerance ?? (method === 'sft' ? 0.1 : 0);
}

export function winTolerance(settings: ImproveSettings): number {
  return settings.winTolerance ?? voteTolerance(settings);
}
