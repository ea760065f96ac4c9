/**
 * The border of the library. Callers in plain JavaScript have no compiler, so each public function,
 * constructor and method compares its arguments with their types before it runs. The build puts the
 * guard around the API (scripts/lib/border.mjs); code inside the library calls the functions
 * themselves.
 */
import { inspect } from 'node:util';
import { AthanorError } from '../errors.ts';
import { newKeyOf } from '../renamed-options.ts';
import { nearest } from '../suggest.ts';
import { type Difference, expectation, ShapeChecker } from './check.ts';
import type { ApiShapes, ClassShape, FunctionShape, ObjectShape, ParameterShape } from './shapes.ts';

type Callable = (this: unknown, ...args: unknown[]) => unknown;
type Constructor = new (...args: unknown[]) => object;

/**
 * The API with a guard around it. Functions and classes come back wrapped; methods are replaced in
 * place, so that the instances that functions return have them. A call with an argument of the
 * wrong kind throws ERR_ARGUMENT, and so does an unknown key in the options of a function or
 * constructor.
 */
export function guarded<Api extends object>(api: Api, shapes: ApiShapes): Api {
  const members = api as Readonly<Record<string, unknown>>;
  const guard = new Guard(shapes.objects, members);
  const wrapped = Object.entries(members).map(([name, value]) => {
    const type = shapes.classes[name];
    if (type) return [name, guard.class(name, value as Constructor, type)];
    const shape = shapes.functions[name];
    return [name, shape ? guard.function(name, value as Callable, shape) : value];
  });
  return Object.fromEntries(wrapped) as Api;
}

class Guard {
  readonly #strict: ShapeChecker;
  /** For methods: the library calls them too, with objects that hold more than a method reads. */
  readonly #lenient: ShapeChecker;

  constructor(objects: readonly ObjectShape[], classes: Readonly<Record<string, unknown>>) {
    this.#strict = new ShapeChecker(objects, classes, true);
    this.#lenient = new ShapeChecker(objects, classes, false);
  }

  function(name: string, body: Callable, shape: FunctionShape, checker = this.#strict): Callable {
    const check = (args: readonly unknown[]) => checkArguments(checker, `${name}()`, shape, args);
    const wrapper: Callable = shape.async
      ? async function (...args) {
          check(args);
          return body.apply(this, args);
        }
      : function (...args) {
          check(args);
          return body.apply(this, args);
        };
    return Object.defineProperties(wrapper, {
      name: { value: body.name },
      length: { value: body.length },
    });
  }

  class(name: string, type: Constructor, { make, methods, statics }: ClassShape): Constructor {
    this.#replace(name, type.prototype as object, methods);
    this.#replace(name, type, statics);
    const outer: Constructor = new Proxy(type, {
      construct: (target, args, newTarget) => {
        if (make) checkArguments(this.#strict, `new ${name}()`, make, args);
        else if (newTarget === outer) throw notPublic(name, Object.keys(statics));
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
    return outer;
  }

  #replace(name: string, holder: object, shapes: Readonly<Record<string, FunctionShape>>): void {
    for (const [key, shape] of Object.entries(shapes)) {
      const property = Object.getOwnPropertyDescriptor(holder, key);
      if (typeof property?.value !== 'function') continue;
      const value = this.function(`${name}.${key}`, property.value as Callable, shape, this.#lenient);
      Object.defineProperty(holder, key, { ...property, value });
    }
  }
}

/** Throws ERR_ARGUMENT unless the arguments fit one of the signatures. */
function checkArguments(
  checker: ShapeChecker,
  where: string,
  { signatures }: FunctionShape,
  args: readonly unknown[],
): void {
  let first: Difference | undefined;
  for (const signature of signatures) {
    const difference = differenceOf(checker, signature, args);
    if (!difference) return;
    first ??= difference;
  }
  if (first) throw argumentError(where, first);
}

function differenceOf(
  checker: ShapeChecker,
  signature: readonly ParameterShape[],
  args: readonly unknown[],
): Difference | undefined {
  for (const [i, { name, shape, rest }] of signature.entries()) {
    const values = rest ? args.slice(i) : [args[i]];
    for (const value of values) {
      const difference = checker.difference(value, shape, name);
      if (difference) return named(difference, name);
    }
  }
  return undefined;
}

/** Names a key of an object of options by itself: `steps` and not `options.steps`. */
function named(difference: Difference, parameter: string): Difference {
  const { path } = difference;
  return path.startsWith(`${parameter}.`)
    ? { ...difference, path: path.slice(parameter.length + 1) }
    : difference;
}

function argumentError(where: string, { path, value, expected, known }: Difference): AthanorError {
  if (expected === undefined) {
    const key = path.split('.').at(-1)!;
    return new AthanorError('ERR_ARGUMENT', `${where} has no setting \`${path}\``, rightKey(key, known!));
  }
  const what = expectation(expected);
  if (value === undefined) {
    return new AthanorError('ERR_ARGUMENT', `\`${path}\` of ${where} is missing`, `give ${what}`);
  }
  return new AthanorError('ERR_ARGUMENT', `\`${path}\` of ${where} is ${shown(value)}`, `give ${what}`);
}

function rightKey(key: string, known: readonly string[]): string {
  const renamed = newKeyOf(key, known);
  if (renamed !== undefined) return `its new name is \`${renamed}\``;
  const close = nearest(key, known);
  return close === undefined ? `it has ${known.join(', ')}` : `did you mean \`${close}\`?`;
}

function notPublic(name: string, makers: readonly string[]): AthanorError {
  const calls = makers.map((maker) => `${name}.${maker}()`).join(' or ');
  const remedy = calls === '' ? 'use a function that returns one' : `use ${calls}`;
  return new AthanorError('ERR_ARGUMENT', `the constructor of ${name} is not public`, remedy);
}

/** A value in one short line. */
function shown(value: unknown): string {
  const text = inspect(value, { depth: 0, maxArrayLength: 3, maxStringLength: 40, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
