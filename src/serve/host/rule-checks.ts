/** Checks rules as the engine does, and remembers what it found of the last ones. */
import { AthanorError } from '../../base/errors.ts';
import { GRAMMAR_UNITS } from '../../generate/grammar/grammar.ts';
import { ruleExpression } from '../../generate/grammar/rule.ts';
import { Budget } from '../../generate/grammar/terminal.ts';
import type { RuleCheck, RuleFailure } from '../protocol/rule-messages.ts';

/** Lists of rules that are remembered. */
const MOST_KNOWN = 64;

export class RuleChecks {
  /** By the JSON of the checks, the one that was asked for last at the end. */
  readonly #known = new Map<string, RuleFailure | undefined>();

  /**
   * The first rule that cannot be obeyed. The last one has the budget of a grammar; those before it
   * share another, so a request costs two grammars at most.
   */
  failureOf(checks: readonly RuleCheck[]): RuleFailure | undefined {
    const key = JSON.stringify(checks);
    const failure = this.#known.has(key) ? this.#known.get(key) : firstFailure(checks);
    this.#known.delete(key);
    this.#known.set(key, failure);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    return failure;
  }
}

function firstFailure(checks: readonly RuleCheck[]): RuleFailure | undefined {
  const shared = new Budget(GRAMMAR_UNITS);
  for (const [i, { rule, param }] of checks.entries()) {
    try {
      ruleExpression(rule, i === checks.length - 1 ? new Budget(GRAMMAR_UNITS) : shared);
    } catch (error) {
      if (!(error instanceof AthanorError)) throw error;
      const remedy = error.remedy ? `; ${error.remedy}` : '';
      return { param, message: `${param}: ${error.message}${remedy}` };
    }
  }
  return undefined;
}
