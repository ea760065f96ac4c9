/** The form of a text as data: it passes between threads, and equal rules have equal JSON. */
import type { JsonValue } from '../../base/json.ts';
import { all, any, type Expression, Later, terminal } from './expression.ts';
import { plainText } from './plain-text.ts';
import { schemaExpression } from './schema.ts';
import { type Budget, choice, freeText, notBeginning } from './terminal.ts';

export type Rule =
  /** Exactly this text. */
  | { readonly kind: 'text'; readonly text: string }
  /** A JSON value that fits this JSON Schema. */
  | { readonly kind: 'json'; readonly schema: JsonValue }
  /** The same, or a value of another schema where this one is not supported. */
  | { readonly kind: 'json-if-supported'; readonly schema: JsonValue; readonly otherwise: JsonValue }
  /** One after another. */
  | { readonly kind: 'all'; readonly items: readonly Rule[] }
  /** One of them. */
  | { readonly kind: 'any'; readonly items: readonly Rule[] }
  /** Once or more often, with a text in between. */
  | { readonly kind: 'list'; readonly item: Rule; readonly separator: string }
  /** Any text; once the marker occurs in it, it goes on as `after` says. */
  | { readonly kind: 'free'; readonly marker: string; readonly after: Rule }
  /** Any text up to the first occurrence of the marker, which it must have. */
  | { readonly kind: 'until'; readonly marker: string; readonly after: Rule }
  /** So many characters, without `<` and without controls other than tabs and line breaks. */
  | { readonly kind: 'plain'; readonly least: number; readonly most: number }
  /** Any text that does not begin with the character of ASCII, also none. */
  | { readonly kind: 'not-beginning'; readonly character: string };

/** Throws ERR_ARGUMENT for a schema that is not valid, not supported or too large. */
export function ruleExpression(rule: Rule, budget: Budget): Expression {
  budget.spend(4);
  const inner = (one: Rule) => ruleExpression(one, budget);
  const literal = (text: string) => terminal(choice([{ text }], budget));
  switch (rule.kind) {
    case 'text':
      return literal(rule.text);
    case 'json':
      return schemaExpression(rule.schema, budget);
    case 'json-if-supported':
      return budget.attempt(
        (half) => schemaExpression(rule.schema, half),
        () => schemaExpression(rule.otherwise, budget),
      );
    case 'all':
      return all(...rule.items.map(inner));
    case 'any':
      return any(...rule.items.map(inner));
    case 'list': {
      const item = inner(rule.item);
      const more = all(literal(rule.separator), item);
      const rest: Expression = new Later(() => any(all(), all(more, rest)));
      return all(item, rest);
    }
    case 'free':
      return terminal(freeText(rule.marker, inner(rule.after)));
    case 'until':
      return terminal(freeText(rule.marker, inner(rule.after), false));
    case 'plain':
      return terminal(plainText(rule.least, rule.most, budget));
    case 'not-beginning':
      return terminal(notBeginning(rule.character.charCodeAt(0)));
  }
}
