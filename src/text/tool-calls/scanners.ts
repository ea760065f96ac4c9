/** The scanner for each syntax of calls. */
import type { JsonObject } from '../../base/json.ts';
import { type CallScanner, ObjectCallScanner } from './call-scanner.ts';
import type { CallSyntax } from './format.ts';
import { NamedCallScanner } from './named-call-scanner.ts';
import { PythonCallScanner } from './python-call-scanner.ts';
import { FUNCTION, TaggedCallScanner } from './tagged-call-scanner.ts';

/** Models mix these up. */
const ARGUMENT_KEYS = ['arguments', 'parameters'];

/** Whether a text begins as a call does; undefined where more of it must be known. */
export function beginsCall({ kind }: CallSyntax, text: string): boolean | undefined {
  switch (kind) {
    case 'object':
      return text.startsWith('{');
    case 'named':
      return /^[\w.-]/.test(text);
    case 'python':
      return /^[A-Za-z_]/.test(text);
    case 'tags':
      return text.startsWith(FUNCTION) || (FUNCTION.startsWith(text) ? undefined : false);
  }
}

/** @param parametersOf the JSON Schema of the arguments of a function */
export function scannerOf(
  { kind }: CallSyntax,
  parametersOf: (name: string) => JsonObject | undefined,
): CallScanner {
  switch (kind) {
    case 'object':
      return new ObjectCallScanner(ARGUMENT_KEYS);
    case 'named':
      return new NamedCallScanner();
    case 'python':
      return new PythonCallScanner();
    case 'tags':
      return new TaggedCallScanner(parametersOf);
  }
}
