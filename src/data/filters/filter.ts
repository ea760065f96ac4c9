/** The shape of a filter, and filters that are a list of rules with thresholds. */
import { AthanorError } from '../../base/errors.ts';
import type { TextMeasures } from './text-measures.ts';

/** Why a filter rejected a document. */
export interface Rejection {
  /** The name of the filter, such as `gopher-quality`. */
  filter: string;
  /** The rule of that filter, such as `min-words`. */
  rule: string;
  /** The value that was measured. */
  value: number;
  threshold: number;
  /** What was found, where a number does not say it: a word of a list, a language. */
  found?: string;
}

/** A limit of a rule, or false for a rule that is switched off. */
export type RuleSetting = number | boolean | string;
export type RuleSettings = Readonly<Record<string, RuleSetting>>;

/** Hears of a measure that a rule compared with its threshold, and whether the text passed. */
export type NoteMeasure = (rule: string, threshold: number, value: number, isKept: boolean) => void;

/** A filter with its settings. It has no state: a document's result depends on its text alone. */
export interface TextFilter {
  readonly name: string;
  /** The version of its rules. It changes when a result may change. */
  readonly version: string;
  /** The rules that are on, with their thresholds, in the order in which they are applied. */
  readonly rules: Readonly<Record<string, RuleSetting>>;
  /** Loads what apply() and measure() need, if there is anything. */
  load?(): Promise<void>;
  /** The text that is kept, which an editing filter changes, or why the document is rejected. */
  apply(measures: TextMeasures, note?: NoteMeasure): string | Omit<Rejection, 'filter'>;
  /** The value of each rule, where all are numbers that do not depend on settings. */
  measure?(measures: TextMeasures): Record<string, number>;
  /** Frees what it holds: the model of a classifier. */
  close?(): void;
}

/** A rule rejects a text whose measure is below its threshold (min) or above it (max). */
export interface Rule {
  readonly bound: 'min' | 'max';
  readonly threshold: number;
  readonly measure: (measures: TextMeasures) => number;
}
export type Rules = Readonly<Record<string, Rule>>;

/** The settings of a filter over their defaults. Throws ERR_OPTION for an unknown name or kind. */
export function withSettings(
  filter: string,
  defaults: RuleSettings,
  settings: RuleSettings,
): Record<string, RuleSetting> {
  const names = Object.keys(defaults);
  for (const [name, value] of Object.entries(settings)) {
    const usual = defaults[name];
    if (usual === undefined) {
      const what = `the filter ${filter} has no rule ${name}`;
      throw new AthanorError('ERR_OPTION', what, `name one of ${names.join(', ') || 'none'}`);
    }
    const fits = value === false || typeof value === typeof usual || (value === true && usual !== '');
    if (!fits || (typeof value === 'number' && !Number.isFinite(value))) {
      const kind =
        typeof usual === 'boolean' ? 'on or off' : typeof usual === 'number' ? 'a number' : 'a text';
      const what = `expected the rule ${name} of the filter ${filter} to be ${kind} but got ${value}`;
      throw new AthanorError('ERR_OPTION', what, 'a rule is switched off with off');
    }
  }
  return Object.fromEntries(
    names.map((name) => {
      const given = settings[name] ?? defaults[name]!;
      return [name, given === true ? defaults[name]! : given];
    }),
  );
}

/** A filter of rules. The first rule that a text breaks rejects it. */
export function ruleFilter(name: string, version: string, rules: Rules, settings: RuleSettings): TextFilter {
  const defaults = Object.fromEntries(Object.entries(rules).map(([rule, r]) => [rule, r.threshold]));
  const thresholds = withSettings(name, defaults, settings);
  const active = Object.entries(rules)
    .map(([rule, { bound, measure }]) => ({ rule, bound, measure, threshold: thresholds[rule]! }))
    .filter((rule): rule is typeof rule & { threshold: number } => typeof rule.threshold === 'number');
  return {
    name,
    version,
    rules: Object.fromEntries(active.map(({ rule, threshold }) => [rule, threshold])),
    measure: (measures) => Object.fromEntries(active.map(({ rule, measure }) => [rule, measure(measures)])),
    apply(measures, note) {
      for (const { rule, bound, measure, threshold } of active) {
        const value = measure(measures);
        const isKept = bound === 'min' ? !(value < threshold) : !(value > threshold);
        note?.(rule, threshold, value, isKept);
        if (!isKept) return { rule, value, threshold };
      }
      return measures.text;
    },
  };
}
