/** What the HTTP thread and the thread that checks rules say to each other. */
import type { Rule } from '../../generate/grammar/rule.ts';

/** A rule that a request asks for. */
export interface RuleCheck {
  rule: Rule;
  /** The field that gives it. */
  param: string;
}

/** The first rule that cannot be obeyed. */
export interface RuleFailure {
  param: string;
  message: string;
}

/** The thread forgets what is cancelled, and does not answer it. */
export type ToRules = { id: number; checks: readonly RuleCheck[] } | { cancel: number };

export interface FromRules {
  id: number;
  failure: RuleFailure | undefined;
}
