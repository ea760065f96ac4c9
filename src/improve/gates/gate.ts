/** What a gate finds: how the new model compares with the served one, and whether it fell. */
import { pairedBootstrap } from '../../base/statistics.ts';
import type { RunConsole } from '../../comm/run-context.ts';
import type { DType } from '../../native/binding.ts';
import type { ImproveSettings } from '../settings.ts';

/** A comparison of the new model with the served one. */
export type GateReport = {
  name: string;
  /** What is measured, in words. */
  measure: string;
  /** `fell`: the interval reaches below the tolerance. `unmeasured`: nothing to measure on. */
  status: 'passed' | 'fell' | 'unmeasured';
  /** Of the served model; null for a measure that compares the two directly. */
  served: number | null;
  /** Of the new model. */
  candidate: number | null;
  /** How far the new model is better, with the ends of its 95 % interval. */
  lead: number | null;
  low: number | null;
  high: number | null;
  /** How far below zero the interval may reach. */
  tolerance: number;
  /** Rows, prompts or pairs. */
  items: number;
  note: string | null;
};

export interface GateContext {
  /** Folder of the served model. */
  served: string;
  /** Folder of the new model. */
  candidate: string;
  /** Folder of the rows of the round. */
  rows: string;
  /** Folder of the reward model that judges; undefined without enough votes. */
  judge: string | undefined;
  settings: ImproveSettings;
  dtype: DType;
  console: RunConsole;
}

export type Gate = (context: GateContext) => Promise<GateReport>;

/** A gate without anything to measure on. */
export function unmeasured(name: string, measure: string, note: string, items = 0): GateReport {
  const none = { served: null, candidate: null, lead: null, low: null, high: null };
  return { name, measure, status: 'unmeasured', ...none, tolerance: 0, items, note };
}

/** A gate that was measured. */
export function measured(
  name: string,
  measure: string,
  found: Pick<GateReport, 'served' | 'candidate' | 'tolerance' | 'items'> & {
    lead: number;
    low: number;
    high: number;
  },
): GateReport {
  const status = found.low < -found.tolerance ? 'fell' : 'passed';
  return { name, measure, status, ...found, note: null };
}

/** The mean of leads with its 95 % interval, by a bootstrap over items. */
export function meanLead(
  leads: readonly number[],
  seed: number,
): { lead: number; low: number; high: number } {
  const { difference, low, high } = pairedBootstrap(leads, new Float64Array(leads.length), { seed });
  return { lead: difference, low, high };
}
