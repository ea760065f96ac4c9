/** How the models of one family write calls of functions into their answers. */
export interface ToolFormat {
  readonly name: string;
  /** Whether a chat template is of this family. */
  isUsedBy(template: string): boolean;
  /** Special tokens of these names are text of a call. */
  readonly textTokens: readonly string[];
  /** The text that begins calls. Undefined: an answer that begins with `{` is a call. */
  readonly marker: string | undefined;
  /** The text before the first call, between two of them, and after the last one. */
  readonly begin: string;
  /** Undefined: an answer has one call only. */
  readonly between: string | undefined;
  readonly end: string;
  /** Texts besides white space that may stand around calls. */
  readonly around: readonly string[];
  /** The key of the arguments beside `name` in the JSON of a call. */
  readonly argumentsKey: string;
  /** What ids of calls are made of: a prefix, and so many letters and digits. */
  readonly id: { readonly prefix: string; readonly length: number };
}
