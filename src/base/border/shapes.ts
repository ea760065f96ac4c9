/**
 * Shapes of arguments as data. The build makes them from the types of the public API
 * (scripts/lib/shapes.mjs), so that a type is written once and holds for callers in plain
 * JavaScript too.
 */

/** What a value may be. */
export type Shape =
  | 'any'
  | 'string'
  | 'number'
  | 'boolean'
  | 'bigint'
  | 'undefined'
  | 'null'
  | 'function'
  | 'object'
  | 'iterable'
  | 'asyncIterable'
  | 'arrayLike'
  /** This very value. */
  | { readonly is: string | number | boolean }
  /** One of several shapes. */
  | { readonly any: readonly Shape[] }
  | { readonly list: Shape }
  /** An instance of a class of the API or of the language, by its name. */
  | { readonly of: string }
  /** An object of `ApiShapes.objects`, by its index. */
  | { readonly ref: number };

/** An object with named keys. A key may be left out when its shape has `undefined`. */
export interface ObjectShape {
  readonly keys: Readonly<Record<string, Shape>>;
  /** Other keys are refused, since an optional key with a mistake in its name would be lost. */
  readonly closed: boolean;
}

export interface ParameterShape {
  readonly name: string;
  readonly shape: Shape;
  readonly rest?: boolean;
}

/** The parameters of one function; several lists for several signatures. */
export interface FunctionShape {
  readonly signatures: readonly (readonly ParameterShape[])[];
  /** Whether errors reject a promise. */
  readonly async: boolean;
}

export interface ClassShape {
  /** Absent when the constructor is private. */
  readonly make?: FunctionShape;
  readonly methods: Readonly<Record<string, FunctionShape>>;
  readonly statics: Readonly<Record<string, FunctionShape>>;
}

export interface ApiShapes {
  readonly functions: Readonly<Record<string, FunctionShape>>;
  readonly classes: Readonly<Record<string, ClassShape>>;
  readonly objects: readonly ObjectShape[];
}
