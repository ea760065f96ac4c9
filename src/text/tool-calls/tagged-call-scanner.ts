/** Reads `<function=f><parameter=x>1</parameter></function>`, and passes whole arguments on. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { CallProgress, CallScanner } from './call-scanner.ts';

export const FUNCTION = '<function=';
const FUNCTION_END = '</function>';
const PARAMETER = '<parameter=';
const PARAMETER_END = '</parameter>';
const MOST_NAME = 200;

export class TaggedCallScanner implements CallScanner {
  name: string | undefined;
  isDone = false;
  isBroken = false;
  hasArguments = false;
  readonly #parametersOf: (name: string) => JsonObject | undefined;
  #text = '';
  /** Of the value that is read. */
  #key: string | undefined;

  /** @param parametersOf the JSON Schema of the arguments of a function */
  constructor(parametersOf: (name: string) => JsonObject | undefined) {
    this.#parametersOf = parametersOf;
  }

  push(text: string): CallProgress {
    let used = 0;
    let passed = '';
    while (used < text.length && !this.isDone && !this.isBroken) passed += this.#take(text[used++]!);
    return { text: passed, used };
  }

  #take(character: string): string {
    this.#text += character;
    if (this.#key !== undefined) return this.#text.endsWith(PARAMETER_END) ? this.#endValue() : '';
    const text = this.#text.trimStart();
    if (this.name === undefined) {
      this.name = this.#tagName(text, FUNCTION);
      if (this.name !== undefined) this.#text = '';
      return '';
    }
    if (text === FUNCTION_END) {
      this.isDone = true;
      return this.hasArguments ? '}' : '';
    }
    if (FUNCTION_END.startsWith(text)) return '';
    this.#key = this.#tagName(text, PARAMETER);
    if (this.#key !== undefined) this.#text = '';
    return '';
  }

  /** The name in a tag that is complete. */
  #tagName(text: string, begin: string): string | undefined {
    const isTag = text.startsWith(begin) || begin.startsWith(text);
    this.isBroken = !isTag || text.length > MOST_NAME;
    return isTag && text.length > begin.length && text.endsWith('>')
      ? text.slice(begin.length, -1).trim()
      : undefined;
  }

  #endValue(): string {
    const key = this.#key!;
    const text = this.#text.slice(0, -PARAMETER_END.length).replace(/^\n/, '').replace(/\n$/, '');
    this.#key = undefined;
    this.#text = '';
    const begin = this.hasArguments ? ', ' : '{';
    this.hasArguments = true;
    const properties = this.#parametersOf(this.name!)?.properties;
    const schema = isObject(properties) ? properties[key] : undefined;
    return `${begin}${JSON.stringify(key)}: ${JSON.stringify(typedValue(text, schema))}`;
  }
}

const PYTHON_WORDS: Readonly<Record<string, JsonValue>> = { True: true, False: false, None: null };

/** Text stays text where the schema says so, or says nothing. Otherwise it is read as JSON. */
function typedValue(text: string, schema: JsonValue | undefined): JsonValue {
  const types = typesOf(schema);
  if (types.length === 0 || types.every((type) => type === 'string')) return text;
  const value = parsed(text.trim());
  return value !== undefined && types.includes(typeOf(value)) ? value : text;
}

function parsed(text: string): JsonValue | undefined {
  if (Object.hasOwn(PYTHON_WORDS, text)) return PYTHON_WORDS[text];
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Types of the values of a schema, with numbers for integers; none where it does not say. */
export function typesOf(schema: JsonValue | undefined): string[] {
  if (!isObject(schema)) return [];
  const { type, enum: listed, const: only, anyOf, oneOf, nullable } = schema;
  const named = (Array.isArray(type) ? type : [type]).filter((one) => typeof one === 'string');
  const values = Array.isArray(listed) ? listed : only === undefined ? [] : [only];
  const parts = [anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list.flatMap(typesOf) : []));
  const types = [...named, ...(named.length > 0 ? [] : values.map(typeOf)), ...parts];
  if (types.length > 0 && nullable === true) types.push('null');
  return [...new Set(types.map((one) => (one === 'integer' ? 'number' : one)))];
}

function typeOf(value: JsonValue): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
