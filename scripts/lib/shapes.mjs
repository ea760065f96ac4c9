// The shapes of the public API (src/base/border/shapes.ts), read from its declarations.
import ts from 'typescript-6';
import { root } from './process.mjs';

/** Types of the language that are looked at by what they can do. */
const abilities = {
  Iterable: 'iterable',
  IterableIterator: 'iterable',
  AsyncIterable: 'asyncIterable',
  AsyncIterableIterator: 'asyncIterable',
  ArrayLike: 'arrayLike',
  ReadonlyMap: { of: 'Map' },
  ReadonlySet: { of: 'Set' },
  Function: 'function',
  Object: 'any',
};

/** ApiShapes of the declarations that `entry` exports. */
export function shapesOf(entry) {
  const options = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    typeRoots: [`${root}/node_modules/@types`],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  const program = ts.createProgram([entry], options);
  return new ShapeReader(program, entry).read();
}

class ShapeReader {
  #checker;
  #program;
  #exports;
  #objects = [];
  /** Index in #objects by type. */
  #indices = new Map();
  /** Types whose shape is being made. */
  #open = new Set();

  constructor(program, entry) {
    this.#program = program;
    this.#checker = program.getTypeChecker();
    const module = this.#checker.getSymbolAtLocation(program.getSourceFile(entry));
    this.#exports = this.#checker.getExportsOfModule(module).map((symbol) => this.#target(symbol));
  }

  read() {
    const functions = {};
    const classes = {};
    for (const symbol of this.#exports) {
      const { flags, name, valueDeclaration } = symbol;
      if (flags & ts.SymbolFlags.Class) classes[name] = this.#class(symbol);
      else if (flags & ts.SymbolFlags.Function)
        functions[name] = this.#function(this.#checker.getTypeOfSymbolAtLocation(symbol, valueDeclaration));
    }
    return { functions, classes, objects: this.#objects };
  }

  #target(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #class(symbol) {
    const made = this.#checker.getTypeOfSymbolAtLocation(symbol, symbol.valueDeclaration);
    const instance = this.#checker.getDeclaredTypeOfSymbol(symbol);
    const open = made.getConstructSignatures().filter(({ declaration }) => !isHidden(declaration));
    return {
      ...(open.length > 0 && { make: this.#signatures(open) }),
      methods: this.#methods(instance),
      statics: this.#methods(made),
    };
  }

  /** The public methods that have parameters. */
  #methods(type) {
    const methods = {};
    for (const property of type.getProperties()) {
      const { valueDeclaration: declaration } = property;
      if (!declaration || !ts.isMethodDeclaration(declaration) || isHidden(declaration)) continue;
      if (declaration.name && ts.isPrivateIdentifier(declaration.name)) continue;
      const shape = this.#function(this.#checker.getTypeOfSymbolAtLocation(property, declaration));
      if (shape.signatures.some((parameters) => parameters.length > 0)) methods[property.name] = shape;
    }
    return methods;
  }

  #function(type) {
    return this.#signatures(type.getCallSignatures());
  }

  #signatures(signatures) {
    return {
      signatures: signatures.map((signature) => signature.getParameters().map((one) => this.#parameter(one))),
      async: signatures.every((signature) => signature.getReturnType().symbol?.name === 'Promise'),
    };
  }

  #parameter(symbol) {
    const declaration = symbol.valueDeclaration;
    const type = this.#checker.getTypeOfSymbolAtLocation(symbol, declaration);
    // A destructured parameter has no name of its own.
    const name = ts.isIdentifier(declaration.name) ? symbol.name : 'options';
    if (declaration.dotDotDotToken) {
      const element = this.#checker.getIndexTypeOfType(type, ts.IndexKind.Number);
      return { name, shape: element ? this.#shape(element) : 'any', rest: true };
    }
    const shape = this.#shape(type);
    const isOptional = declaration.questionToken !== undefined || declaration.initializer !== undefined;
    return { name, shape: isOptional ? orUndefined(shape) : shape };
  }

  #shape(type) {
    const { flags } = type;
    const of = ts.TypeFlags;
    if (flags & (of.Any | of.Unknown | of.Never)) return 'any';
    if (flags & of.TypeParameter) {
      const limit = this.#checker.getBaseConstraintOfType(type);
      return limit && limit !== type ? this.#shape(limit) : 'any';
    }
    if (flags & of.Boolean) return 'boolean';
    if (flags & of.BooleanLiteral) return { is: type.intrinsicName === 'true' };
    if (flags & (of.StringLiteral | of.NumberLiteral)) return { is: type.value };
    if (flags & of.StringLike || flags & of.Index) return 'string';
    if (flags & of.NumberLike) return 'number';
    if (flags & of.BigIntLike) return 'bigint';
    if (flags & (of.Undefined | of.Void)) return 'undefined';
    if (flags & of.Null) return 'null';
    // A type that holds itself, such as JSON, is looked at down to where it begins again.
    if (this.#open.has(type)) return this.#indices.has(type) ? { ref: this.#indices.get(type) } : 'any';
    this.#open.add(type);
    const shape =
      flags & of.Union ? unionOf(type.types.map((one) => this.#shape(one))) : this.#objectShape(type);
    this.#open.delete(type);
    return shape;
  }

  #objectShape(type) {
    const checker = this.#checker;
    if (checker.isTupleType(type)) {
      return { list: unionOf(checker.getTypeArguments(type).map((one) => this.#shape(one))) };
    }
    const symbol = type.symbol;
    if (symbol && (checker.isArrayType(type) || symbol.name === 'ReadonlyArray')) {
      return { list: this.#shape(checker.getTypeArguments(type)[0]) };
    }
    if (symbol?.flags & ts.SymbolFlags.Class && this.#exports.includes(symbol)) return { of: symbol.name };
    if (symbol && this.#isOfLanguage(symbol)) return this.#languageShape(symbol.name, type);
    if (type.getCallSignatures().length > 0 || type.getConstructSignatures().length > 0) return 'function';
    if (type.getProperties().length === 0)
      return checker.getIndexInfosOfType(type).length > 0 ? 'object' : 'any';
    return { ref: this.#object(type) };
  }

  #isOfLanguage(symbol) {
    const file = symbol.declarations?.[0]?.getSourceFile();
    const isMapped = symbol.name === '__type';
    return (
      !isMapped && (this.#program.isSourceFileDefaultLibrary(file) || file.fileName.includes('/@types/'))
    );
  }

  #languageShape(name) {
    if (Object.hasOwn(abilities, name)) return abilities[name];
    return typeof globalThis[name] === 'function' ? { of: name } : 'any';
  }

  #object(type) {
    const known = this.#indices.get(type);
    if (known !== undefined) return known;
    const index = this.#objects.push({}) - 1;
    this.#indices.set(type, index);
    const keys = {};
    let hasOptional = false;
    let hasMethods = false;
    for (const property of type.getProperties()) {
      if (property.name.startsWith('__@')) continue;
      const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      const shape = this.#shape(this.#checker.getTypeOfSymbol(property));
      keys[property.name] = isOptional ? orUndefined(shape) : shape;
      hasOptional ||= isOptional;
      hasMethods ||= !isOptional && shape === 'function';
    }
    const isOpen = this.#checker.getIndexInfosOfType(type).length > 0;
    this.#objects[index] = { keys, closed: hasOptional && !hasMethods && !isOpen };
    return index;
  }
}

function isHidden(declaration) {
  const flags = declaration ? ts.getCombinedModifierFlags(declaration) : 0;
  return (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
}

function orUndefined(shape) {
  return unionOf([shape, 'undefined']);
}

/** One shape for several: without doubles, and true or false as `boolean`. */
function unionOf(shapes) {
  const flat = shapes.flatMap((shape) => shape.any ?? [shape]);
  const isBoolean = [true, false].every((value) => flat.some((one) => one.is === value));
  const some = isBoolean ? ['boolean', ...flat.filter((one) => typeof one.is !== 'boolean')] : flat;
  const texts = [...new Set(some.map((one) => JSON.stringify(one)))];
  if (texts.includes('"any"')) return 'any';
  return texts.length === 1 ? JSON.parse(texts[0]) : { any: texts.map((text) => JSON.parse(text)) };
}
