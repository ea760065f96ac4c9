/** A template as it was read. Names and rules are those of Jinja2's own nodes. */
import type { Value } from './values.ts';

export interface CallArguments {
  positional: Expression[];
  named: [string, Expression][];
  /** `*expression` and `**expression`. */
  spread?: Expression | undefined;
  spreadNamed?: Expression | undefined;
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export type Expression =
  | { kind: 'constant'; value: Value }
  | { kind: 'name'; name: string }
  | { kind: 'list' | 'tuple'; items: Expression[] }
  | { kind: 'dict'; pairs: [Expression, Expression][] }
  | { kind: 'condition'; test: Expression; value: Expression; otherwise: Expression | undefined }
  | { kind: 'and' | 'or'; left: Expression; right: Expression }
  | { kind: 'not'; operand: Expression }
  | { kind: 'compare'; first: Expression; rest: [Comparison, Expression][] }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'unary'; operator: '+' | '-'; operand: Expression }
  | { kind: 'concat'; parts: Expression[] }
  | FilterNode
  | { kind: 'test'; operand: Expression; name: string; arguments: CallArguments }
  | CallNode
  | { kind: 'attribute'; object: Expression; name: string }
  | { kind: 'item'; object: Expression; index: Expression }
  | SliceNode;

export interface CallNode {
  kind: 'call';
  callee: Expression;
  arguments: CallArguments;
}

/** `operand` is missing where the filter is applied to the text of a block. */
export interface FilterNode {
  kind: 'filter';
  operand: Expression | undefined;
  name: string;
  arguments: CallArguments;
}

export interface SliceNode {
  kind: 'slice';
  start: Expression | undefined;
  stop: Expression | undefined;
  step: Expression | undefined;
}

/** What is assigned to: a name, an attribute of a namespace, or several of them. */
export type Target =
  | { kind: 'name'; name: string }
  | { kind: 'namespace'; name: string; attribute: string }
  | { kind: 'tuple'; items: Target[] };

/** Parameters of a macro or of the caller of a call block. */
export interface Signature {
  parameters: { name: string; default: Expression | undefined }[];
  /** The body reads `caller`, `kwargs`, `varargs`. */
  reads: { caller: boolean; kwargs: boolean; varargs: boolean };
}

/** Where a name of a scope has its value from when the scope is entered. */
export type Origin = 'parameter' | 'context' | 'outer' | 'undefined';

/** A body with names of its own. `names` is filled in by bindNames. */
export interface Scoped {
  body: Statement[];
  names: Map<string, Origin>;
}

interface Located {
  line: number;
}

export type Statement = Located &
  (
    | { kind: 'text'; text: string }
    | { kind: 'output'; expression: Expression }
    | { kind: 'if'; branches: [Expression, Statement[]][]; otherwise: Statement[] }
    | ForNode
    | { kind: 'set'; target: Target; value: Expression }
    | { kind: 'setBlock'; target: Target; filter: FilterNode | undefined; scope: Scoped }
    | { kind: 'with'; targets: [Target, Expression][]; scope: Scoped }
    | MacroNode
    | { kind: 'callBlock'; call: CallNode; signature: Signature; scope: Scoped }
    | { kind: 'filterBlock'; filter: FilterNode; scope: Scoped }
    | { kind: 'generation'; scope: Scoped }
    | { kind: 'block'; scope: Scoped }
    | { kind: 'break' | 'continue' }
  );

export interface ForNode {
  kind: 'for';
  target: Target;
  iterable: Expression;
  /** `if` behind the iterable. */
  test: Expression | undefined;
  testNames: Map<string, Origin>;
  recursive: boolean;
  scope: Scoped;
  otherwise: Scoped;
}

export interface MacroNode {
  kind: 'macro';
  name: string;
  signature: Signature;
  scope: Scoped;
}
