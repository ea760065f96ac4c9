/** How one call is written. */
export type CallSyntax =
  /** `{"name": "f", "arguments": {}}`, with this key for the arguments. */
  | { readonly kind: 'object'; readonly argumentsKey: string }
  /** `f[ARGS]{}`, or `f[CALL_ID]0123abcde[ARGS]{}` where calls have ids of so many characters. */
  | { readonly kind: 'named'; readonly idLength: number | undefined }
  /** `f(x=1, y="a")` */
  | { readonly kind: 'python' }
  /** `<function=f>` with a `<parameter=x>` for each argument. Texts stand there as they are. */
  | { readonly kind: 'tags' };

/** How the models of one family write calls of functions into their answers. */
export interface ToolFormat {
  readonly name: string;
  /** Whether a chat template is of this family. */
  isUsedBy(template: string): boolean;
  /** Special tokens of these names are text of a call. */
  readonly textTokens: readonly string[];
  /** The text that begins calls. Undefined: an answer that begins as a call does is one. */
  readonly marker: string | undefined;
  /** Text with which calls begin where a model leaves the marker out. */
  readonly bare?: string;
  /** The text before the first call, between two of them, and after the last one. */
  readonly begin: string;
  /** Undefined: an answer has one call only. */
  readonly between: string | undefined;
  readonly end: string;
  /** Texts besides white space that may stand around calls. */
  readonly around: readonly string[];
  readonly call: CallSyntax;
  /** What ids of calls are made of: a prefix, and so many letters and digits. */
  readonly id: { readonly prefix: string; readonly length: number };
}
